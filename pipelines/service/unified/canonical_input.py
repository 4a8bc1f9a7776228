"""Canonical fields as people send them: each of its type, normalised as the CRMs' values are; all mistakes at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from pipelines.mapping.canonical import CanonicalEntity, CanonicalField
from pipelines.mapping.problems import listed, nearest_name
from pipelines.service.errors import ServiceError

LONGEST_TEXT = 20_000
LONGEST_LIST = 1_000
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_OURS = frozenset({"created_at"})


class _WrongError(ValueError):
    """A value that is not of its type; the text says what is expected."""


def checked(entity: CanonicalEntity, given: Mapping[str, Any], *, region: str) -> dict[str, Any]:
    """The fields in the form that is kept; null stays null.

    Args:
        entity: whose fields.
        given: name to value.
        region: ISO 3166, of telephone numbers without a country code.

    Raises:
        ServiceError: 400 with every field that is wrong.
    """
    found: dict[str, Any] = {}
    problems = []
    for name, value in given.items():
        field = entity.fields.get(name)
        if field is None or name in _OURS:
            near = nearest_name(name, entity.fields)
            said = (
                f"unknown field; did you mean {near}?" if near else f"unknown field; there are {listed(entity.fields)}"
            )
            problems.append({"field": name, "message": said})
            continue
        try:
            found[name] = None if value is None else _value(field, value, region)
        except _WrongError as wrong:
            problems.append({"field": name, "message": str(wrong)})
    if problems:
        raise ServiceError(400, "Invalid fields", details=problems)
    return found


def _value(field: CanonicalField, value: Any, region: str) -> Any:
    if field.type != "list":
        return _one(field, field.type, value, region)
    if not isinstance(value, list) or len(value) > LONGEST_LIST:
        raise _WrongError("expected a list")
    kind = field.of or "text"
    return [_one(field, kind, member, region) for member in value]


def _one(field: CanonicalField, kind: str, value: Any, region: str) -> Any:
    if kind == "phone":
        return _phone(value, region)
    if kind == "enum":
        return _enum(value, field.values or [])
    return _KINDS[kind](value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _WrongError("expected a text")
    if len(value) > LONGEST_TEXT or _CONTROL.search(value):
        raise _WrongError(f"expected a text of at most {LONGEST_TEXT} characters, without control characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _WrongError("expected a text in Unicode") from None
    return value.strip()


def _email(value: Any) -> str:
    said = _text(value).lower()
    if not _EMAIL.fullmatch(said):
        raise _WrongError("expected an e-mail address")
    return said


def _phone(value: Any, region: str) -> str:
    from pipelines.staging.phones import e164

    found = e164(_text(value), region)
    if not found:
        raise _WrongError("expected a telephone number; one from abroad begins with +")
    return str(found)


def _enum(value: Any, known: list[str]) -> str:
    said = _text(value).lower().replace(" ", "_").replace("-", "_")
    if said not in known:
        raise _WrongError(f"expected one of {', '.join(known)}")
    return said


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _WrongError("expected true or false")
    return value


def _number(value: Any) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e15 < value < 1e15:
        raise _WrongError("expected a number")
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**53) < value < 2**53:
        raise _WrongError("expected a whole number")
    return value


def _money(value: Any) -> float | int:
    try:
        said = Decimal(str(_number(value))).quantize(Decimal("0.01"))
    except InvalidOperation:
        raise _WrongError("expected an amount") from None
    return int(said) if said == said.to_integral() else float(said)


def _date(value: Any) -> str:
    try:
        found = date.fromisoformat(_text(value))
    except ValueError:
        raise _WrongError("expected a date such as 2026-02-15") from None
    return _bounded(found.year, found.isoformat())


def _timestamp(value: Any) -> str:
    try:
        found = datetime.fromisoformat(_text(value))
    except ValueError:
        raise _WrongError("expected a time such as 2026-02-15T10:00:00Z") from None
    return _bounded(found.year, found.isoformat())


def _bounded(year: int, said: str) -> str:
    if not 1000 <= year <= 9998:
        raise _WrongError("expected a year from 1000 to 9998")
    return said


_KINDS: dict[str, Callable[[Any], Any]] = {
    "text": _text, "email": _email, "boolean": _boolean, "decimal": _number, "integer": _integer, "money": _money,
    "date": _date, "timestamp": _timestamp, "reference": _text,
}  # fmt: skip
