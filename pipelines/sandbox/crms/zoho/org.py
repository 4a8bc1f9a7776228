"""What every part of the API needs of the organisation: modules, records, and how they are shown."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import Any

from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.zoho import errors, schema
from pipelines.sandbox.crms.zoho.schema import Module
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, answer, whole_number

PER_PAGE, DEEPEST, MOST_FIELDS = 200, 2000, 50
VERSIONS = re.compile(r"v([2-8])(\.\d)?")


class Org:
    """The records of one organisation."""

    def __init__(self, crm: Crm) -> None:
        self.crm = crm

    def module(self, call: Call) -> Module:
        """Returns the module that a path names."""
        self.version(call)
        name = call.params.get("module", "")
        if name not in schema.MODULES:
            raise errors.refuse("INVALID_MODULE", resource_path_index=0)
        if name in self.crm.switches["forbidden_modules"]:
            raise errors.refuse("NO_PERMISSION", 403, permissions=[f"Crm_Implied_View_{name}"])
        return schema.MODULES[name]

    def version(self, call: Call) -> int:
        """Returns the version that a path names."""
        match = VERSIONS.fullmatch(call.params.get("version", ""))
        if match is None:
            raise errors.refuse("INVALID_URL_PATTERN", 404)
        return int(match[1])

    def find(self, module: Module, id: Any, call: Call) -> Record | None:
        """Returns a record by its id, or by an external id where the header X-EXTERNAL names a field for it."""
        named = [part.strip() for part in call.headers.get("x-external", "").split(",")]
        external = next((part.partition(".")[2] for part in named if part.startswith(f"{module.name}.")), None)
        if external:
            where = f"not deleted and body ->> '$.{external}' = ?" if module.field(external) else "false"
            found = self.crm.store.select(module.name, where, [str(id)] if module.field(external) else [], limit=1)
            return found[0] if found else None
        record = self.crm.store.get(module.name, str(id))
        return record if record and not record.deleted else None

    def users(self, ids: list[str]) -> dict[str, Record]:
        """Returns users by id."""
        return {id: record for id in ids if (record := self.crm.store.get("users", id))}


def shown(record: Record, fields: list[str] | None) -> Body:
    """Returns a record with the fields that were asked for and its id; names it does not have are passed over."""
    body = {name: value for name, value in record.body.items() if not name.startswith("_")}
    return body if fields is None else {name: body[name] for name in dict.fromkeys((*fields, "id")) if name in body}


def fields_of(call: Call, is_mandatory: bool) -> list[str] | None:
    """Reads the parameter `fields`: mandatory in lists from v3 on, at most 50."""
    given = [name.strip() for name in call.query.get("fields", "").split(",") if name.strip()]
    if not given and is_mandatory:
        raise errors.refuse("REQUIRED_PARAM_MISSING", param_name="fields")
    if len(given) > MOST_FIELDS:
        raise errors.refuse("LIMIT_EXCEEDED", param_name="fields", limit=MOST_FIELDS)
    return given or None


def window(call: Call, most: int = PER_PAGE) -> tuple[int, int]:
    """Returns (page, per_page)."""

    def wrong(name: str) -> Response:
        return errors.error("INVALID_DATA", param_name=name, expected_data_type="integer")

    page = whole_number(call.query.get("page"), 1, lambda: wrong("page"), low=1)
    per_page = whole_number(call.query.get("per_page"), most, lambda: wrong("per_page"), low=1)
    if per_page > most:
        raise errors.refuse("INVALID_DATA", param_name="per_page", maximum_length=most)
    return page, per_page


def since(call: Call, header: str = "if-modified-since") -> int | None:
    """Reads a time from a header: ISO 8601, or as HTTP writes it."""
    given = call.headers.get(header)
    if given is None:
        return None
    try:
        return int(clock.parse_time(given))
    except ValueError:
        pass
    try:
        return int(parsedate_to_datetime(given).timestamp())
    except (TypeError, ValueError):
        raise errors.refuse("INVALID_DATA", param_name=header, expected_data_type="datetime") from None


def nothing(call: Call) -> Response:
    """Answers that there is nothing, without a body: 304 where only changes were asked for, else 204."""
    return answer(None, 304 if call.headers.get("if-modified-since") else 204)
