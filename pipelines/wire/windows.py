"""Search windows: a search that serves only so many results is asked again from where it ended.

Results come sorted by a field (mostly the time of change). Before the cap is passed the search begins anew at the last
value seen, so that those that share it come again; the log takes each version once. Where one value alone fills a
whole window, its records are read by id instead, and then the search goes on past it.

Source: search of HubSpot (doc): at most 10,000 results a query, one sort, filters GTE, GT, EQ and LT in filterGroups.
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
    """A search whose body holds `filterGroups` of `filters` and `sorts`; restarts it at its last value.

    Args:
        by: the field that is searched and sorted by, as the search calls it.
        since, until: the ends of the whole read, the lower one included.
        cap: results that one search serves at most.
        under: path below which records show their fields; without it they stand at the top.
        id_field: the id, as the search calls it; id_path: where a record shows it.
        value_format: `epoch_ms` or `epoch_seconds` where the search wants a number and records show ISO 8601.
        cursor_path, cursor_body_path: how pages within a search follow each other.
        first_id: what stands for "before all ids".
    """

    overlaps = True

    def __init__(
        self, *, by: str, since: str, until: str, cap: int, cursor_path: str, cursor_body_path: str,
        under: str | None = None, id_field: str = "id", id_path: str = "id", value_format: str | None = None,
        first_id: str = "0",
    ) -> None:  # fmt: skip
        super().__init__()
        self._by, self._since, self._until, self._cap = by, since, until, cap
        self._value_path = f"{under}.{by}" if under else by
        self._id_field, self._id_path, self._first_id = id_field, id_path, first_id
        self._value_format = value_format
        self._cursor_path, self._cursor_body_path = compiled(cursor_path), cursor_body_path
        self._phase: Phase = "from"
        self._cursor: Any = None
        self._served = 0
        self._first: Any = None
        self._last: Any = None
        self._last_id = first_id
        self._begins_anew = False

    def init_request(self, request: Any) -> None:
        """The first search: between the ends of the read."""
        self._has_next_page = True
        self._original_json = copy.deepcopy(request.json or {})
        self._write(request, "GTE", self._since)

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
        if self._cursor is None:
            self._end_search()
        elif self._served + len(data or []) > self._cap:
            self._search_again()

    def update_request(self, request: Any) -> None:
        """Writes the cursor, or a new search."""
        if not self._has_next_page:
            return
        if not self._begins_anew:
            request.json = copy.deepcopy(request.json)
            jsonpath.set_value_at_path(request.json, self._cursor_body_path, self._cursor)
        elif self._phase == "tie":
            is_tied = _filter(self._by, "EQ", self._value_text())
            self._search(request, [is_tied, _filter(self._id_field, "GT", self._last_id)], self._id_field)
        else:
            self._write(request, "GTE" if self._phase == "from" else "GT", self._value_text())

    def _remember(self, records: list[dict[str, Any]]) -> None:
        if not records:
            return
        if self._first is None:
            self._first = _at(records[0], self._value_path)
        self._last = _at(records[-1], self._value_path)
        self._last_id = str(_at(records[-1], self._id_path))

    def _next_cursor(self, answer: Any, count: int) -> Any:
        if not count:
            return None
        found = jsonpath.find_values(self._cursor_path, answer) if answer else []
        return found[0] if found and found[0] not in (None, "") else None

    def _end_search(self) -> None:
        """A search came to its end: after a tie the values past it are still to be read."""
        if self._phase == "tie":
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
        else:
            self._last_id = self._first_id
            self._begin("tie")

    def _begin(self, phase: Phase) -> None:
        self._phase, self._begins_anew = phase, True
        self._served, self._first, self._cursor = 0, None, None
        self.total = None  # of another search

    def _write(self, request: Any, lower: str, value: str) -> None:
        """A search from a value on, sorted by it."""
        self._search(request, [_filter(self._by, lower, value), _filter(self._by, "LT", self._until)], self._by)

    def _search(self, request: Any, filters: list[dict[str, str]], sort: str) -> None:
        sorts = [{"propertyName": sort, "direction": "ASCENDING"}]
        request.json = {**copy.deepcopy(self._original_json), "filterGroups": [{"filters": filters}], "sorts": sorts}

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


def _filter(field: str, operator: str, value: str) -> dict[str, str]:
    return {"propertyName": field, "operator": operator, "value": value}
