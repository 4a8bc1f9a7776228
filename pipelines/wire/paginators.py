"""Paging by position: offset and page number, fetched ahead in order.

They take the words of dlt's `offset` and `page_number`. Beside it they end at a short page (one call less), go on where
the CRM does not give the total it gave before, step over a page that could not be read, and tell when the list moved
while it was read. The other ways of paging are in `references` and `windows`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from functools import cache
from typing import Any

from dlt.common import jsonpath
from dlt.sources.helpers.rest_client.paginators import BasePaginator
from requests import Response

MOST_SET_ASIDE = 3
UNPROMISED = 1


class Paginator(BasePaginator):
    """Base of ours: what extract asks of a paginator beside paging.

    Attributes:
        overlaps: pages repeat records by design, so that a repeated one is no sign of movement.
        moved: the list was seen to change while it was read.
        broken_off: it could not be read to its end.
        ahead: fetches pages early; None: one after the other.
        expected: records that are probably there, from the last read.
        total: as the CRM says, where it does: records, or pages.
        records: the total in records.
        watched: compiled path of the total, for those that do not need it to find their way.
    """

    overlaps = False

    def __init__(self) -> None:
        super().__init__()
        self.moved = False
        self.broken_off = False
        self.ahead: Any = None
        self.expected: int | None = None
        self.total: int | None = None
        self.records: int | None = None
        self.watched: Any = None

    @property
    def is_blind(self) -> bool:
        """Whether the list could move while it is read without a sign of it: positions, and no total to watch."""
        return False

    def __deepcopy__(self, memo: dict[int, Any]) -> Paginator:
        """Itself: rest_api copies its configuration to validate it, and must use what we look at afterwards."""
        del memo
        return self

    def stop(self, *, broken_off: bool = False) -> None:
        """No further page."""
        self._has_next_page = False
        self.broken_off = self.broken_off or broken_off

    def watch(self, answer: Any) -> None:
        """Notes how many records there are; where that changes, others have moved to other places."""
        total = number_at(self.watched, answer)
        if total is not None:
            self.moved = self.moved or (self.total is not None and self.total != total)
            self.total = self.records = total


@cache
def compiled(path: str) -> Any:
    """A path in dlt's words; to compile one takes milliseconds, and every window needs its own paginator."""
    return jsonpath.compile_path(path)


def number_at(path: Any, answer: Any) -> int | None:
    """The whole number at a path of an answer; None where there is none."""
    found = jsonpath.find_values(path, answer) if path is not None and answer else []
    try:
        return int(found[0])
    except (IndexError, TypeError, ValueError):
        return None


