"""Search windows: a search that serves only so many results is asked again from where it ended.

Results come sorted by a value (mostly the time of change). Before the cap is passed the search begins anew at the last
value seen, so that those that share it come again; the log takes each version once. Where one value alone fills a
whole window, its records are read by id instead, and then the search goes on past it.

Source: search of HubSpot (doc): at most 10,000 results a query, one sort, filters GTE, EQ and GT.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any, Literal

from dlt.common import jsonpath
from requests import Response

from pipelines.wire.paginators import Paginator, compiled

Phase = Literal["from", "tie", "past"]


class SearchWindow(Paginator):
    """Restarts a search at its last value.

    Args:
        cap: results that one search serves at most.
        value_path, id_path: in a record, dotted: what the search is sorted by, and its id.
        restart: parts of the request (`json`, `params`) that begin a search at `{value}`, that value included.
        tie: parts that ask for one `{value}` alone with ids after `{id}`, sorted by id.
        past: parts that begin a search after `{value}`.
        cursor_path, cursor_param, cursor_body_path: how pages within a search follow each other; without them each
            page is a search of its own.
        page_size: records on a full page; a shorter one is a search's last.
        first_id: what stands for "before all ids".
        value_format: `epoch_ms` or `epoch_seconds` where the search wants a number and records show ISO 8601.
    """

    overlaps = True

    def __init__(
        self, *, cap: int, value_path: str, id_path: str, restart: dict[str, Any], tie: dict[str, Any] | None = None,
        past: dict[str, Any] | None = None, cursor_path: str | None = None, cursor_param: str | None = None,
        cursor_body_path: str | None = None, page_size: int | None = None, first_id: str = "0",
        value_format: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._cap, self._page_size, self._first_id = cap, page_size, first_id
        self._value_path, self._id_path, self._value_format = value_path, id_path, value_format
        self._parts: dict[Phase, dict[str, Any] | None] = {"from": restart, "tie": tie, "past": past}
        self._cursor_path = compiled(cursor_path) if cursor_path else None
        self._cursor_param, self._cursor_body_path = cursor_param, cursor_body_path
        self._phase: Phase = "from"
        self._cursor: Any = None
        self._served = 0
        self._first: Any = None
        self._last: Any = None
        self._last_id = first_id
        self._begins_anew = False

    def init_request(self, request: Any) -> None:
        """The mapping's own request is the first search."""
        self._has_next_page = True
        self._original_json, self._original_params = copy.deepcopy(request.json), dict(request.params or {})

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Decides between the next page, a new search, and the end."""
        if getattr(response, "set_aside", None) is not None:
            self.stop(broken_off=True)
            return
        records = [r for r in data or [] if isinstance(r, dict)]
        self._served += len(data or [])
        self._remember(records)
        self.watch(response.json())
        self._cursor = self._next_cursor(response.json(), len(data or []))
        self._begins_anew = False
        room = self._page_size or len(data or [])
        if self._cursor is not None and self._served + room <= self._cap:
            return
        if self._cursor is None and self._is_last_page(len(data or [])):
            self._end_search()
        else:
            self._search_again()

    def update_request(self, request: Any) -> None:
        """Writes the cursor, or the parts of a new search."""
        if not self._has_next_page:
            return
        if self._begins_anew:
            self._write(request, self._parts[self._phase] or {})
        elif self._cursor_body_path:
            request.json = copy.deepcopy(request.json or {})
            jsonpath.set_value_at_path(request.json, self._cursor_body_path, self._cursor)
        else:
            request.params = {**(request.params or {}), self._cursor_param or "after": self._cursor}

    def _remember(self, records: list[dict[str, Any]]) -> None:
        if not records:
            return
        if self._first is None:
            self._first = _at(records[0], self._value_path)
        self._last = _at(records[-1], self._value_path)
        self._last_id = str(_at(records[-1], self._id_path))

    def _next_cursor(self, answer: Any, count: int) -> Any:
        if self._cursor_path is None or not count:
            return None
        found = jsonpath.find_values(self._cursor_path, answer) if answer else []
        return found[0] if found and found[0] not in (None, "") else None

    def _is_last_page(self, count: int) -> bool:
        return self._cursor_path is not None or not count or (self._page_size is not None and count < self._page_size)

    def _end_search(self) -> None:
        """A search came to its end: after a tie the values past it are still to be read."""
        if self._phase == "tie" and self._parts["past"] is not None:
            self._begin("past")
        else:
            self.stop()

    def _search_again(self) -> None:
        if self._last is None:
            self.stop(broken_off=True)
        elif self._phase == "tie":
            self._begin("tie")
        elif self._last != self._first or self._phase == "past":
            self._begin("from")
        elif self._parts["tie"] is not None:
            self._last_id = self._first_id
            self._begin("tie")
        else:  # one value fills a whole search, and the mapping does not say how to get past it
            self.stop(broken_off=True)

    def _begin(self, phase: Phase) -> None:
        self._phase, self._begins_anew = phase, True
        self._served, self._first, self._cursor = 0, None, None
        self.total = None  # of another search

    def _write(self, request: Any, parts: dict[str, Any]) -> None:
        filled = _fill(parts, {"{value}": self._value_text(), "{id}": self._last_id})
        if self._original_json is not None or "json" in filled:
            request.json = {**copy.deepcopy(self._original_json or {}), **filled.get("json", {})}
        request.params = {**self._original_params, **filled.get("params", {})}

    def _value_text(self) -> str:
        if self._value_format is None:
            return str(self._last)
        moment = datetime.fromisoformat(str(self._last).replace("Z", "+00:00"))
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        return str(round(seconds * 1000) if self._value_format == "epoch_ms" else int(seconds))


def _at(record: Any, path: str) -> Any:
    for part in path.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    return record


def _fill(value: Any, texts: dict[str, str]) -> Any:
    if isinstance(value, str):
        for key, text in texts.items():
            value = value.replace(key, text)
        return value
    if isinstance(value, dict):
        return {k: _fill(v, texts) for k, v in value.items()}
    return [_fill(v, texts) for v in value] if isinstance(value, list) else value
