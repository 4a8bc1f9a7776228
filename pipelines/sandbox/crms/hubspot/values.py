"""How HubSpot puts a written property down, and what it refuses: every value is kept and sent as text or null.

UNVERIFIED: the error codes beside PROPERTY_DOESNT_EXIST, that mail addresses are trimmed and folded to small letters,
how numbers and times given in other forms are written down.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipelines.sandbox import clock
from pipelines.sandbox.crms.hubspot.schema import Property

Problem = dict[str, Any]


def put_down(
    properties: Mapping[str, Property], given: Mapping[str, Any]
) -> tuple[dict[str, str | None], list[Problem]]:
    """Returns the values as HubSpot keeps them, "" for what is to be cleared, and what is wrong with them."""
    kept: dict[str, str | None] = {}
    problems: list[Problem] = []
    for name, value in given.items():
        known = properties.get(name)
        if known is None:
            problems.append(_problem(name, f'Property "{name}" does not exist', "PROPERTY_DOESNT_EXIST"))
        elif known.read_only:
            problems.append(_problem(name, f'"{name}" is a read only property; its value cannot be set.', "READ_ONLY"))
        elif isinstance(value, dict | list):
            problems.append(_problem(name, f'"{name}" is not a single value', "INVALID_VALUE"))
        else:
            written = _text(value)
            kept[name], error = (written, "") if written == "" else _checked(known, written)
            if error:
                problems.append(_problem(name, f"{value} was not a valid value of {name}", error))
    return kept, problems


def _problem(name: str, message: str, error: str) -> Problem:
    return {"isValid": False, "message": message, "error": error, "name": name, "localizedErrorMessage": message}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _checked(known: Property, written: str) -> tuple[str, str]:
    """Returns the value as put down, and the code of what is wrong with it."""
    if known.name == "email":
        folded = written.strip().lower()
        return folded, "" if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", folded) else "INVALID_EMAIL"
    if known.kind == "number":
        return written.strip(), "" if re.fullmatch(r"-?\d+(\.\d+)?", written.strip()) else "INVALID_NUMBER"
    if known.kind in ("datetime", "date"):
        return _time(known.kind, written)
    if known.options and not {part for part in written.split(";") if part} <= {value for value, _ in known.options}:
        return written, "INVALID_OPTION"
    return written, ""


def _time(kind: str, written: str) -> tuple[str, str]:
    try:
        seconds = time_of(written)
    except ValueError:
        return written, "INVALID_DATE"
    if kind == "date":
        return clock.iso_date(seconds), "" if seconds % 86_400 == 0 else "INVALID_DATE"
    return clock.iso_millis(seconds).replace(".000Z", "Z"), ""


def time_of(written: str) -> float:
    """Reads milliseconds since 1970 or ISO 8601, as filters and writes give them; ValueError on anything else."""
    if re.fullmatch(r"-?\d+", written.strip()):
        return int(written) / 1000
    return clock.parse_time(written)
