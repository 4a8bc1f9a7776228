"""Text to a canonical type, as SQL that gives NULL for what cannot be read as one.

What is lenient is so on purpose: an amount may carry a currency and separators, yes and 1 are true, a time may lack its
offset. What is ambiguous is not guessed: 03/04/2024 is no date unless the mapping says its format.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.mapping.canonical import CanonicalField, FieldType
from pipelines.mapping.language import FieldMapping
from pipelines.staging.phones import phone_key
from pipelines.warehouse.models import literal

REASONS: dict[FieldType, str] = {
    "text": "not a text",
    "email": "not an e-mail address",
    "phone": "not a telephone number",
    "money": "not an amount",
    "date": "not a date",
    "timestamp": "not a time",
    "enum": "not one of the known values",
    "boolean": "neither true nor false",
    "integer": "not a whole number",
    "decimal": "not a number",
    "list": "a member that cannot be read",
    "reference": "not an id",
}
EXTENSION = r"(?i)(?:ext(?:ension)?|x|#)[.:]?\s*(\d{1,7})$"
POINTS_GROUP = r"-?[0-9]{1,3}(\.[0-9]{3})+,[0-9]*|-?[0-9]{1,3}(\.[0-9]{3}){2,}"
COMMA_ALONE = r"-?[0-9]+,[0-9]{1,2}"
EARLIEST, LATEST = "0001-01-02", "9999-12-30"
"""Times outside are placeholders, such as 0001-01-01T00:00:00, and no offset may carry one over the edge."""


@dataclass(frozen=True)
class Place:
    """What a connection says about values that do not say it themselves.

    With `names_others` a reference may be a whole record key, of another connection's record.
    """

    connection: str
    region: str
    zone: str
    names_others: bool = False


def convert(text: str, canonical: CanonicalField, field: FieldMapping, place: Place) -> str:
    """SQL of the converted value of `text` (VARCHAR); phones are looked up elsewhere and pass as they are.

    Args:
        text: SQL expression of the trimmed text, cheap to repeat.
        canonical: the field as the schema has it; of a list, what its members are is converted.
        field: the mapping's field: values, unit, time format.
        place: what the connection says.
    """
    kind = canonical.of or canonical.type
    if field.values is not None:
        text = _translated(text, field)
    elif kind == "enum":
        known = ", ".join(literal(value) for value in canonical.values or [])
        plain = f"replace(replace(lower({text}), ' ', '_'), '-', '_')"
        return f"case when {plain} in ({known}) then {plain} end"
    return _typed(text, kind, field, place)


def _reference(text: str, place: Place) -> str:
    key = f"{literal(place.connection + ':')} || {text}"
    return f"case when contains({text}, ':') then {text} else {key} end" if place.names_others else key


def _typed(text: str, kind: FieldType, field: FieldMapping, place: Place) -> str:
    if kind in ("money", "integer", "decimal"):
        return _number(text, kind, field.unit)
    if kind == "timestamp":
        return _bounded(moment(text, field.time_format, place.zone), "timestamptz")
    if kind == "date":
        return _bounded(_date(text, field.time_format), "date")
    low, yes, no = f"lower({text})", "('true', '1', 'yes', 'y', 't', 'on')", "('false', '0', 'no', 'n', 'f', 'off')"
    is_address = f"position('@' in {text}) > 1 and not ends_with({text}, '@')"
    return {
        "email": f"case when {is_address} then lower(nfc_normalize({text})) end",
        "boolean": f"case when {low} in {yes} then true when {low} in {no} then false end",
        "reference": _reference(text, place),
        "phone": text,
    }.get(kind, f"nfc_normalize({text})")


def _translated(text: str, field: FieldMapping) -> str:
    """Theirs to ours, whatever the case; an unknown value is `otherwise`, or NULL."""
    known: dict[str, str] = {}
    for theirs, ours in (field.values or {}).items():
        known.setdefault(theirs.strip().lower(), str(ours).lower() if isinstance(ours, bool) else str(ours))
    branches = " ".join(f"when {literal(theirs)} then {literal(ours)}" for theirs, ours in known.items())
    return (
        f"case when {text} is null then null else case lower({text}) {branches} else {literal(field.otherwise)} end end"
    )


def _number(text: str, kind: FieldType, unit: float) -> str:
    plain = plain_number(text)
    value = plain if unit == 1 else f"round(try_cast({plain} as double) * {unit!r}, 10)"
    if kind == "money":
        return f"try_cast({value} as decimal(18, 2))"
    if kind == "integer":
        double = f"try_cast({value} as double)"
        return f"case when {double} = floor({double}) then try_cast({value} as bigint) end"
    return f"case when isfinite(try_cast({value} as double)) then try_cast({value} as double) end"


def plain_number(text: str) -> str:
    """SQL: a number as people write it, as text that casts: 1,234.50; $1,200; 1.234,50 EUR; (12.00); 5%."""
    before = r"^[(+-]?\s*(?:[a-z]{0,3}\p{Sc}|[a-z]{3})?\s*"
    behind = r"\s*(?:\p{Sc}|%|[a-z]{3})?\s*\)?$"
    body = f"regexp_replace({text}, '(?i){before}|{behind}', '', 'g')"
    body = rf"regexp_replace({body}, '[\s''’\x{{A0}}\x{{202F}}]', '', 'g')"
    sign = rf"case when regexp_matches({text}, '^\(.*\)$|^\D{{0,4}}-') then '-' else '' end"
    number = f"""case
        when regexp_full_match({body}, '-?[0-9]{{1,3}}(,[0-9]{{3}})+(\\.[0-9]*)?') then replace({body}, ',', '')
        when regexp_full_match({body}, '-?[0-9]*\\.?[0-9]+') then {body}
        when regexp_full_match({body}, '{POINTS_GROUP}|{COMMA_ALONE}') then replace(replace({body}, '.', ''), ',', '.')
        end"""
    return f"case when isfinite(try_cast({text} as double)) then {text} else {sign} || ltrim({number}, '-') end"


def moment(text: str, time_format: str | None, zone: str) -> str:
    """SQL: TIMESTAMPTZ of ISO 8601 (with or without offset), of an epoch number, or of a strptime format."""
    if time_format in ("epoch_seconds", "epoch_ms"):
        factor = 1_000_000 if time_format == "epoch_seconds" else 1000
        return f"try(make_timestamptz(try_cast(round(try_cast({text} as double) * {factor}) as bigint)))"
    if time_format is not None:
        parsed = f"try_strptime({text}, {literal(time_format)})"
        return parsed if "%z" in time_format.lower() else f"timezone({literal(zone)}, {parsed})"
    iso = f"{text}[5] = '-' and not contains({text}, '(')"
    if zone == "UTC":
        return f"case when {iso} then try_cast({text} as timestamptz) end"
    local = f"timezone({literal(zone)}, try_cast({text} as timestamp))"
    has_offset = f"regexp_matches({text}[11:], '[Zz+-]|[A-Za-z]{{2}}')"
    return f"case when {iso} then case when {has_offset} then try_cast({text} as timestamptz) else {local} end end"


def any_moment(text: str, zone: str) -> str:
    """SQL: TIMESTAMPTZ of a modification time in any of the writings CRMs use: ISO 8601, epoch, HTTP date."""
    digits = f"regexp_extract({text}, '^(?:/Date\\()?(-?[0-9]{{9,16}})', 1)"
    micros = f"try_cast(rpad({digits}, 16, '0') as bigint)"
    epoch = f"case when len({digits}) in (9, 10, 13, 16) then try(make_timestamptz({_scaled(digits, micros)})) end"
    http = f"timezone('UTC', try_strptime({text}, '%a, %d %b %Y %H:%M:%S GMT'))"
    return _bounded(f"coalesce({moment(text, None, zone)}, {epoch}, {http})", "timestamptz")


def _scaled(digits: str, micros: str) -> str:
    return f"case when len({digits}) = 9 then try_cast({digits} as bigint) * 1000000 else {micros} end"


def _date(text: str, time_format: str | None) -> str:
    """A date as it is written, whatever offset a time behind it has; an epoch number is a date in UTC."""
    if time_format in ("epoch_seconds", "epoch_ms"):
        return f"({moment(text, time_format, 'UTC')})::date"
    if time_format is not None:
        return f"try_strptime({text}, {literal(time_format)})::date"
    return f"case when {text}[5] = '-' and not contains({text}, '(') then try_cast({text} as date) end"


def _bounded(value: str, kind: str) -> str:
    return f"case when {value} between {literal(EARLIEST)}::{kind} and {literal(LATEST)}::{kind} then {value} end"


def phone_lookup(text: str, alias: str) -> str:
    """SQL: E.164 of a text whose parse is joined as `alias`; an extension is kept as ;ext=39."""
    may_have = " or ".join(f"contains({text}, '{mark}')" for mark in ("x", "X", "#"))
    extension = f"case when {may_have} then nullif(regexp_extract({text}, {literal(EXTENSION)}, 1), '') end"
    return f"{alias}.e164 || coalesce(';ext=' || {extension}, '')"


def phone_join(text: str, alias: str, region: str) -> str:
    """SQL: the join that `phone_lookup` needs."""
    on = f"{alias}.raw = {phone_key(text)} and {alias}.region = {literal(region.upper())}"
    return f"left join staging.phone_numbers as {alias} on {on}"
