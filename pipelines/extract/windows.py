"""A long read in windows of time or id, side by side, where the mapping says that the CRM filters both ends.

The first page says how many records there are. Where they are few, the read goes on; else it is given up for windows
that share the range between them, and a window that turns out to be long is split again. Windows of time end where the
run began. What changes meanwhile leaves its window and comes into the open one, which is read last: nothing is lost,
and records can only leave a closed window. That shows in its total, and it is read again (law L3). Windows rely neither
on the order of a list nor on whether a filter includes its ends.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from typing import Any

from pipelines.extract.job import Job
from pipelines.extract.pages import Tally
from pipelines.extract.request import filled
from pipelines.extract.source import Page, pages
from pipelines.extract.span import Axis, NotFiltered, Span
from pipelines.mapping.language import Extract
from pipelines.wire.names import build_paginator
from pipelines.wire.paginators import Paginator, compiled

FEWEST_PAGES = 4
PER_CALL_IN_FLIGHT = 4
DEEPEST = 4
AGAIN = 2


class WindowedRead:
    """One read of an entity's list; without windows it is one stream of pages.

    Args:
        job: whose entity.
        bookmark: from when on; None asks for everything.
        take: takes a page and the records there are in all, one call at a time; True: that is enough.
        served: how many different records were taken.

    Attributes:
        pages: pages that were taken; windows: that they were read in, those that were split included.
        broken_off: a stream could not be read to its end.
    """

    def __init__(
        self, job: Job, bookmark: str | None, take: Callable[[Page, int | None], bool], served: Callable[[], int]
    ) -> None:
        self._job, self._bookmark, self._take, self._served = job, bookmark, take, served
        self._extract = job.entity.extract
        windows = self._extract.windows if job.limit is None else None
        self._axis = Axis(job, self._extract, windows) if windows else None
        self._by_id = windows is not None and windows.by == "id"
        self._watched = compiled(windows.total_path) if windows and windows.total_path else None
        self._at_once = job.connection.wire.concurrency
        self._lock, self._stop = threading.Lock(), threading.Event()
        self.expected: int | None = None
        self.total: int | None = None
        self.pages = self.windows = self._open_pages = 0
        self.broken_off = self._is_blind = False
        self._is_split = self._has_moved = self._is_one_stream = False
        self._totals_hold = True
        self._overlaps = build_paginator(self._extract.paginator).overlaps

    def read(self) -> bool:
        """Takes all pages; False: `take` had enough.

        Raises:
            CrmError: the CRM refused, throttled or cannot be reached.
        """
        try:
            self._read_windows()
            if not (self._is_split and self._is_short()):
                return not self._stop.is_set()
        except NotFiltered:
            self._stop.clear()
        self._is_one_stream, self._has_moved, self._is_split, self._overlaps = True, False, False, True
        self._read(Span())
        return not self._stop.is_set()

    def shows_movement(self, tally: Tally) -> bool:
        """Whether records changed places between two pages, so that some may have been passed over."""
        if self._is_split:
            # an edit leaves a window of time, which is noticed there; it stays in a window of ids
            is_long = self._open_pages > 1 or self._by_id
            return self._has_moved or (is_long and tally.edited > 0)
        again = tally.edited if self._overlaps else tally.repeated
        return self.pages > 1 and (self._has_moved or again > 0)

    def may_have_moved(self, tally: Tally) -> bool:
        """Whether they could have without a sign of it; that is believed once a second read brings nothing else."""
        is_unsettled = self._axis is not None and self._axis.is_unsettled(tally.newest)
        return self._open_pages > 1 and (self._is_blind or is_unsettled) and bool(tally.new or tally.changed)

    def _read_windows(self) -> None:
        """The open window last, and it may be split in its turn."""
        last: Span | None = Span()
        while last is not None and not self._stop.is_set():
            parts = self._read(last)
            last = parts.pop() if parts else None
            self._side_by_side(parts)

    def _side_by_side(self, spans: Sequence[Span]) -> None:
        if not spans:
            return
        with ThreadPoolExecutor(self._at_once, thread_name_prefix=f"window-{self._job.name}") as pool:
            waiting: set[Future[list[Span]]] = {pool.submit(self._read, span) for span in spans}
            try:
                while waiting:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        waiting |= {pool.submit(self._read, part) for part in future.result()}
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _read(self, span: Span) -> list[Span]:
        """Reads one window, or gives back those that it is to be read in, because it is long or has moved."""
        job = self._job
        job.wire.purpose.name = job.name
        with self._lock:
            self.windows += 1
        request = filled(self._extract, job.entity, self._bookmark, self._axis.ends(span) if self._axis else None)
        paginator = self._paginator(request, span)
        count = taken = 0
        with closing(pages(job.wire, job.name, request, paginator)) as stream:
            for page in stream:
                count, taken = count + 1, taken + page.records
                if self._axis is not None:
                    self._axis.check(span, (page.first, page.last))
                if count == 1 and (parts := self._parts(span, page, paginator.records)):
                    self._is_split = True
                    return parts
                if self._stop.is_set() or not self._go_on(page, paginator):
                    return []
        if paginator.records is not None and taken < paginator.records:
            self._totals_hold = False
        return self._ended(span, paginator, count)

    def _go_on(self, page: Page, paginator: Paginator) -> bool:
        with self._lock:
            self.pages += 1
            if self._take(page, self.total if self._is_split else paginator.records):
                self._stop.set()
        return not self._stop.is_set()

    def _ended(self, span: Span, paginator: Paginator, count: int) -> list[Span]:
        if paginator.moved and span.end is not None and span.again < AGAIN:
            return [replace(span, again=span.again + 1)]
        with self._lock:
            self._has_moved = self._has_moved or paginator.moved
            self.broken_off = self.broken_off or paginator.broken_off
            if span.end is None:
                self._open_pages, self._is_blind = count, paginator.is_blind
        return []

    def _parts(self, span: Span, page: Page, records: int | None) -> list[Span]:
        """The windows of a read that is long: about as many pages each, if records are spread evenly."""
        is_one_stream = self._axis is None or self._is_one_stream or span.depth >= DEEPEST
        if self._axis is None or is_one_stream or records is None or not page.records:
            return []
        if span == Span():
            self.total = records
        of_all = math.ceil((self.total or records) / page.records)
        each = max(FEWEST_PAGES, math.ceil(of_all / (PER_CALL_IN_FLIGHT * self._at_once)))
        left = math.ceil((records - page.records) / page.records)
        if left < FEWEST_PAGES or (span.depth and left <= 2 * each):
            return []
        low, high = self._axis.range(span, page, records)
        count = min(math.ceil(left / each), PER_CALL_IN_FLIGHT * self._at_once, high - low)
        if count < 2:
            return []
        borders = [low + (high - low) * k // count for k in range(1, count)]
        parts = [Span(a, b, span.depth + 1) for a, b in pairwise([span.start, *borders, high])]
        return parts if span.end is not None else [*parts, Span(high, None, span.depth + 1)]

    def _is_short(self) -> bool:
        """Whether windows showed fewer records than there are: one without a time, say, is in none of them."""
        if self.total is None or not self._totals_hold or self._job.entity.only_with or self._stop.is_set():
            return False
        served = self._served()
        return served < self.total and served < min(self.total, self._total_now())

    def _total_now(self) -> int:
        request = filled(self._extract, self._job.entity, self._bookmark)
        paginator = self._paginator(request, Span())
        with closing(pages(self._job.wire, self._job.name, request, paginator)) as stream:
            next(stream, None)
        return paginator.records or 0

    def _paginator(self, request: Extract, span: Span) -> Paginator:
        made: Any = build_paginator(request.paginator)
        made.watched = self._watched
        if span == Span():
            made.expected = self.expected
        return made  # type: ignore[no-any-return]
