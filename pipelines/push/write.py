"""Canonical values to the CRM's own record shape: the inverse of the mapping's fields.

A path through a list, and a list itself, is written by read, change, write: members that we do not know stay.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from pipelines.mapping.canonical import CanonicalEntity, CanonicalField
from pipelines.mapping.language import Connection, Entity, FieldMapping
from pipelines.push.inverse import UnwritableError, to_theirs
from pipelines.push.paths import MISSING, get, list_above, put
from pipelines.push.slots import emptied, filled, replaced, taken_apart

PLAIN = ("text", "email")


@dataclass(frozen=True)
class Writer:
    """Writes one entity of one CRM. `wire` says its phone region and time zone."""

    entity: Entity
    schema: CanonicalEntity
    wire: Connection

    def body(
        self,
        values: Mapping[str, Any],
        current: Any = None,
        already: Mapping[str, Any] | None = None,
        *,
        exact: bool = False,
    ) -> dict[str, Any]:
        """The CRM's fields for the canonical values, without `wrap`.

        Args:
            values: canonical values by field; references as the CRM's own ids; None clears (undo only).
            current: the record as it is now; None where it is not known or does not exist yet.
            already: canonical values that the record has; members of a union that stand there are not added again.
            exact: members that `already` has and the values lack are taken out (undo only).

        Raises:
            UnwritableError: a value cannot be said in this CRM; the message names the field.
        """
        body: dict[str, Any] = {}
        apart = self._taken_apart  # such go only where nothing else is written, so they come last
        for name in values if apart.isdisjoint(values) else sorted(values, key=apart.__contains__):
            value = values[name]
            if isinstance(value, str) and (path := self._plain_texts.get(name)) is not None:
                put(body, path, value)
                continue
            try:
                has = (already or {}).get(name)
                self._write(body, name, self._missing(name, value, has), current)
                if exact:
                    self._take_out(body, name, value, has, current)
            except (UnwritableError, ValueError) as problem:
                raise UnwritableError(f"{name}: {problem}") from problem
        return body

    @cached_property
    def _plain_texts(self) -> dict[str, str]:
        """Fields whose text is written as it is, at a path outside of any list: most of them, and most of the time."""
        known = {name: field for name, field in self.entity.fields.items() if name in self.schema.fields}
        return {
            name: field.path
            for name, field in known.items()
            if self.schema.fields[name].type in PLAIN
            and field.path is not None
            and list_above(field.path) is None
            and field.model_fields_set <= {"path", "write", "unique", "owner"}
        }

    @cached_property
    def _taken_apart(self) -> frozenset[str]:
        """Fields that two of theirs make together: a whole name, say, where they have its parts."""
        return frozenset(n for n, field in self.entity.fields.items() if field.join and field.write_to is None)

    def is_plain(self, values: Mapping[str, Any]) -> bool:
        """Whether these are texts that are written as they are, whatever stands there now."""
        return all(name in self._plain_texts and isinstance(value, str) for name, value in values.items())

    def needs_current(self, names: Iterable[str]) -> bool:
        """Whether writing these fields needs the record as it is now."""
        return any(self._touches_list(self.entity.fields[n]) for n in names if n in self.entity.fields)

    def _missing(self, name: str, value: Any, has: Any) -> Any:
        canonical, field = self.schema.fields[name], self.entity.fields[name]
        is_union = canonical.survivorship == "union" or canonical.to is not None
        if not (field.each or field.all_of) or not (is_union and isinstance(value, list) and isinstance(has, list)):
            return value
        return [member for member in value if member not in has]

    def _take_out(self, body: dict[str, Any], name: str, value: Any, has: Any, current: Any) -> None:
        """Takes members out of a written list: those that were there and are not wanted."""
        field = self.entity.fields[name]
        wanted = value if isinstance(value, list) else []
        gone = {_bare(member) for member in has if member not in wanted} if isinstance(has, list) else set()
        for path, nothing in emptied(field.slots, current, self._clear, lambda held: _bare(held) in gone):
            _put(body, path, nothing, current)
        members = get(body, field.each) if field.each is not None else MISSING
        if not isinstance(has, list) or not isinstance(members, list):
            return
        left = [one for one in members if not (_is_ours(field, one) and _bare(_inner(field, one)) in gone)]
        put(body, str(field.each), left)

    def _touches_list(self, field: FieldMapping) -> bool:
        way = written_path(field)
        shared = (field.split or field.all_of) is not None and field.write_to is None
        return shared or (field.each is not None and field.write_to is None) or bool(way and list_above(way))

    def _write(self, body: dict[str, Any], name: str, value: Any, current: Any) -> None:
        field, canonical = self.entity.fields[name], self.schema.fields[name]
        if field.split is not None and field.write_to is None:
            _put(body, field.split, _rejoined(field, body, value, current), current)
        elif name in self._taken_apart:
            for place, part in taken_apart(field.join or [], field.separator, value, body, current, self._clear):
                put(body, place, part)
        elif field.all_of is not None and field.write_to is None:
            for place, member in self._slotted(field, canonical, value, current):
                _put(body, place, member, current)
        elif field.each is not None and field.write_to is None:
            _put(body, field.each, self._members(field, canonical, value, current), current)
        else:
            path = written_path(field)
            if path is None:
                raise UnwritableError("the mapping does not say where it is written")
            _put(body, path, self._value(field, canonical, value, get(current, path)), current)
            for other in field.join or []:  # else it would be read twice
                if path in (field.join or []) and other != path:
                    put(body, other, None)

    @property
    def _clear(self) -> Any:
        return self.entity.push.clear if self.entity.push else None

    def _slotted(
        self, field: FieldMapping, canonical: CanonicalField, value: Any, current: Any
    ) -> Iterator[tuple[str, Any]]:
        made = [to_theirs(one, canonical, field, self.wire, MISSING) for one in value or []]
        if canonical.survivorship == "union" or canonical.to is not None:
            return filled(field.slots, made, current)
        return replaced(field.slots, made, current, self._clear)

    def _value(self, field: FieldMapping, canonical: CanonicalField, value: Any, now_there: Any) -> Any:
        if value is None:
            return self._clear
        if isinstance(value, list):
            sample = now_there[0] if isinstance(now_there, list) and now_there else MISSING
            members = [to_theirs(member, canonical, field, self.wire, sample) for member in value]
            is_text = isinstance(now_there, str) or (
                "separator" in field.model_fields_set and now_there in (MISSING, None)
            )
            return field.separator.join(map(str, members)) if is_text else members
        return to_theirs(value, canonical, field, self.wire, now_there)

    def _members(self, field: FieldMapping, canonical: CanonicalField, value: Any, current: Any) -> Any:
        """The list as it will be: what is there and unknown to us, and every member that we want."""
        there = get(current, field.each)
        is_text = isinstance(there, str) or ("separator" in field.model_fields_set and not isinstance(there, list))
        if is_text:
            there = [
                part for part in str("" if there in (MISSING, None) else there).split(field.separator) if part.strip()
            ]
        members = copy.deepcopy(there) if isinstance(there, list) else []
        wanted = [value] if not isinstance(value, list) else value
        ours = [place for place, member in enumerate(members) if _is_ours(field, member)]
        if field.take == "first" or canonical.type != "list":
            self._set_first(field, canonical, members, ours, wanted[0])
        else:
            self._set_all(field, canonical, members, ours, wanted)
        return field.separator.join(map(str, members)) if is_text else members

    def _set_first(
        self, field: FieldMapping, canonical: CanonicalField, members: list[Any], ours: list[int], value: Any
    ) -> None:
        before = _inner(field, members[ours[0]]) if ours else MISSING
        made = self._value(field, canonical, value, before)
        if ours and isinstance(members[ours[0]], dict) and field.path:
            put(members[ours[0]], field.path, made)
        elif ours:
            members[ours[0]] = made
        else:
            members.append(_new_member(field, made))

    def _set_all(
        self,
        field: FieldMapping,
        canonical: CanonicalField,
        members: list[Any],
        ours: list[int],
        wanted: list[Any] | Any,
    ) -> None:
        sample = _inner(field, members[ours[0]]) if ours else MISSING
        made = [to_theirs(one, canonical, field, self.wire, sample) for one in wanted if one is not None]
        there = {_plain(_inner(field, members[place])) for place in ours}
        if canonical.survivorship != "union" and canonical.to is None:
            keep = {_plain(one) for one in made}
            gone = [place for place in ours if _plain(_inner(field, members[place])) not in keep]
            for place in reversed(gone):
                del members[place]
        members += [_new_member(field, one) for one in made if _plain(one) not in there]


_EXACT = json.JSONDecoder(parse_float=Decimal)


def values_of(changes: Mapping[str, str | None]) -> dict[str, Any]:
    """JSON texts as values; numbers stay exact."""
    return {name: None if text is None else value_of(text) for name, text in changes.items()}


def value_of(text: str) -> Any:
    """A JSON text as a value."""
    return text[1:-1] if text[0] == '"' and "\\" not in text else _EXACT.decode(text)


def wrapped(body: dict[str, Any], wrap: str | None) -> dict[str, Any]:
    """The body with the fields below `wrap`."""
    if wrap is None:
        return body
    outer: dict[str, Any] = {}
    put(outer, wrap, body)
    return outer


def written_path(field: FieldMapping) -> str | None:
    """Where a value goes that has one place; None for lists, and where the mapping does not say."""
    if field.write_to is not None:
        return field.write_to
    return field.first_of[0] if field.first_of else field.path if field.each is None else None


def _put(body: dict[str, Any], path: str, value: Any, current: Any) -> None:
    """Writes below the path; a list on the way, or an object, comes along whole, as it is now."""
    above = list_above(path)
    if above is not None and get(body, above) is MISSING:
        there = get(current, above)
        if isinstance(there, list):
            put(body, above, copy.deepcopy(there))
    put(body, path, value)


def _is_ours(field: FieldMapping, member: Any) -> bool:
    for path, wanted in field.where.items():
        options = wanted if isinstance(wanted, list) else [wanted]
        if _plain(get(member, path)) not in {_plain(option) for option in options}:
            return False
    return True


def _inner(field: FieldMapping, member: Any) -> Any:
    return get(member, field.path) if field.path else member


def _new_member(field: FieldMapping, made: Any) -> Any:
    if not field.path:
        return made
    member = copy.deepcopy(dict(field.new))
    for path, wanted in field.where.items():
        if get(member, path) is MISSING:
            put(member, path, wanted[0] if isinstance(wanted, list) else wanted)
    put(member, field.path, made)
    return member


def _plain(value: Any) -> str:
    return "" if value is MISSING or value is None else str(value).strip().casefold()


def _bare(value: Any) -> str:
    """A value without what only adorns it, so that (202) 555-0123 is +12025550123 but for the country."""
    plain = _plain(value)
    digits = "".join(letter for letter in plain if letter.isdigit())
    return digits[-10:] if len(digits) >= 7 and not any(letter.isalpha() for letter in plain) else plain


def _rejoined(field: FieldMapping, body: dict[str, Any], value: Any, current: Any) -> str:
    """Their one text with our part of it replaced."""
    path, separator = field.split or "", field.separator
    there = get(body, path)
    text = get(current, path) if there is MISSING else there
    words = [] if text in (MISSING, None) else str(text).split(separator)
    mine = "" if value is None else str(value)
    if field.part in {"first", "rest"}:
        first, rest = separator.join(words[:1]), separator.join(words[1:])
        parts = (mine, rest) if field.part == "first" else (first, mine)
    else:
        before, last = separator.join(words[:-1] or words), separator.join(words[-1:] if len(words) > 1 else [])
        parts = (mine, last) if field.part == "before_last" else (before, mine)
    return separator.join(part for part in parts if part)
