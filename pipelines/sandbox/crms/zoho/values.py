"""Values of fields: what a write must satisfy and how it is put down, and how they are compared in SQL.

Source: fact sheet 3.2, 3.3. UNVERIFIED, chosen here: text is trimmed and mail addresses are kept in small letters;
words that a picklist does not have are refused; fields that a module does not have are passed over; text is compared
without regard to case.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

from pipelines.sandbox import clock
from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.zoho.errors import RowError
from pipelines.sandbox.crms.zoho.schema import Field
from pipelines.sandbox.store import Record

ZONE = timezone(timedelta(hours=-8))
NUMBERS = {"integer": int, "bigint": int, "currency": (int, float), "double": (int, float)}


def zoned(seconds: float) -> str:
    """Writes a time as Zoho does: with the offset of the organisation, without milliseconds."""
    return datetime.fromtimestamp(int(seconds), ZONE).isoformat()


def named(crm: Crm, entity: str, id: str, shown_as: str) -> dict[str, str] | None:
    """Returns the {name, id} that stands for another record, None where there is none."""
    record = crm.store.get(entity, id)
    return {"name": record.body[shown_as], "id": id} if record and not record.deleted else None


def user(record: Record) -> dict[str, str]:
    """Returns the {name, id, email} that stands for a user."""
    return {"name": record.body["full_name"], "id": record.id, "email": record.body["email"]}


def put_down(field: Field, value: Any, place: str) -> Any:
    """Returns a value that is no lookup as it is kept; raises `RowError` where it is of the wrong kind."""
    details = {"expected_data_type": field.kind, "api_name": field.name, "json_path": f"{place}.{field.name}"}
    if value is None or value == "":
        return None if field.kind != "boolean" else False
    if field.kind in NUMBERS:
        if isinstance(value, bool) or not isinstance(value, NUMBERS[field.kind]):  # type: ignore[arg-type]
            raise RowError("INVALID_DATA", **details)
        return value
    if field.kind == "boolean":
        if not isinstance(value, bool):
            raise RowError("INVALID_DATA", **details)
        return value
    if not isinstance(value, str) or not _fits(field, value.strip()):
        raise RowError("INVALID_DATA", **details)
    if len(value.strip()) > field.length:
        raise RowError("INVALID_DATA", **details, maximum_length=field.length)
    return value.strip().lower() if field.kind == "email" else value.strip() or None


def _fits(field: Field, value: str) -> bool:
    if field.kind == "email":
        return bool(re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value))
    if field.kind == "date":
        try:
            return len(value) == 10 and clock.parse_time(value) is not None
        except ValueError:
            return False
    return not field.choices or value in field.choices


def column(field: Field) -> str:
    """Returns the SQL that reads a field for a comparison."""
    special = {"id": "id", "Created_Time": "created", "Modified_Time": "modified"}
    if field.name in special:
        return special[field.name]
    if field.kind in ("lookup", "ownerlookup"):
        return f"body ->> '$.{field.name}.id'"
    if field.kind in NUMBERS:
        return f"cast(body ->> '$.{field.name}' as real)"
    return f"lower(body ->> '$.{field.name}')" if field.kind != "boolean" else f"body ->> '$.{field.name}'"


def operand(field: Field, value: str) -> Any:
    """Reads the other side of a comparison from text. Raises ValueError where it is of the wrong kind."""
    if field.kind == "datetime":
        return clock.parse_time(value)
    if field.kind == "bigint" or field.kind in ("lookup", "ownerlookup"):
        return value
    if field.kind in NUMBERS:
        return float(value)
    if field.kind == "boolean":
        return {"true": 1, "false": 0}[value.lower()] if value.lower() in ("true", "false") else float("nan")
    return value.strip().lower()
