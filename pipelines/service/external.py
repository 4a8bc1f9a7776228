"""The external CRM's contract: which connection it is, what a payload comes to, and the record in its own names."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.connections.by_address import stands_for
from pipelines.connections.connection import Connection
from pipelines.connections.errors import SettingsError
from pipelines.connections.owner import Owner
from pipelines.mapping.language import Entity, FieldMapping
from pipelines.mapping.problems import MappingErrors
from pipelines.mapping.words import places
from pipelines.push.paths import put
from pipelines.service.errors import ServiceError
from pipelines.state import registry

if TYPE_CHECKING:
    from pipelines.service.context import Context
    from pipelines.staging.read_back import RecordReader

NAME = "external"
IDS = ("phone", "whatsapp_id")
LONGEST_ID = 200
MOST_READERS = 4


def owner_of(context: Context) -> Owner:
    """Whose the external CRM is: what is configured by variables belongs to the default owner."""
    return context.owner(context.settings.default_owner)


def polled(context: Context) -> str:
    """The connection that is read: the external CRM's own, or that of the known CRM behind the address."""
    return stands_for(NAME, context.environment, context.project) or NAME


def is_configured(context: Context) -> bool:
    """Whether there is an address and a key."""
    settings = context.settings
    return bool(settings.external_crm_api_url and settings.external_crm_api_key)


def connection(context: Context, name: str) -> Connection:
    """One of them, ready to use.

    Raises:
        ServiceError: 503, it is not configured.
    """
    try:
        return context.connections(owner_of(context).name, name)
    except (SettingsError, MappingErrors) as problem:
        said = context.redactor.text(problem).splitlines()[0]
        raise ServiceError(503, "External CRM is not configured", details=said) from None


def user_id(payload: Mapping[str, Any]) -> str | None:
    """The WhatsApp id of a payload: the first of phone and whatsapp_id that is not empty."""
    for name in IDS:
        value = payload.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    return None


def is_wanted(context: Context, external: Connection, payload: Mapping[str, Any]) -> bool:
    """Whether the mapping's filters let the record in, as contact and as deal."""
    filtered = [name for name, entity in external.entities.items() if entity.where is not None]
    for name in filtered:
        if not _has_what_it_needs(external.entities[name], payload):
            continue
        with _reading:
            rows = _reader(context, external)(name, [payload], [])
        if not all(row["is_in_scope"] for row in rows):
            return False
    return True


_reading = threading.Lock()
_readers: OrderedDict[int, tuple[Connection, RecordReader]] = OrderedDict()


def _reader(context: Context, external: Connection) -> RecordReader:
    """Reads single records; made once for a connection, since its SQL takes a while to prepare."""
    from pipelines.staging.read_back import RecordReader

    key = id(external)
    if key not in _readers:
        _readers[key] = (external, RecordReader(external, context.schemas))
        while len(_readers) > MOST_READERS:
            _readers.popitem(last=False)[1][1].close()
    return _readers[key][1]


def _has_what_it_needs(entity: Entity, payload: Mapping[str, Any]) -> bool:
    return all(payload.get(str(path).split(".", 1)[0]) not in (None, "") for path in entity.only_with)


def is_known(context: Context, external: Connection, record_id: str) -> bool:
    """Whether the record was here before the call."""
    owner = owner_of(context)
    entity = next(iter(external.entities))
    key = f"{external.name}:{record_id}"
    return bool(registry.golden_of(context.state_of(owner), entity, [key]))


def records_of(context: Context, name: str) -> list[str]:
    """Ids of the contacts that a connection holds now."""
    query = """select source_id from staging.contacts
        where connection = ? and not is_deleted and is_in_scope order by source_id"""
    return [str(row[0]) for row in context.published.rows(owner_of(context), query, [name])]


def record(context: Context, external: Connection, record_id: str) -> dict[str, Any] | None:
    """The golden record of a contact, and its deal, in the external CRM's own field names; None: there is none.

    What no canonical field holds comes from the record as it was last received.
    """
    owner = owner_of(context)
    found: dict[str, Any] = {}
    golden = _golden_contact(context, owner, external, record_id)
    if golden is None:
        return None
    original = context.searcher.originals(owner, "contacts", [f"{external.name}:{record_id}"])
    for text in original.values():
        found |= {k: v for k, v in json.loads(text).items() if v is not None}
    _put_fields(found, external.entities["contacts"], golden)
    deal = _golden_deal(context, owner, external, record_id)
    if deal is not None and "deals" in external.entities:
        _put_fields(found, external.entities["deals"], deal)
    if external.name == NAME:
        found[next((name for name in IDS if found.get(name)), IDS[0])] = record_id
    found.pop("secret", None)
    return found


def _golden_contact(context: Context, owner: Owner, external: Connection, record_id: str) -> dict[str, Any] | None:
    query = """select g.* from unified.contacts as g join unified.contact_sources as s using (contact_id)
        where s.record_key = ? and not s.is_deleted"""
    return _row(context, owner, query, [f"{external.name}:{record_id}"])


def _golden_deal(context: Context, owner: Owner, external: Connection, record_id: str) -> dict[str, Any] | None:
    query = """select g.*, d.custom from unified.deals as g join unified.deal_sources as s using (deal_id)
        join staging.deals as d on d.record_key = s.record_key
        where s.connection = ? and not s.is_deleted and list_contains(d.contact_ids, ?)
        order by d.modified_at desc nulls last, d.seen_at desc limit 1"""
    return _row(context, owner, query, [external.name, f"{external.name}:{record_id}"])


def _row(context: Context, owner: Owner, query: str, values: list[Any]) -> dict[str, Any] | None:
    wrapped = f"select to_json(one)::varchar from ({query}) as one"
    rows = context.published.rows(owner, wrapped, values)
    return dict(json.loads(rows[0][0])) if rows else None


def _put_fields(body: dict[str, Any], entity: Entity, golden: Mapping[str, Any]) -> None:
    """Canonical values under the names that they are written to; references and computed ones are not written."""
    for name, field in entity.fields.items():
        value = golden.get(name)
        if value is None or field.sql is not None or name.endswith(("_id", "_ids")):
            continue
        _put(body, field, value)
    custom = golden.get("custom")
    kept = json.loads(custom) if isinstance(custom, str) else custom or {}
    for name, choice in entity.custom.items():
        if kept.get(name) is not None:
            where = places(choice)
            put(body, next((path for path in where if path in body), where[0]), kept[name])


def _put(body: dict[str, Any], field: FieldMapping, value: Any) -> None:
    if field.all_of is not None:
        members = value if isinstance(value, list) else [value]
        for slot, member in zip(field.slots, members, strict=False):
            put(body, next((path for path in slot if path in body), slot[0]), member)
        return
    wanted = [field.write_to] if field.write_to else [field.path] if field.path else list(field.first_of or [])
    if not wanted or wanted[0] is None or field.each is not None:
        return
    written = field.written_values.get(str(value), value) if field.values else value
    put(body, str(next((path for path in wanted if path in body), wanted[0])), written)