class PositionPaginator(Paginator):
    """Base of offset and page number: position k is asked for by a number."""

    def __init__(
        self, first: int, step: int, size: int | None, param: str | None, body_path: str | None, *,
        total_path: str | None, last: int | None, has_more_path: str | None, stop_after_empty_page: bool,
        stop_after_short_page: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.first, self.step, self.size = first, step, size
        self.param, self.body_path, self.last = param, body_path, last
        self.total_path = compiled(total_path) if total_path else None
        self.has_more_path = compiled(has_more_path) if has_more_path else None
        self.stop_after_empty_page, self.stop_after_short_page = stop_after_empty_page, stop_after_short_page
        self.value = first
        self.in_a_row = 0
        self.length = size or 0
        self.is_length_sure = size is not None
        self.ends_at: int | None = None

    @property
    def is_blind(self) -> bool:
        """A record that is deleted moves those behind it to positions that were read; only the total shows it."""
        return self.total is None

    def init_request(self, request: Any) -> None:
        """The first page."""
        self._has_next_page, self.value = True, self.first
        self.write(request, self.value)

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Reads total and length of a page, and steps on."""
        if getattr(response, "set_aside", None) is not None:
            self._step_over()
            return
        self.in_a_row = 0
        count = len(data or [])
        self.is_length_sure = self.is_length_sure or (count > 0 and count == self.length)
        self.length = self.length or count
        answer = response.json()
        self._learn_total(answer)
        self._advance(count)
        if (
            (self.has_more_path is not None and not self._has_more(answer))
            or (self.stop_after_empty_page and not count)
            or (self.ends_at is not None and self.value >= self.ends_at)
            or (self.last is not None and self.value >= self.last)
            or (self.ends_at is None and self.has_more_path is None and self._is_short(count))
        ):
            self.stop()

    def update_request(self, request: Any) -> None:
        """Asks for the next page, and for those after it ahead of time."""
        if not self._has_next_page:
            return
        if self.ahead is not None:
            self.ahead.want(self._asked_ahead(request))
        self.write(request, self.value)

    def write(self, request: Any, value: int) -> None:
        """Puts a position into a request."""
        if self.body_path:
            request.json = copy.deepcopy(request.json or {})
            jsonpath.set_value_at_path(request.json, self.body_path, value)
        else:
            request.params = {**(request.params or {}), self.param or "": value}

    def ends(self, total: int) -> int:
        """The first position behind so many records (or pages)."""
        raise TypeError(f"{type(self).__name__} must say where {total} records end")

    def records_in(self, total: int) -> int | None:
        """The total in records; None where it counts pages and their length is not known."""
        return total

    def behind(self, records: int) -> int:
        """The first position behind so many records."""
        raise TypeError(f"{type(self).__name__} must say where {records} records end")

    def _advance(self, count: int) -> None:
        del count
        self.value += self.step

    def _is_short(self, count: int) -> bool:
        return self.stop_after_short_page and self.size is not None and count < self.size

    def _learn_total(self, answer: Any) -> None:
        total = number_at(self.total_path, answer)
        if total is None:
            return
        self.moved = self.moved or (self.total is not None and self.total != total)
        self.total, self.ends_at = total, self.ends(total)
        self.records = self.records_in(total)

    def _has_more(self, answer: Any) -> bool:
        found = jsonpath.find_values(self.has_more_path, answer) if self.has_more_path is not None and answer else []
        return bool(found) and str(found[0]).lower() in ("true", "1", "yes")

    def _step_over(self) -> None:
        self.broken_off = True
        self.in_a_row += 1
        self.value += self.step
        beyond = self.ends_at is not None and self.value >= self.ends_at
        if beyond or self.in_a_row >= MOST_SET_ASIDE:
            self.stop()

    def _asked_ahead(self, request: Any) -> Iterator[Any]:
        promised = self.ends_at
        if promised is None and self.expected is not None:
            promised = self.behind(self.expected)
            if not self.is_length_sure:  # a single page may be the whole list, and a short one at that
                promised = min(promised, self.value + (1 + UNPROMISED) * self.step)
        for k in range(self.ahead.at_once):
            value = self.value + k * self.step
            if self.last is not None and value >= self.last:
                return
            is_promised = promised is not None and value < promised
            if k > 0 and not is_promised and not (promised is None and k <= UNPROMISED):
                return
            early = copy.copy(request)
            self.write(early, value)
            yield early


class Offset(PositionPaginator):
    """`offset` and `limit`, as dlt's `offset`.

    Where the CRM gives fewer than `limit` though there are more (a cap of its own), it steps by what came.
    """

    def __init__(
        self, *, limit: int, offset: int = 0, offset_param: str | None = None, limit_param: str | None = None,
        total_path: str | None = "total", maximum_offset: int | None = None, stop_after_empty_page: bool = True,
        has_more_path: str | None = None, offset_body_path: str | None = None, limit_body_path: str | None = None,
        stop_after_short_page: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(
            offset, limit, limit, None if offset_body_path else offset_param or "offset", offset_body_path,
            total_path=total_path, last=maximum_offset, has_more_path=has_more_path,
            stop_after_empty_page=stop_after_empty_page, stop_after_short_page=stop_after_short_page,
        )  # fmt: skip
        self.limit_param = None if limit_body_path else limit_param or "limit"
        self.limit_body_path = limit_body_path

    def write(self, request: Any, value: int) -> None:
        """Offset and limit."""
        super().write(request, value)
        if self.limit_body_path:
            jsonpath.set_value_at_path(request.json, self.limit_body_path, self.size)
        else:
            request.params = {**(request.params or {}), self.limit_param or "": self.size}

    def ends(self, total: int) -> int:
        """As many records, so far the offset."""
        return total + self.first

    def behind(self, records: int) -> int:
        """As `ends`."""
        return self.ends(records)

    def _advance(self, count: int) -> None:
        more = self.ends_at is not None and self.value + count < self.ends_at
        self.value += count if 0 < count < self.step and more else self.step


class PageNumber(PositionPaginator):
    """`page`, as dlt's `page_number`; `total_path` counts pages, `records_path` records.

    Args:
        page_size: records on a full page, where the request says so; then a shorter page is the last.
    """

    def __init__(
        self, *, base_page: int = 0, page: int | None = None, page_param: str | None = None,
        total_path: str | None = "total", maximum_page: int | None = None, stop_after_empty_page: bool = True,
        has_more_path: str | None = None, page_body_path: str | None = None, page_size: int | None = None,
        records_path: str | None = None, stop_after_short_page: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(
            base_page if page is None else page, 1, page_size, None if page_body_path else page_param or "page",
            page_body_path, total_path=records_path or total_path, last=maximum_page, has_more_path=has_more_path,
            stop_after_empty_page=stop_after_empty_page, stop_after_short_page=stop_after_short_page,
        )  # fmt: skip
        self.base_page, self.counts_records = base_page, records_path is not None

    def ends(self, total: int) -> int:
        """The page behind the last."""
        return self.base_page + (math.ceil(total / self.size) if self.counts_records and self.size else total)

    def records_in(self, total: int) -> int | None:
        """The total, or as many records as that many pages may hold."""
        return total if self.counts_records else total * self.length or None

    def behind(self, records: int) -> int:
        """The page behind so many records, by the length of the first page."""
        return self.base_page + (math.ceil(records / self.length) if self.length else 0)
