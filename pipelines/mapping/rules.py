"""What pydantic cannot see in a mapping: whether its names and choices hold together and fit the canonical schemas.

This module checks the mapping as a whole, its connection and its entities; `field_rules` the fields, `push_rules` what
is written back.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator
from collections.abc import Mapping as Dict
from dataclasses import dataclass
from typing import Any

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.document import Document, Parts
from pipelines.mapping.field_rules import check_fields
from pipelines.mapping.language import Entity, Extract, Mapping
from pipelines.mapping.problems import Problem, listed, nearest_name
from pipelines.mapping.push_rules import check_push
from pipelines.mapping.scope import Known, Scope
from pipelines.mapping.sql_text import complaints
from pipelines.mapping.view_rules import check_views

__all__ = ["Known", "check_mapping"]

_VARIABLE = re.compile(r"\$\{[A-Z][A-Z0-9_]*(:-[^${}]*)?\}")
_SECRET_KEY = re.compile(r"(?i)secret|token$|password|api[_-]?key|^authorization$")
# Columns of every staging table that a `where` may name beside the canonical fields.
_STAGED = frozenset({"source_id", "modified_at", "is_deleted", "custom"})


def check_mapping(
    document: Document, mapping: Mapping, schemas: Dict[str, CanonicalEntity] | None, known: Known, stem: str
) -> list[Problem]:
    """All that is wrong with a mapping of the right form; `stem` is its file's name without .yml."""
    found = [*_whole(document, mapping, stem), *_connection(document, mapping, known), *_variables(document)]
    for name, entity in mapping.entities.items():
        at: Parts = ("entities", name)
        schema = (schemas or {}).get(name)
        if schemas is not None and schema is None:
            near = nearest_name(name, schemas)
            found.append(document.problem(at, "unknown entity", expected=listed(schemas), nearest=near))
            schema = schemas[near] if near else None  # what else is wrong is told in the same go
        scope = Scope(document, at, entity, schema, frozenset(mapping.entities), known)
        found += [*_entity(scope, mapping), *check_fields(scope), *check_push(scope)]
    return [*found, *check_views(document, mapping, schemas)]


@dataclass(frozen=True)
class _Registry:
    """A kind of registered name, as it is spoken of."""

    kind: str
    names: frozenset[str] | None

    def check(self, document: Document, parts: Parts, name: Any) -> Iterator[Problem]:
        if self.names is not None and name not in self.names:
            yield document.problem(
                parts, f"{name!r} is no known {self.kind}", of_value=True, expected=listed(sorted(self.names)),
                nearest=nearest_name(str(name), self.names),
            )  # fmt: skip


def _arguments(document: Document, at: Parts, block: Dict[str, Any], known: Known) -> Iterator[Problem]:
    """The keys beside `type` are those that the registered type takes."""
    takes = known.arguments.get(str(block["type"]))
    if not takes:
        return
    for key in block:
        if key != "type" and key not in takes:
            near = nearest_name(key, takes)
            expected = "" if near else listed(takes)
            yield document.problem((*at, key), f"unknown key for {block['type']}", nearest=near, expected=expected)
    missing = [key for key, is_needed in takes.items() if is_needed and key not in block]
    if missing:
        yield document.problem(at, f"{block['type']} lacks {', '.join(missing)}", remedy=f"add {', '.join(missing)}")


def _whole(document: Document, mapping: Mapping, stem: str) -> Iterator[Problem]:
    if mapping.crm != stem:
        yield document.problem(("crm",), f"{mapping.crm!r} in {stem}.yml", of_value=True, expected=stem)
    webhook = mapping.webhook
    if webhook is None:
        return
    for name in webhook.entities:
        if name not in mapping.entities:
            near = nearest_name(name, mapping.entities)
            yield document.problem(
                ("webhook", "entity"), f"{name!r} is no entity of this mapping", of_value=True,
                expected=listed(mapping.entities), nearest=near,
            )  # fmt: skip


