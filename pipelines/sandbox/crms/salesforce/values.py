"""How Salesforce puts a written field down, and what it refuses.

UNVERIFIED: the texts; that text numbers are accepted for numbers. Text is trimmed, and empty text is null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipelines.sandbox import clock
from pipelines.sandbox.crms.salesforce.errors import Failed
from pipelines.sandbox.crms.salesforce.ids import looked_up
from pipelines.sandbox.crms.salesforce.schema import OBJECTS, Field, SObject

NUMBERS = ("int", "double", "currency", "percent")


def put_down(kind: SObject, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields as they are kept; raises `Failed` on the first that cannot be."""
    kept: dict[str, Any] = {}
    for name, value in given.items():
        if name == "attributes":
            continue
        known = kind.field(name)
        if known is None:
            raise Failed("INVALID_FIELD", f"No such column '{name}' on sobject of type {kind.name}")
        if not known.is_written:
            message = f"Unable to create/update fields: {known.name}. Please check the security settings of this field"
            raise Failed("INVALID_FIELD_FOR_INSERT_UPDATE", message, [known.name])
        kept[known.name] = _value(known, value)
    return kept


def _value(known: Field, value: Any) -> Any:
    if isinstance(value, str):
        value = value.strip() or None
    if value is None:
        return False if known.kind == "boolean" else None
    if known.kind == "boolean":
        return _boolean(known, value)
    if known.kind in NUMBERS:
        return _number(known, value)
    if not isinstance(value, str):
        if isinstance(value, bool | dict | list):
            raise _unreadable(known, value)
        value = str(value)
    if known.kind in ("date", "datetime"):
        return _time(known, value)
    if known.kind == "reference":
        return _reference(known, value)
    return _text(known, value)


def _boolean(known: Field, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    raise _unreadable(known, value)


def _number(known: Field, value: Any) -> int | float:
    if isinstance(value, bool) or not re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?", str(value), re.IGNORECASE):
        raise _unreadable(known, value)
    number = float(value)
    return int(number) if number.is_integer() else number


def _time(known: Field, value: str) -> str:
    try:
        seconds = clock.parse_time(value)
    except ValueError:
        raise _unreadable(known, value) from None
    if known.kind == "datetime":
        return f"{clock.moment(int(seconds)):%Y-%m-%dT%H:%M:%S}.000+0000"
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        raise _unreadable(known, value)
    return value


def _reference(known: Field, value: str) -> str:
    id = looked_up(value)
    if id is None or not id.startswith(OBJECTS[known.to].prefix):
        raise Failed("MALFORMED_ID", f"{known.name}: id value of incorrect type: {value}", [known.name])
    return id


def _text(known: Field, value: str) -> str:
    if known.kind == "email" and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", value):
        raise Failed("INVALID_EMAIL_ADDRESS", f"{known.name}: invalid email address: {value}", [known.name])
    if len(value) > known.length:
        message = f"{known.name}: data value too large: {value[:40]} (max length={known.length})"
        raise Failed("STRING_TOO_LONG", message, [known.name])
    if known.is_restricted and value not in known.options:
        message = f"{known.name}: bad value for restricted picklist field: {value}"
        raise Failed("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, [known.name])
    return value


def _unreadable(known: Field, value: Any) -> Failed:
    message = (
        f"Cannot deserialize instance of {known.kind} from value {value} or request may be missing a required field"
    )
    return Failed("JSON_PARSER_ERROR", message, [known.name])
