"""One canonical value in the CRM's own form: values, unit, time format, telephone format, JSON type."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from pipelines.mapping.canonical import CanonicalField, FieldType
from pipelines.mapping.language import Connection, FieldMapping
from pipelines.push.paths import MISSING

ISO = {"iso", "iso8601"}


class UnwritableError(ValueError):
    """The CRM has no form for the value: the message says why, without the value."""


def to_theirs(value: Any, canonical: CanonicalField, field: FieldMapping, wire: Connection, now_there: Any) -> Any:
    """The value as the CRM wants it.

    Args:
        value: canonical, from JSON: text, number (int or Decimal), boolean.
        canonical: the field's schema; of a list, its members are meant.
        field: how the mapping reads it, which is inverted here.
        wire: region and time zone of the connection.
        now_there: what stands there now (MISSING where unknown): text stays text, a number a number.

    Raises:
        UnwritableError: no value of theirs means this.
    """
    kind = canonical.of or canonical.type
    if field.values is not None:
        return _known_value(value, field, now_there)
    if kind in {"money", "decimal", "integer"}:
        return _number(value, field, now_there)
    if kind in {"date", "timestamp"}:
        return _date(str(value), field) if kind == "date" else _moment(str(value), field, wire)
    if kind == "phone":
        return _phone(str(value), field, wire)
    if kind == "boolean":
        return str(value).lower() if field.write_format == "string" else bool(value)
    return _text(value, kind, field, now_there)


def _known_value(value: Any, field: FieldMapping, now_there: Any) -> Any:
    ours = ("true" if value else "false") if isinstance(value, bool) else str(value)
    theirs = {key.lower(): known for key, known in field.written_values.items()}.get(ours.lower())
    if theirs is None:
        raise UnwritableError("the mapping's values have none that means this")
    if isinstance(now_there, bool) and theirs.lower() in {"true", "false"}:
        return theirs.lower() == "true"
    return int(theirs) if _is_int(now_there) and theirs.lstrip("-").isdigit() else theirs


def _number(value: Any, field: FieldMapping, now_there: Any) -> Any:
    try:
        number = Decimal(str(value)) / Decimal(str(field.unit))
    except InvalidOperation:
        raise UnwritableError("not a number") from None
    if field.write_format == "string" or (isinstance(now_there, str) and now_there):
        return format(number.normalize(), "f")
    return int(number) if number == number.to_integral_value() else float(number)


def _date(value: str, field: FieldMapping) -> Any:
    day = date.fromisoformat(value[:10])
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return _timed(moment, field) if _format(field) else day.isoformat()


def _moment(value: str, field: FieldMapping, wire: Connection) -> Any:
    moment = datetime.fromisoformat(value.replace(" ", "T", 1).replace("Z", "+00:00"))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    wanted = _format(field)
    if wanted and "%z" not in wanted.lower():
        moment = moment.astimezone(ZoneInfo(wire.timezone))
    return _timed(moment, field) if wanted else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _format(field: FieldMapping) -> str | None:
    stated = field.write_format or field.time_format
    return None if stated in ISO or stated == "string" else stated


def _timed(moment: datetime, field: FieldMapping) -> Any:
    wanted = _format(field) or ""
    if wanted in {"epoch_seconds", "epoch_ms"}:
        return round(moment.timestamp() * (1000 if wanted == "epoch_ms" else 1))
    return moment.strftime(wanted)


def _phone(value: str, field: FieldMapping, wire: Connection) -> str:
    if "{digits}" in (field.write_format or ""):
        return str(field.write_format).replace("{digits}", "".join(letter for letter in value if letter.isdigit()))
    if field.write_format not in {"national", "international"}:
        return value
    import phonenumbers

    number = phonenumbers.parse(value, wire.phone_region)
    home = phonenumbers.country_code_for_region(wire.phone_region)
    form = phonenumbers.PhoneNumberFormat
    if field.write_format == "national" and number.country_code == home:
        return str(phonenumbers.format_number(number, form.NATIONAL))
    return str(phonenumbers.format_number(number, form.INTERNATIONAL))


def _text(value: Any, kind: FieldType, field: FieldMapping, now_there: Any) -> Any:
    text = str(value)
    wants_number = field.write_format == "integer" or (kind == "reference" and _is_int(now_there))
    return int(text) if wants_number and text.lstrip("-").isdigit() else text


def _is_int(value: Any) -> bool:
    return value is not MISSING and isinstance(value, int) and not isinstance(value, bool)