def _connection(document: Document, mapping: Mapping, known: Known) -> Iterator[Problem]:
    connection, at = mapping.connection, "connection"
    url = re.sub(r"^\$\{[A-Z0-9_]+(:-(.*))?\}", r"\2", connection.base_url or "")
    if url and not re.match(r"https?://[^/\s]", url):
        yield document.problem(
            (at, "base_url"), f"{url!r} is no address", of_value=True, expected="https://... or ${NAME:-https://...}"
        )
    if connection.auth is not None:
        if "type" not in connection.auth:
            yield document.problem((at, "auth"), "has no type", remedy="add type")
        else:
            registry = _Registry("authentication type", known.auths)
            yield from registry.check(document, (at, "auth", "type"), connection.auth["type"])
            yield from _arguments(document, (at, "auth"), connection.auth, known)
    for key, form, said in (
        ("phone_region", r"[A-Z]{2}", "two capitals (ISO 3166)"),
        ("currency", r"[A-Z]{3}", "three capitals (ISO 4217)"),
    ):
        value = _by_default(getattr(connection, key))
        if value and not re.fullmatch(form, value):
            yield document.problem((at, key), f"found {value!r}", of_value=True, expected=said)
    zone = _by_default(connection.timezone)
    if zone and not _is_zone(zone):
        near = nearest_name(zone, zoneinfo.available_timezones())
        yield document.problem((at, "timezone"), f"{connection.timezone!r} is no zone", of_value=True, nearest=near)
    for i, limit in enumerate(connection.limits):
        yield from _pattern(document, (at, "limits", i, "match"), limit.match)
    for i, rule in enumerate(connection.instead):
        yield from _pattern(document, (at, "instead", i, "address"), rule.address)
        if "(?P<base>" not in rule.address:
            said = "(?P<base>...), up to where the CRM's paths begin"
            yield document.problem((at, "instead", i, "address"), "no group `base`", of_value=True, expected=said)
    if mapping.webhook is not None:
        scheme = mapping.webhook.scheme
        yield from _Registry("signature scheme", known.webhook_schemes).check(document, ("webhook", "scheme"), scheme)


def _by_default(text: str) -> str:
    """What a value is where no variable says otherwise; empty where only a variable says it."""
    return re.sub(r"^\$\{[A-Z0-9_]+(:-(.*))?\}$", r"\2", text)


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True


def _pattern(document: Document, parts: Parts, pattern: str | None) -> Iterator[Problem]:
    try:
        re.compile(pattern or "")
    except re.error as error:
        yield document.problem(parts, f"no regular expression: {error}", of_value=True)


def _variables(document: Document) -> Iterator[Problem]:
    """`${...}` in the right form and place; and no secret in the file itself."""
    for parts, text in _texts(document.data, ()):
        if "${" in _VARIABLE.sub("", text):
            yield document.problem(
                parts, f"{text!r} is no variable", of_value=True, expected="${NAME} or ${NAME:-default}, in capitals"
            )
        elif "${" in text and parts[0] != "connection" and parts != ("webhook", "secret"):
            yield document.problem(
                parts, "variables are only filled in under connection and in webhook.secret", of_value=True
            )
        is_login = parts[:2] in (("connection", "auth"), ("connection", "headers")) or parts[:1] == ("webhook",)
        names_secret = _SECRET_KEY.search(str(parts[-1]).removesuffix("_url"))
        if is_login and names_secret and not str(parts[-1]).endswith("_url") and not _may_stand_in_file(text):
            yield document.problem(parts, "a secret in a file that others read", of_value=True, remedy="write ${NAME}")


def _may_stand_in_file(text: str) -> bool:
    return "${" in text or "{" in text or text == ""


def _texts(value: Any, parts: Parts) -> Iterator[tuple[Parts, str]]:
    if isinstance(value, str):
        yield parts, value
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from _texts(member, (*parts, key))
    elif isinstance(value, list):
        for i, member in enumerate(value):
            yield from _texts(member, (*parts, i))


