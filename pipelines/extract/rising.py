"""A long read of a list that comes oldest change first and is filtered at its lower end alone.

Its windows end by themselves: each begins where it asks from, and is read until a record of the next one shows up.
Nobody says how much there is, so nothing is split before it has turned out to be long: after some pages a stream gives
what is left of its range to threads that have nothing to do, and goes on to the first border. Windows end where the run
began; what changes meanwhile moves behind that, into the open one, which is read last. A record that was read before it
changed is thus seen twice, with two contents; what its leaving may have hidden is asked for again by the next run (L3).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from typing import Any

from pipelines.extract.job import Job
from pipelines.extract.pages import Tally
from pipelines.extract.request import filled
from pipelines.extract.source import Page, pages
from pipelines.extract.span import Axis, Span
from pipelines.extract.windows import FEWEST_PAGES, WindowedRead
from pipelines.mapping.language import Windows

WINDOWS_PER_CALL_IN_FLIGHT = 5


def read_of(
    job: Job, bookmark: str | None, take: Callable[[Page, int | None], bool], served: Callable[[], int]
) -> WindowedRead:
    """The read of an entity's list, as its mapping says; arguments as of `WindowedRead`."""
    windows = job.entity.extract.windows
    if windows is None or not windows.rising or job.limit is not None:
        return WindowedRead(job, bookmark, take, served)
    return RisingRead(job, bookmark, take, served, windows=windows)


class RisingRead(WindowedRead):
    """One read of a list whose mapping says `rising`; its windows are found while it is read."""

    def __init__(self, *read: Any, windows: Windows) -> None:
        super().__init__(*read)
        self._rising, self._most_records = Axis(self._job, self._extract, windows), windows.most
        self._most_windows = WINDOWS_PER_CALL_IN_FLIGHT * self._at_once
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: set[Future[None]] = set()

    def shows_movement(self, tally: Tally) -> bool:
        """Whether a record was seen to change, so that others may have been passed over."""
        return (self.pages > 1 and tally.edited > 0) if self._is_split else super().shows_movement(tally)

    def may_have_moved(self, tally: Tally) -> bool:
        """New changes come at the end of the list, and move nothing that is before it."""
        del tally
        return False

    def _read_windows(self) -> None:
        with ThreadPoolExecutor(self._at_once, thread_name_prefix=f"window-{self._job.name}") as pool:
            self._pool = pool
            self._begin([Span()])
            try:
                while self._has_waited():
                    pass
            except BaseException:
                self._stop.set()
                raise
        self._pool = None
        if self._is_split and not self._stop.is_set():
            self._window(Span(self._rising.latest()))

    def _begin(self, spans: list[Span]) -> None:
        if self._pool is not None:
            self._under_way |= {self._pool.submit(self._window, span) for span in spans}

    def _has_waited(self) -> bool:
        """Waits for windows that are under way; False where there is none left."""
        with self._lock:
            under_way = set(self._under_way)
        done = wait(under_way, return_when=FIRST_COMPLETED).done if under_way else set()
        with self._lock:
            self._under_way -= done
        for future in done:
            future.result()
        return bool(under_way)

    def _window(self, span: Span) -> None:
        """Reads a window, in several streams where one may not serve so many records."""
        left: Span | None = span
        while left is not None and not self._stop.is_set():
            with self._lock:
                self.windows += 1
            left = self._stream(left)

    def _stream(self, span: Span) -> Span | None:
        """Reads a window from its beginning; what is left of it where the stream may not go on."""
        job, before, splits, taken = self._job, None, 0, 0
        job.wire.purpose.name = job.name
        request = filled(self._extract, job.entity, self._bookmark, self._rising.ends(span))
        paginator = self._paginator(request, span)
        with closing(pages(job.wire, job.name, request, paginator)) as stream:
            for count, page in enumerate(stream, 1):
                at = self._rising.check_order(span, before, page)
                before, taken = page, taken + page.records
                if not self._go_on(page, paginator) or self._rising.is_past(span, at):
                    return None
                if not paginator.has_next_page or at is None:
                    continue
                if self._most_records is not None and taken + page.records > self._most_records:
                    return self._left(span, at)
                if count >= FEWEST_PAGES * 2**splits and (nearer := self._shared(span, at, count)) is not None:
                    span, splits = nearer, splits + 1
        with self._lock:
            self.broken_off = self.broken_off or paginator.broken_off
        return None

    def _left(self, span: Span, at: int) -> Span | None:
        """What of a window a new stream must read; one that ends at the time it began with cannot be read."""
        self._overlaps, start = True, at - self._rising.overlap
        if span.start is None or start > span.start:
            return replace(span, start=start)
        with self._lock:
            self.broken_off = True
        return None

    def _shared(self, span: Span, at: int, count: int) -> Span | None:
        """The part of a window that is kept, where other threads have nothing to do and begin with its other parts.

        Into no more parts than pages were read: each costs a call or two, and may be empty.
        """
        high = self._rising.latest() if span.end is None else span.end
        with self._lock:
            idle = min(self._at_once - len(self._under_way), self._most_windows - self.windows)
            parts = min(idle + 1, high - at, count)
            if parts < 2 or self._pool is None:
                return None
            self._is_split = True
            borders = [at + (high - at) * k // parts for k in range(1, parts)]
            self._begin([Span(*ends, span.depth + 1) for ends in pairwise([*borders, high])])
        return replace(span, end=borders[0])
