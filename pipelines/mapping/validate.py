"""What pydantic finds wrong, in the words of the file: line, column, what was expected, the nearest known name."""

from __future__ import annotations

import copy
import re
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipelines.mapping.document import Document, Parts
from pipelines.mapping.problems import Problem, listed, nearest_name

M = TypeVar("M", bound=BaseModel)

_MOST_REPAIRS = 25
_STAND_IN = "unknown"
# Beginnings of pydantic's error types, and what satisfies them.
_STAND_INS: tuple[tuple[tuple[str, ...], Any], ...] = (
    (("missing", "string_type"), _STAND_IN),
    (("model_", "dict_type"), {}),
    (("list_type", "too_short"), [_STAND_IN]),
    (("int_", "float_", "greater_than", "less_than"), 1),
)


class Validated(NamedTuple, Generic[M]):
    """A model, what was wrong, and the places about which nothing further is to be said.

    Where something is wrong, the model holds stand-ins in its place, so that what else is wrong can be found in the
    same go; None where that is impossible.
    """

    model: M | None
    problems: list[Problem]
    patched: set[Parts]

    def worth_saying(self, found: Iterable[Problem]) -> list[Problem]:
        """Without what is only found because of a stand-in."""
        patched = {".".join(map(str, parts)) for parts in self.patched}
        below = tuple(f"{p.path}." for p in self.problems)
        return [p for p in found if p.path not in patched and not p.path.startswith(below)]


def validate(document: Document, model: type[M]) -> Validated[M]:
    """Make the model from the document's data.

    Raises nothing: what is wrong is in the answer.
    """
    data, patched, problems = document.data, set[Parts](), list[Problem]()
    for attempt in range(_MOST_REPAIRS):
        try:
            return Validated(model.model_validate(data), problems, patched)
        except ValidationError as error:
            details = error.errors(include_url=False)
        located = [(detail, _in_file(data, detail)) for detail in details]
        if attempt == 0:
            problems += _problems(document, located, model)
            data = copy.deepcopy(data)
        for detail, parts in located:
            # Without the value of a key its block may lack something; without an unknown key it lacks nothing.
            patched |= {parts} if detail["type"] == "extra_forbidden" else {parts, parts[:-1]}
            data = _repair(data, detail, parts)
    return Validated(None, problems, patched)


def _in_file(data: Any, detail: ErrorDetails) -> Parts:
    """Pydantic's location without the names of union members and aliases that are not in the file."""
    parts: list[str | int] = []
    loc = detail["loc"]
    for i, part in enumerate(loc):
        is_there = (isinstance(data, dict) and part in data) or (
            isinstance(data, list) and isinstance(part, int) and part < len(data)
        )
        if is_there:
            parts.append(part)
            data = data[part]
        elif i == len(loc) - 1 and detail["type"] == "missing":
            parts.append(part)
    return tuple(parts)


def _problems(document: Document, located: list[tuple[ErrorDetails, Parts]], model: type[M]) -> Iterator[Problem]:
    seen: set[Parts] = set()
    for detail, parts in located:
        # Each member of a union complains: once is enough, and the one that looked closest knows best.
        deeper = any(len(other) > len(parts) and other[: len(parts)] == parts for _, other in located)
        is_outdone = deeper and detail["type"].endswith("_type")
        if parts in seen or is_outdone:
            continue
        seen.add(parts)
        yield _problem(document, detail, parts, model)


def _problem(document: Document, detail: ErrorDetails, parts: Parts, model: type[BaseModel]) -> Problem:
    kind, context, found = detail["type"], detail.get("ctx", {}), detail["input"]
    if kind == "extra_forbidden":
        known = list(_keys_at(model, parts[:-1]))
        near = nearest_name(str(parts[-1]), known)
        expected = "" if near else listed(known)
        return document.problem(parts, "unknown key", expected=expected, nearest=near)
    if kind == "missing":
        return document.problem(parts, "is missing", remedy=f"add {parts[-1]}")
    if kind == "literal_error":
        known = _literals(detail)
        near = nearest_name(str(found), known)
        return document.problem(parts, f"{found!r} is not known", of_value=True, expected=listed(known), nearest=near)
    if kind == "value_error":
        return document.problem(parts, str(context.get("error", detail["msg"])))
    if kind == "string_pattern_mismatch":
        return document.problem(parts, f"{found!r} has the wrong form", of_value=True, expected=context["pattern"])
    said = detail["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return document.problem(parts, f"found {_brief(found)}", of_value=True, expected=said[:1].lower() + said[1:])


def _literals(detail: ErrorDetails) -> list[str]:
    """The words pydantic would have taken: its context has them as `'a', 'b' or 'c'`."""
    return re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", ""))) or [_STAND_IN]


def _brief(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a block of keys"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return repr(value) if len(repr(value)) < 60 else repr(value)[:57] + "..."


def _keys_at(model: type[BaseModel], parts: Parts) -> Iterator[str]:
    """The keys that may stand at `parts`, as the file names them."""
    for block in _blocks_at(model, parts):
        for name, info in block.model_fields.items():
            yield info.alias or name


def _blocks_at(annotation: Any, parts: Parts) -> list[type[BaseModel]]:
    if not parts:
        return [a for a in _members(annotation) if isinstance(a, type) and issubclass(a, BaseModel)]
    found: list[type[BaseModel]] = []
    for member in _members(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            for name, info in member.model_fields.items():
                if parts[0] in (info.alias or name, name):
                    found += _blocks_at(info.annotation, parts[1:])
        elif typing.get_origin(member) in (dict, list):
            found += _blocks_at(typing.get_args(member)[-1], parts[1:])
    return found


def _members(annotation: Any) -> list[Any]:
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return [m for arg in typing.get_args(annotation) for m in _members(arg)]
    return _members(typing.get_args(annotation)[0]) if origin is typing.Annotated else [annotation]


def _repair(data: Any, detail: ErrorDetails, parts: Parts) -> Any:
    """`data` with a stand-in (or nothing) at `parts`, chosen by what pydantic expected there."""
    kind = detail["type"]
    if not parts:
        return {}
    holder = data
    for part in parts[:-1]:
        try:
            holder = holder[part]
        except (KeyError, IndexError, TypeError):
            return data  # an earlier repair took it away
    last = parts[-1]
    stand_in = _stand_in(kind, detail, parts)
    if isinstance(holder, dict) and stand_in is None:
        holder.pop(last, None)
    elif isinstance(holder, dict):
        holder[last] = stand_in
    elif isinstance(holder, list) and isinstance(last, int) and last < len(holder):
        holder[last] = _STAND_IN if stand_in is None else stand_in
    return data


def _stand_in(kind: str, detail: ErrorDetails, parts: Parts) -> Any:
    if kind == "too_short" and isinstance(detail["input"], dict):
        return {_STAND_IN: {}}
    if kind == "value_error" and len(parts) == 4 and parts[2] == "fields":
        return {"path": _STAND_IN}
    if kind == "literal_error":
        return _literals(detail)[0]
    for begins, stand_in in _STAND_INS:
        if kind.startswith(begins):
            return copy.deepcopy(stand_in)
    return None
