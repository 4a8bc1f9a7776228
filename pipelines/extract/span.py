"""What windows are windows of: a time, in seconds since 1970, or an id that is a whole number."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pipelines.extract.job import Job
from pipelines.extract.request import Ends
from pipelines.extract.shape import select
from pipelines.extract.source import Page
from pipelines.mapping.language import Extract, Incremental, Windows
from pipelines.wire.moments import written

SLACK = 2
MILLISECONDS_FROM = 1e11


class NotFiltered(Exception):  # noqa: N818 - says what was seen
    """A window showed a record from outside of it: the CRM does not filter both ends, whatever its mapping says."""


@dataclass(frozen=True)
class Span:
    """One window, half-open: None is where the whole read begins, or no end.

    `depth` counts the splits that led to it, `again` the times it was read and had moved.
    """

    start: int | None = None
    end: int | None = None
    depth: int = 0
    again: int = 0


class Axis:
    """The range that is split, and how its places are written and read."""

    def __init__(self, job: Job, extract: Extract, windows: Windows) -> None:
        self._job, self._windows = job, windows
        self._incremental = extract.incremental or Incremental.model_validate({})
        self._is_time = windows.by == "modified"
        modified = self._incremental.cursor_path or job.entity.modified
        self._paths = ([modified] if modified else []) if self._is_time else job.entity.key[0]
        self.overlap = math.ceil(windows.overlap)

    def ends(self, span: Span) -> Ends:
        """A window as it is asked for; it reaches a little into the next."""
        end = None if span.end is None else span.end + self.overlap
        return Ends(self._written(span.start), self._written(end))

    def check(self, span: Span, records: Iterable[Any]) -> None:
        """Looks whether records lie in the window.

        Raises:
            NotFiltered: one lies outside. One that changed since the run began may show a time behind the window.
        """
        latest = self.latest() if self._is_time else math.inf
        for place in filter(None, map(self._place, records)):
            is_before = span.start is not None and place < span.start - SLACK
            is_behind = span.end is not None and span.end + self.overlap + SLACK < place < latest
            if is_before or is_behind:
                raise NotFiltered

    def check_order(self, span: Span, before: Page | None, page: Page) -> int | None:
        """Looks whether a page comes behind its window's beginning and behind the page before it.

        Returns:
            The place of its last record; None where that says none.

        Raises:
            NotFiltered: it does not.
        """
        first, last = self._place(page.first), self._place(page.last)
        ended = self._place(before.last) if before is not None else None
        is_before = span.start is not None and first is not None and first < span.start - SLACK
        if is_before or any(a is not None and b is not None and a > b for a, b in ((ended, first), (first, last))):
            raise NotFiltered
        return last

    def is_past(self, span: Span, place: int | None) -> bool:
        """Whether a window has been read to its end, and a little into the next."""
        return span.end is not None and place is not None and place >= span.end + self.overlap

    def range(self, span: Span, page: Page, records: int) -> tuple[int, int]:
        """From where to where a window's records lie, as far as its first page tells."""
        first, last = self._place(page.first), self._place(page.last)
        rises = first is not None and last is not None and first <= last
        if self._is_time:
            low = first if rises and first is not None else span.start
            high = span.end if span.end is not None else self.latest()
            return self._earliest() if low is None else low, high
        if first is None or last is None:
            return 0, 0
        reach = math.ceil(abs(last - first) / max(1, page.records - 1) * records)
        low, high = (first, first + reach) if rises else (max(0, first - reach), first)
        return (low if span.start is None else max(low, span.start)), (high if span.end is None else span.end)

    def is_unsettled(self, newest: datetime | None) -> bool:
        """Whether something changed since the run began: one that came may hide in a total that another left."""
        return newest is not None and newest.timestamp() >= self.latest()

    def latest(self) -> int:
        """Before this nothing changes any more, by the CRM's own clock."""
        started = self._job.wire.started_at or datetime.now(UTC)
        return math.floor(started.timestamp() - self._incremental.lag)

    def _earliest(self) -> int:
        return self._seconds(self._incremental.initial_value) or 0

    def _written(self, place: int | None) -> str | None:
        if place is None or not self._is_time:
            return None if place is None else str(place)
        return written(datetime.fromtimestamp(place, UTC), self._incremental.convert)

    def _place(self, record: Any) -> int | None:
        """Where a record lies; None where it does not say, or not in a way that is understood."""
        for path in self._paths:
            found, value = select(record, path)
            if found and value not in (None, ""):
                return self._seconds(str(value)) if self._is_time else _whole(str(value))
        return None

    def _seconds(self, text: str) -> int | None:
        try:
            number = float(text)
            return math.floor(number / 1000 if abs(number) > MILLISECONDS_FROM else number)
        except ValueError:
            pass
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            return None
        zone = ZoneInfo(self._job.connection.wire.timezone)
        return math.floor((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp())


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
