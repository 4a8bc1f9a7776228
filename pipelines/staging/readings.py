"""Where a canonical field comes from, as SQL: each way of a field mapping becomes one Reading."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pipelines.mapping.canonical import CanonicalField
from pipelines.mapping.language import FieldMapping
from pipelines.staging.paths import Paths, pointer, trimmed
from pipelines.warehouse.models import ident, literal


@dataclass(frozen=True)
class Reading:
    """SQL expressions over one record, before its values are converted.

    Attributes:
        text: VARCHAR, NULL where there is no value. For a list field VARCHAR[]: blanks left out, and NULL for a member
            of a wrong shape.
        absent: whether the record lacks the key.
        wrong: whether the value has a shape that cannot be one.
        shown: the value as VARCHAR, for people who ask why it was rejected.
    """

    text: str
    absent: str
    wrong: str
    shown: str


def read_field(name: str, field: FieldMapping, canonical: CanonicalField, paths: Paths) -> Reading:
    """The reading of one field; what it needs of the record is noted in `paths`."""
    found = _read(name, field, canonical, paths)
    if field.blank == "empty":
        return found
    is_blank = f"len({found.text}) = 0" if canonical.type == "list" else f"{found.text} is null"
    return replace(found, absent=f"({found.absent} or ({is_blank} and not {found.wrong}))")


def _read(name: str, field: FieldMapping, canonical: CanonicalField, paths: Paths) -> Reading:
    is_list = canonical.type == "list"
    if field.const is not None:
        return _constant(field.const, is_list)
    if field.sql is not None:
        return _stated(name, field, is_list)
    if field.all_of is not None:
        return _gathered(field.slots, paths)
    if field.join is not None or field.split is not None:
        return _joined(field.join, field.separator, paths) if field.join else _split(field, paths)
    if field.each is not None or (is_list and field.path):
        return _each(field, paths, is_list, field.each or field.path or "")
    return _many(field, paths, is_list, field.first_of or [field.path or ""])


def _constant(value: Any, is_list: bool) -> Reading:
    texts = [literal(_as_text(one)) for one in (value if isinstance(value, list) else [value])]
    return Reading(f"[{', '.join(texts)}]" if is_list else texts[0], "false", "false", texts[0])


def stated_column(name: str, field: FieldMapping) -> str:
    """SQL column with what a field's own expression gives, as JSON; a failing one gives NULL."""
    return f"try(to_json({field.sql})) as {ident(name + '.json')}"


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _many(field: FieldMapping, paths: Paths, is_list: bool, choices: list[str]) -> Reading:
    if is_list:
        found = [_each(field, paths, True, path) for path in choices]
        text = f"coalesce({', '.join(f'nullif({one.text}, [])' for one in found)}, [])"
    else:
        found = [Reading(paths.text(p), paths.absent(p), paths.wrong(p), paths.raw(p)) for p in choices]
        text = found[0].text if len(found) == 1 else f"coalesce({', '.join(one.text for one in found)})"
    wrong = f"({' or '.join(one.wrong for one in found)})"
    return Reading(
        text,
        " and ".join(one.absent for one in found),
        # Of two names for one thing, such as type.name and type, one is always of another shape; but what may be
        # written must not be written over something that could not be read.
        wrong if is_list or len(found) == 1 or field.writes != "never" else f"({text} is null and {wrong})",
        f"coalesce({', '.join(one.shown for one in found)})",
    )


def _gathered(slots: list[list[str]], paths: Paths) -> Reading:
    every = [path for slot in slots for path in slot]
    texts = [f"coalesce({', '.join(paths.text(path) for path in slot)}, null)" for slot in slots]
    shown = [f"coalesce({', '.join(paths.raw(path) for path in slot)}, null)" for slot in slots]
    return Reading(
        f"list_filter([{', '.join(texts)}], lambda m: m is not null)",
        f"({' and '.join(paths.absent(path) for path in every)})",
        f"({' or '.join(paths.wrong(path) for path in every)})",
        f"nullif(concat_ws(', ', {', '.join(shown)}), '')",
    )