def _entity(scope: Scope, mapping: Mapping) -> Iterator[Problem]:
    entity = scope.entity
    if mapping.connection.kind == "http" and entity.get is not None and not names_id(entity.get):
        yield scope.problem(("get",), "names no {id}", remedy="put {id} into its path, params or json")
    if isinstance(entity.id, list) and not entity.id:
        yield scope.problem(("id",), "is empty", expected="a path, or a list of paths", of_value=True)
    yield from _extract(scope, ("extract",), entity.extract)
    yield from _deleted(scope, entity)
    if entity.where is not None:
        columns = [*entity.fields, *_STAGED]
        for found, expected, near in complaints(entity.where, columns):
            yield scope.problem(("where",), found, of_value=True, expected=expected, nearest=near)


def _extract(scope: Scope, at: Parts, extract: Extract) -> Iterator[Problem]:
    paginator = extract.paginator
    if isinstance(paginator, dict) and "type" not in paginator:
        yield scope.problem((*at, "paginator"), "has no type", remedy="add type")
    elif paginator is not None:
        name, key = (paginator["type"], ("type",)) if isinstance(paginator, dict) else (paginator, ())
        registry = _Registry("paginator", scope.known.paginators)
        where = (*scope.at, *at, "paginator")
        yield from registry.check(scope.document, (*where, *key), name)
        block = paginator if isinstance(paginator, dict) else {"type": name}
        yield from _arguments(scope.document, where, block, scope.known)
    yield from _windows(scope, at, extract)
    incremental = extract.incremental
    if incremental is None:
        return
    if incremental.cursor_path is None and scope.entity.modified is None:
        yield scope.problem(
            (*at, "incremental"), "has no cursor", remedy="give the entity modified, or add cursor_path"
        )
    where_used = [text for _, text in _texts(extract.model_dump(exclude={"incremental"}), ())]
    if incremental.start_param is None and not any("{incremental." in t for t in where_used):
        remedy = "add start_param, or put {incremental.start_value} into params, headers, json or path"
        yield scope.problem((*at, "incremental"), "the bookmark is sent nowhere", remedy=remedy)


def _windows(scope: Scope, at: Parts, extract: Extract) -> Iterator[Problem]:
    """Both ends of a window must be sent somewhere."""
    if extract.windows is None or extract.windows.by == "id":
        return
    incremental = extract.incremental
    if incremental is None or not incremental.honoured:
        yield scope.problem(
            (*at, "windows"), "by modified, but the list is not filtered by it", remedy="add incremental"
        )
        return
    where_used = [text for _, text in _texts(extract.model_dump(exclude={"incremental"}), ())]
    is_sent = incremental.end_param is not None or any("{incremental.end_value}" in t for t in where_used)
    if not is_sent and not extract.windows.rising:
        remedy = "add incremental.end_param, or put {incremental.end_value} into params, headers, json or path"
        yield scope.problem((*at, "windows"), "the upper end of a window is sent nowhere", remedy=remedy)


def _deleted(scope: Scope, entity: Entity) -> Iterator[Problem]:
    deleted = entity.deleted
    if deleted is None:
        return
    if deleted.when is None and deleted.feed is None and deleted.reconcile is None:
        yield scope.problem(("deleted",), "says nothing", expected="when, feed or reconcile")
    if deleted.merged is not None and entity.get is None:
        remedy = "add get: each record that it names is asked for"
        yield scope.problem(("deleted", "merged"), "the mapping has no get", remedy=remedy)
    for path, values in (deleted.when or {}).items():
        if not values:
            yield scope.problem(("deleted", "when", path), "an empty list: nothing is ever deleted", of_value=True)
    if deleted.feed is not None:
        yield from _extract(scope, ("deleted", "feed"), deleted.feed)


def names_id(request: Any) -> bool:
    """True if a request says which record it is about."""
    return any("{id" in text for _, text in _texts(request.model_dump(), ()))
