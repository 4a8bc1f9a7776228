"""The first request of a read: the mapping's `extract` block with the bookmark and the wanted fields filled in."""

from __future__ import annotations

from typing import Any

from pipelines.extract.bookmark import start_value
from pipelines.mapping.language import Entity, Extract
from pipelines.mapping.wanted import wanted_fields

START = "{incremental.start_value}"
FIELDS = "{fields}"


def filled(extract: Extract, entity: Entity | None, bookmark: str | None) -> Extract:
    """The block as it is sent.

    Args:
        extract: the mapping's block.
        entity: whose fields are asked for; None asks for none by name.
        bookmark: from when on; None asks for everything, so that `start_param` is left out.
    """
    values: dict[str, str] = {}
    params = dict(extract.params)
    if extract.incremental is not None:
        values[START] = start_value(bookmark, extract.incremental)
        if extract.incremental.start_param and bookmark is not None:
            params[extract.incremental.start_param] = values[START]
    body = extract.json_body
    if entity is not None:
        wanted = wanted_fields(entity, extract)
        values[FIELDS] = ",".join(wanted)
        body = _listed(body, wanted)
    changed = {
        "path": _fill(extract.path, values),
        "params": _fill(params, values),
        "headers": _fill(_without(extract.headers, START if bookmark is None else None), values),
        "json_body": _fill(body, values),
    }
    return extract.model_copy(update=changed)


def is_filtered(extract: Extract, bookmark: str | None) -> bool:
    """True if the request asks for less than everything."""
    return extract.incremental is not None and bookmark is not None


def _listed(value: Any, names: list[str]) -> Any:
    """`{fields}` alone is the list of names."""
    if value == FIELDS:
        return names
    if isinstance(value, dict):
        return {k: _listed(v, names) for k, v in value.items()}
    return [_listed(v, names) for v in value] if isinstance(value, list) else value


def _without(headers: dict[str, str], text: str | None) -> dict[str, str]:
    """Headers such as If-Modified-Since are left out of a full read."""
    return headers if text is None else {k: v for k, v in headers.items() if text not in v}


def _fill(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, str):
        for key, text in values.items():
            value = value.replace(key, text)
        return value
    if isinstance(value, dict):
        return {k: _fill(v, values) for k, v in value.items()}
    return [_fill(v, values) for v in value] if isinstance(value, list) else value
