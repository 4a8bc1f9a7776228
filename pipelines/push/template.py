"""Fills a request of the mapping: `{id}`, `{value}` and other names in path, parameters, headers and body."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from pipelines.mapping.language import Batch, Request
from pipelines.push.paths import put

_NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")


@dataclass(frozen=True)
class Call:
    """One HTTP call, filled in. `path` is relative to the connection's base URL, or absolute."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


def filled(request: Request, values: Mapping[str, Any], body: Any = None) -> Call:
    """The call of a request.

    Args:
        request: the mapping's.
        values: what stands for the names in braces; a name that is not among them stays as it is.
        body: JSON body; default: the request's own, filled in.
    """
    return Call(
        request.method,
        _text(request.path, values, quoted=True),
        {key: _parameter(value, values) for key, value in request.params.items()},
        {key: _text(value, values) for key, value in request.headers.items()},
        _fill(request.json_body, values) if body is None else body,
    )


def batch_call(batch: Batch, members: list[dict[str, Any]], values: Mapping[str, Any]) -> Call:
    """The call of a batch.

    Args:
        batch: the mapping's; its `item` is the shape of a member: `$id`, `$fields`, `$index`, `$value` stand for what a
            member has. Without `$fields` the fields stand beside the constants; without `item` a member is its value.
        members: for each record what `$id`, `$fields`, `$index`, `$value` are, without the `$`.
        values: for the names in braces.
    """
    shape = _shaper(batch.item)
    items = [shape(member) for member in members]
    body = _fill(batch.request.json_body, values)
    body = body if isinstance(body, dict) else {}
    # without a list in the body the ids stand in the path, the parameters or a query
    if batch.items is None or batch.request.method in {"GET", "DELETE"}:
        return filled(batch.request, values)
    put(body, batch.items, items) if batch.items != "$" else None
    return filled(batch.request, values, (items if batch.items == "$" else body) if body or items else None)


def _shaper(shape: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Any]:
    """Gives one member of a batch the shape that the mapping says."""
    if not shape:
        return lambda member: member["fields"] if "fields" in member else member.get("value", member.get("id"))
    if "$fields" in _leaves(shape):
        return lambda member: _shape(shape, member)
    if all(isinstance(value, str) and value.startswith("$") for value in shape.values()):
        named = [(key, value[1:]) for key, value in shape.items()]
        return lambda member: {key: member.get(name) for key, name in named} | member.get("fields", {})
    return lambda member: {**_shape(shape, member), **member.get("fields", {})}


def _shape(shape: Any, member: Mapping[str, Any]) -> Any:
    if isinstance(shape, str) and shape.startswith("$"):
        return member.get(shape[1:])
    if isinstance(shape, dict):
        return {key: _shape(value, member) for key, value in shape.items()}
    return [_shape(value, member) for value in shape] if isinstance(shape, list) else shape


def _leaves(shape: Any) -> set[Any]:
    if isinstance(shape, Mapping):
        return set().union(*(_leaves(value) for value in shape.values()))
    if isinstance(shape, list):
        return set().union(*(_leaves(value) for value in shape))
    return {shape} if isinstance(shape, str) else set()


def _fill(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        alone = _NAME.fullmatch(value)
        return values[alone[1]] if alone and alone[1] in values else _text(value, values)
    if isinstance(value, Mapping):
        return {key: _fill(member, values) for key, member in value.items()}
    return [_fill(member, values) for member in value] if isinstance(value, list) else value


def _parameter(value: Any, values: Mapping[str, Any]) -> Any:
    """A parameter that is a name stands for its value; a list of values goes with commas."""
    filled_in = _fill(value, values)
    return _said(filled_in) if isinstance(filled_in, list) and isinstance(value, str) else filled_in


def _text(value: str, values: Mapping[str, Any], *, quoted: bool = False) -> str:
    def replace(found: re.Match[str]) -> str:
        if found[1] not in values:
            return found[0]
        text = _said(values[found[1]])
        return quote(text, safe="") if quoted else text

    return _NAME.sub(replace, value)


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_said, value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def search_values(values: list[Any]) -> dict[str, Any]:
    """Names for a search of many: `{values}` with commas, `{quoted_values}` as literals of an SQL-like language."""
    escaped = [str(value).replace("\\", "\\\\").replace("'", "\\'") for value in values]
    return {"values": values, "quoted_values": ",".join(f"'{one}'" for one in escaped)}
