"""How the next page is asked for, guessed from what stands around the list in an API's answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pipelines.mapping.sample.paths import words
from pipelines.mapping.sample.records import Sample

_CURSORS = (
    "next cursor",
    "cursor",
    "next page token",
    "after",
    "next",
    "continuation token",
    "scroll id",
    "page token",
)
_TOTALS = ("total", "count", "total count", "total records", "total items", "total results")
_PAGES = ("page", "current page", "page number", "total pages", "pages")


def paginator_lines(sample: Sample, has_modified: bool) -> Iterator[str]:
    """The lines of `paginator`, and what else a person has to look up."""
    around = {path: value for path, value in _plain(sample.envelope, "") if not path.startswith(f"{sample.selector}.")}
    named = {path: words(path.split(".")[-1]) for path in around}
    links = [p for p in around if "next" in words(p) and str(around[p]).startswith(("http://", "https://", "/"))]
    cursors = [
        p for p in around if named[p] in _CURSORS and p not in links and around[p] not in (None, "", True, False)
    ]
    totals = [p for p in around if named[p] in _TOTALS]
    yield "      # how the next page is asked for: a guess from the sample; see the documentation"
    if links:
        yield f"      paginator: {{type: json_link, next_url_path: {json.dumps(links[0])}}}"
    elif cursors:
        path, param = json.dumps(cursors[0]), json.dumps(cursors[0].split(".")[-1])
        yield f"      paginator: {{type: cursor, cursor_path: {path}, cursor_param: {param}}}"
    elif any(name in _PAGES for name in named.values()):
        yield "      paginator: {type: page_number, base_page: 1, page_param: page, total_path: null}"
    elif totals:
        yield f"      paginator: {{type: offset, limit: 100, total_path: {json.dumps(totals[0])}}}"
    else:
        yield "      paginator: single_page"
    if has_modified:
        yield "      # asked for what changed since the last time, if the API can be:"
        yield "      # incremental: {start_param: updated_since}"


def _plain(value: Any, path: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The plain values around the list; what is within lists does not count."""
    if isinstance(value, dict) and depth < 4:
        for key, member in value.items():
            yield from _plain(member, f"{path}.{key}" if path else key, depth + 1)
    elif path and not isinstance(value, list | dict):
        yield path, value
