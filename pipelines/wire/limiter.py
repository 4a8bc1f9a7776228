"""Keeps the calls of one CRM account within its limits: extract's threads, push's tasks, other processes.

Each window is a log of its last calls, so that no sliding window ever holds more than the CRM allows; a call counts
somewhat longer than the window, because calls may reach the CRM closer together than they left here. When the CRM says
'too many' all wait, then the rate is halved and climbs back with every window that goes well.
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
BURST = 0.8
SLOWEST = 0.05


class QuotaExhausted(Exception):  # noqa: N818 - a state, not a fault
    """A long window (a day's quota) is used up. `seconds` until some of it is free again."""

    def __init__(self, requests: int, window: float, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(
            f"the quota of {requests} calls in {window / 3600:g} hours is used up; free again in {seconds:.0f} seconds"
        )


@dataclass
class _Window:
    """A short window: when its last calls were made."""

    limit: Limit
    allowed: int
    pattern: re.Pattern[str] | None
    calls: deque[float] = field(default_factory=deque)

    @property
    def length(self) -> float:
        return self.limit.seconds + min(self.limit.seconds * JITTER_SHARE, JITTER_MOST)

    def wait(self, now: float, share: float) -> float:
        """Seconds until a call is allowed; the last fifth of a window is spread out."""
        while self.calls and self.calls[0] <= now - self.length:
            self.calls.popleft()
        allowed = max(1, int(self.allowed * share))
        if len(self.calls) >= allowed:
            return self.calls[-allowed] + self.length - now
        if len(self.calls) >= allowed * BURST and allowed > 1:
            gap = self.limit.seconds / allowed * 0.9
            return max(0.0, self.calls[-1] + gap - now)
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
        self.calls = 0

    def acquire(self, method: str, path: str) -> None:
        """Waits until the call may be made, and counts it.

        Raises:
            QuotaExhausted: a long window is used up; waiting for it would take too long.
        """
        while (seconds := self.take(method, path)) > 0:
            self.sleep(seconds)

    async def acquire_async(self, method: str, path: str) -> None:
        """As `acquire`, for tasks."""
        while (seconds := self.take(method, path)) > 0:
            await asyncio.sleep(seconds)

    def take(self, method: str, path: str) -> float:
        """0 and the call is counted, to be made at once; or the seconds to wait before asking again.

        Raises:
            QuotaExhausted: a long window is used up; waiting for it would take too long.
        """
        call = f"{method.upper()} {path}"
        with self._lock:
            now = self._clock()
            if self._closed_until > now:
                return self._closed_until - now
            windows = [w for w in self._windows if w.pattern is None or w.pattern.search(call)]
            seconds = max((w.wait(now, self._share) for w in windows), default=0.0)
            if seconds > 0:
                return seconds
            for pattern, quota in self._quotas:
                if pattern is None or pattern.search(call):
                    free_in = quota.take()
                    if free_in > 0:
                        raise QuotaExhausted(quota.allowed, quota.limit.seconds, free_in)
            for window in windows:
                window.calls.append(now)
            self.calls += 1
            return 0.0

    def throttled(self, retry_after: float | None = None) -> None:
        """The CRM said 'too many': all wait, and then go at half the rate.

        Args:
            retry_after: seconds the CRM asked for; default: the longest of the short windows.
        """
        with self._lock:
            now = self._clock()
            pause = retry_after if retry_after is not None else max((w.limit.seconds for w in self._windows), default=1)
            already_waiting = self._closed_until > now
            self._closed_until = max(self._closed_until, now + pause)
            if not already_waiting:  # calls in flight together report one and the same excess
                self._share = max(SLOWEST, self._share / 2)
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
