"""The first request of a read: the mapping's `extract` block with the bookmark and the wanted fields filled in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipelines.extract.bookmark import start_value
from pipelines.mapping.language import Entity, Extract
from pipelines.mapping.wanted import wanted_fields
from pipelines.wire.moments import written

START, END = "{incremental.start_value}", "{incremental.end_value}"
FIELDS = "{fields}"
NEVER = datetime(4000, 1, 1, tzinfo=UTC)  # the last year that query languages of CRMs know


@dataclass(frozen=True)
class Ends:
    """The ends of a window as they are sent; None: as without windows below, open above."""

    start: str | None = None
    end: str | None = None


def filled(extract: Extract, entity: Entity | None, bookmark: str | None, ends: Ends | None = None) -> Extract:
    """The block as it is sent.

    Args:
        extract: the mapping's block.
        entity: whose fields are asked for; None asks for none by name.
        bookmark: from when on; None asks for everything, so that `start_param` is left out.
        ends: of the window that is asked for.
    """
    ends = ends or Ends()
    values, params = _filters(extract, bookmark, ends)
    has_start = bookmark is not None or (ends.start is not None and START in values)
    body = extract.json_body
    if entity is not None:
        wanted = wanted_fields(entity, extract)
        values[FIELDS] = ",".join(wanted)
        body = _listed(body, wanted)
    changed = {
        "path": _fill(extract.path, values),
        "params": _fill(params, values),
        "headers": _fill(_without(extract.headers, None if has_start else START), values),
        "json_body": _fill(body, values),
        "paginator": _fill(extract.paginator, values),
    }
    return extract.model_copy(update=changed)


def _filters(extract: Extract, bookmark: str | None, ends: Ends) -> tuple[dict[str, str], dict[str, Any]]:
    """What stands for the two ends, and the parameters with them."""
    values: dict[str, str] = {}
    params = dict(extract.params)
    incremental, windows = extract.incremental, extract.windows
    is_by_id = windows is not None and windows.by == "id"
    if incremental is not None:
        start, end = (None, None) if is_by_id else (ends.start, ends.end)
        values[START] = start if start is not None else start_value(bookmark, incremental)
        values[END] = end if end is not None else written(NEVER, incremental.convert)
        if incremental.start_param and (bookmark is not None or start is not None):
            params[incremental.start_param] = values[START]
        if incremental.end_param and end is not None:
            params[incremental.end_param] = end
    if windows is not None and is_by_id:
        both = ((windows.start_param, ends.start), (windows.end_param, ends.end))
        params |= {name: value for name, value in both if name and value is not None}
    return values, params


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