def _joined(pieces: list[str], separator: str, paths: Paths) -> Reading:
    texts = [paths.text(path) for path in pieces]
    return Reading(
        f"nullif(concat_ws({literal(separator)}, {', '.join(texts)}), '')",
        " and ".join(paths.absent(path) for path in pieces),
        f"({' or '.join(paths.wrong(path) for path in pieces)})",
        f"concat_ws({literal(separator)}, {', '.join(paths.raw(path) for path in pieces)})",
    )


def _split(field: FieldMapping, paths: Paths) -> Reading:
    """A text of one word is a given name: it is the first part and the one before the last, and there is no other."""
    path, part = field.split or "", field.part or "first"
    text = paths.text(path)
    if field.separator == " ":
        text = rf"regexp_replace({text}, '\s+', ' ', 'g')"
    words = f"string_split({text}, {literal(field.separator)})"
    chosen = {
        "first": f"{words}[1:1]",
        "rest": f"{words}[2:]",
        "last": f"case when len({words}) > 1 then {words}[-1:] end",
        "before_last": f"case when len({words}) > 1 then {words}[:-2] else {words} end",
    }[part]
    joined = f"array_to_string(({chosen}), {literal(field.separator)})"
    return Reading(f"nullif({trimmed(joined)}, '')", paths.absent(path), paths.wrong(path), paths.raw(path))


def _each(field: FieldMapping, paths: Paths, is_list: bool, path: str) -> Reading:
    kind, value = paths.kind(path), paths.json(path)
    apart = ""
    if "separator" in field.model_fields_set:
        pieces = f"string_split({paths.raw(path)}, {literal(field.separator)})"
        apart = f"when 'VARCHAR' then list_transform({pieces}, lambda p: to_json(p))"
    members = (
        f"case coalesce({kind}, 'NULL') when 'ARRAY' then from_json({value}, '[\"json\"]') {apart} "
        f"when 'NULL' then [] else [{value}] end"
    )
    texts = _member_texts(field, members)
    text = texts if is_list and field.take == "all" else f"list_filter({texts}, lambda m: m is not null)"
    wrong = paths.misplaced(path)
    if not is_list:
        text, wrong = (
            f"({text})[1]",
            f"({wrong} or list_aggregate({texts}, 'count') < len({texts}) and len({text}) = 0)",
        )
    elif field.take == "first":
        text = f"({text})[1:1]"
    return Reading(text, paths.absent(path), wrong, f"{value}::varchar")


def _member_texts(field: FieldMapping, members: str) -> str:
    """The members' trimmed texts; blanks are left out, a member of a wrong shape is a NULL."""
    for path, wanted in field.where.items():
        options = wanted if isinstance(wanted, list) else [wanted]
        allowed = ", ".join(literal(_as_text(option).lower()) for option in options)
        found = f"lower(json_extract_string(m, {literal(pointer(path))}))"
        members = f"list_filter({members}, lambda m: coalesce({found} in ({allowed}), false))"
    at = literal(pointer(field.path)) if field.each and field.path else "'$'"
    wrong = f"json_type(m, {at}) in ('OBJECT', 'ARRAY')"
    if at != "'$'":
        wrong = f"({wrong} or json_type(m) <> 'OBJECT')"
    text = f"coalesce({trimmed(f'json_extract_string(m, {at})')}, '')"
    texts = f"list_transform({members}, lambda m: case when coalesce({wrong}, false) then null else {text} end)"
    return f"list_filter({texts}, lambda m: m is null or m <> '')"


def _stated(name: str, field: FieldMapping, is_list: bool) -> Reading:
    value = ident(name + ".json")
    kind, shown = f"json_type({value})", f"json_extract_string({value}, '$')"
    if not is_list:
        text = f"case when {kind} not in ('OBJECT', 'ARRAY') then nullif({trimmed(shown)}, '') end"
        return Reading(text, "false", f"coalesce({kind} in ('OBJECT', 'ARRAY'), false)", shown)
    members = (
        f"case coalesce({kind}, 'NULL') when 'ARRAY' then from_json({value}, '[\"json\"]') "
        f"when 'NULL' then [] else [{value}] end"
    )
    return Reading(_member_texts(field, members), "false", "false", f"{value}::varchar")
