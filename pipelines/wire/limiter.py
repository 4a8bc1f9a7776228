"""Keeps the calls of one CRM account within its limits: extract's threads, push's tasks, other processes.

Each window is a log of its last calls, so that no sliding window ever holds more than the CRM allows. Calls may reach
the CRM closer together than they left here, so a call counts somewhat longer than the window; once it was answered, by
as much as it took longer than the quickest of its kind, for it cannot have been on its way any longer than that. When
the CRM says 'too many' all wait, then the rate is halved and climbs back with every window that goes well.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pipelines.mapping.language import Limit
from pipelines.wire.quota import Quota, WindowStore

LONG = 1800.0
JITTER_SHARE, JITTER_MOST = 0.08, 0.5
SEEN_SHARE, SEEN_SHARE_MOST, SEEN_SHARE_EVER, SEEN_MOST = 0.015, 0.1, 0.4, 2.0
BURST = 0.8
SLOWEST = 0.05
NUMBERS = re.compile(r"\d+")


class QuotaExhausted(Exception):  # noqa: N818 - a state, not a fault
    """A long window (a day's quota) is used up. `seconds` until some of it is free again."""

    def __init__(self, requests: int, window: float, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(
            f"the quota of {requests} calls in {window / 3600:g} hours is used up; free again in {seconds:.0f} seconds"
        )


@dataclass
class Sent:
    """A call that was counted: when it left, its kind, and what it took until its answer came (s)."""

    at: float
    kind: str
    took: float | None = None

    def counts_until(self, seconds: float, quickest: dict[str, float], most: float) -> float:
        """When it surely left a window of that length.

        Args:
            seconds: the window's.
            quickest: what calls of each kind took at least.
            most: share of the window that lateness may cost.
        """
        late = min(seconds * JITTER_SHARE, JITTER_MOST)
        if self.took is not None:
            seen = self.took - quickest.get(self.kind, self.took) + seconds * SEEN_SHARE
            late = min(seen, seconds * most, SEEN_MOST)
        return self.at + seconds + late


@dataclass
class _Window:
    """A short window: its last calls."""

    limit: Limit
    allowed: int
    pattern: re.Pattern[str] | None
    calls: deque[Sent] = field(default_factory=deque)
    closed_until: float = 0.0

    def wait(self, now: float, share: float, quickest: dict[str, float], most: float) -> float:
        """Seconds until a call is allowed; the last fifth of a window is spread out."""
        if self.closed_until > now:
            return self.closed_until - now
        seconds = self.limit.seconds
        while self.calls and self.calls[0].at + seconds + SEEN_MOST <= now:
            self.calls.popleft()
        ends = sorted(end for call in self.calls if (end := call.counts_until(seconds, quickest, most)) > now)
        allowed = max(1, int(self.allowed * share))
        if len(ends) >= allowed:
            return ends[-allowed] - now
        if len(ends) >= allowed * BURST and allowed > 1:
            gap = seconds / allowed * 0.9
            return max(0.0, self.calls[-1].at + gap - now)
        return 0.0


class Limiter:
    """One per CRM account and process; safe for threads and tasks together.

    Args:
        limits: the mapping's `limits`; none means no limit but for what the CRM says itself.
        store: where long windows are counted for all processes; None keeps them in this process.
        clock: monotonic seconds.
        sleep: how a thread waits.
    """

    def __init__(
        self, limits: Sequence[Limit], store: WindowStore | None = None, *,
        clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._clock, self.sleep = clock, sleep
        self._lock = threading.Lock()
        self._windows = [_window(limit) for limit in limits if limit.seconds < LONG]
        self._quotas = [(_pattern(limit), Quota(limit, store)) for limit in limits if limit.seconds >= LONG]
        self._share = 1.0
        self._good = 0
        self._closed_until = 0.0
        self._quickest: dict[str, float] = {}
        self._most_late = SEEN_SHARE_MOST
        self.calls = 0

    def acquire(self, method: str, path: str) -> None:
        """Waits until the call may be made, and counts it.

        Raises:
            QuotaExhausted: a long window is used up; waiting for it would take too long.
        """
        while isinstance(seconds := self.take(method, path), float):
            self.sleep(seconds)

    async def acquire_async(self, method: str, path: str) -> None:
        """As `acquire`, for tasks."""
        while isinstance(seconds := self.take(method, path), float):
            await asyncio.sleep(seconds)

    def take(self, method: str, path: str) -> Sent | float:
        """The call, counted, to be made at once; or the seconds to wait before asking again.

        Raises:
            QuotaExhausted: a long window is used up; waiting for it would take too long.
        """
        call = f"{method.upper()} {path}"
        with self._lock:
            now = self._clock()
            if self._closed_until > now:
                return self._closed_until - now
            windows = [w for w in self._windows if w.pattern is None or w.pattern.search(call)]
            seconds = max((w.wait(now, self._share, self._quickest, self._most_late) for w in windows), default=0.0)
            if seconds > 0:
                return float(seconds)
            for pattern, quota in self._quotas:
                if pattern is None or pattern.search(call):
                    free_in = quota.take()
                    if free_in > 0:
                        raise QuotaExhausted(quota.allowed, quota.limit.seconds, free_in)
            sent = Sent(now, NUMBERS.sub("#", call))
            for window in windows:
                window.calls.append(sent)
            self.calls += 1
            return sent

    def answered(self, sent: Sent) -> None:
        """A call of `take` was answered: what it took longer than others of its kind bounds how late it arrived."""
        with self._lock:
            sent.took = self._clock() - sent.at
            self._quickest[sent.kind] = min(sent.took, self._quickest.get(sent.kind, sent.took))

    def throttled(self, retry_after: float | None = None, method: str = "", path: str = "") -> None:
        """The CRM said 'too many': all wait, and then go at half the rate.

        A call that has a limit of its own closes that alone: others, such as reads beside writes, go on. Should it have
        been the common limit after all, they will hear so themselves.

        Args:
            retry_after: seconds the CRM asked for; default: the longest of the short windows.
            method, path: the call that was refused.
        """
        with self._lock:
            now = self._clock()
            call = f"{method.upper()} {path}"
            narrow = [w for w in self._windows if path and w.pattern is not None and w.pattern.search(call)]
            for window in narrow:
                pause = retry_after if retry_after is not None else window.limit.seconds
                window.closed_until = max(window.closed_until, now + pause)
            if narrow:
                return
            pause = retry_after if retry_after is not None else max((w.limit.seconds for w in self._windows), default=1)
            already_waiting = self._closed_until > now
            self._closed_until = max(self._closed_until, now + pause)
            if not already_waiting:  # calls in flight together report one and the same excess
                self._share = max(SLOWEST, self._share / 2)
                self._most_late = min(SEEN_SHARE_EVER, self._most_late * 2)
            self._good = 0

    def succeeded(self) -> None:
        """A call went through: after a window's worth of them the rate climbs by a tenth."""
        with self._lock:
            if self._share >= 1.0:
                return
            self._good += 1
            smallest = min((w.allowed for w in self._windows), default=10)
            if self._good >= max(1, int(smallest * self._share)):
                self._share, self._good = min(1.0, self._share + 0.1), 0

    @property
    def share(self) -> float:
        """Part of the stated rate that is used now: 1.0 unless the CRM has throttled."""
        return self._share


def _pattern(limit: Limit) -> re.Pattern[str] | None:
    return re.compile(limit.match) if limit.match else None


def allowed_of(limit: Limit) -> int:
    """Calls of a window that are ours, after its reserve; at least one."""
    return max(1, int(limit.requests * (1 - limit.reserve)))


def _window(limit: Limit) -> _Window:
    return _Window(limit, allowed_of(limit), _pattern(limit))
