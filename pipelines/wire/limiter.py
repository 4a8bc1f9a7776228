"""Keeps the calls of one CRM account within its limits: extract's threads, push's tasks, other processes.

Each window is a log of its last calls, so that no sliding window ever holds more than the CRM allows. When the CRM
counted a call nobody tells: at some moment between its leaving and its answer. So a call has a place in a window from
when it left until its answer is there and the window's length has passed; whatever the network does between, the CRM
then never counts more of them. Once enough calls of a kind were answered, a call's way there is taken to be no longer
than what it took beyond the quickest of them, and its place is free the sooner by what that one took. That holds unless
calls suddenly get through faster than ever before by more than the margin. When the CRM says 'too many' all wait, then
the rate is halved and climbs back with every window that goes well.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pipelines.mapping.language import Limit
from pipelines.wire.quota import Quota, WindowStore

LONG = 1800.0
MARGIN = 0.03
SURE = 8
KINDS_MOST = 500
BURST = 0.8
SLOWEST = 0.05
LOOK_AGAIN = 0.02
DIGIT = re.compile(r"\d")


class QuotaExhausted(Exception):  # noqa: N818 - a state, not a fault
    """A long window (a day's quota) is used up. `seconds` until some of it is free again."""

    def __init__(self, requests: int, window: float, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(
            f"the quota of {requests} calls in {window / 3600:g} hours is used up; free again in {seconds:.0f} seconds"
        )


@dataclass
class Sent:
    """A call that was counted: when it left, its kind, and how long until its answer was there (s); None: it is not."""

    at: float
    kind: str
    took: float | None = None


class _Answers:
    """What calls of each kind took at least."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[int, float]] = {}

    def note(self, kind: str, took: float) -> None:
        if len(self._kinds) >= KINDS_MOST:  # paths that differ by words, such as addresses: none of them is sure
            self._kinds.clear()
        times, quickest = self._kinds.get(kind, (0, took))
        self._kinds[kind] = times + 1, min(quickest, took)

    def late(self, call: Sent) -> float:
        """By how much later than the quickest of its kind a call may have been counted."""
        if call.took is None:
            return math.inf
        times, quickest = self._kinds.get(call.kind, (0, 0.0))
        return call.took - quickest if times >= SURE else call.took


@dataclass
class _Window:
    """A short window: its last calls."""

    limit: Limit
    allowed: int
    pattern: re.Pattern[str] | None
    calls: list[Sent] = field(default_factory=list)
    closed_until: float = 0.0

    def wait(self, now: float, share: float, answers: _Answers) -> float:
        """Seconds until a call is allowed; the last fifth of a window is spread out."""
        if self.closed_until > now:
            return self.closed_until - now
        length = self.limit.seconds * (1 + MARGIN)
        self.calls = [call for call in self.calls if call.took is None or call.at + call.took + length > now]
        ends = sorted(end for call in self.calls if (end := call.at + length + answers.late(call)) > now)
        allowed = max(1, int(self.allowed * share))
        if len(ends) >= allowed:
            return LOOK_AGAIN if ends[-allowed] == math.inf else ends[-allowed] - now
        if len(ends) >= allowed * BURST and allowed > 1:
            gap = self.limit.seconds / allowed * 0.9
            return max(0.0, self.calls[-1].at + gap - now)
        return 0.0


class Limiter:
    """One per CRM account and process; safe for threads and tasks together.

    Args:
        limits: the mapping's `limits`; none means no limit but for what the CRM says itself.
        store: where long windows are counted for all processes; None keeps them in this process.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        limits: Sequence[Limit],
        store: WindowStore | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows = [_window(limit) for limit in limits if limit.seconds < LONG]
        self._quotas = [(_pattern(limit), Quota(limit, store)) for limit in limits if limit.seconds >= LONG]
        self._share = 1.0
        self._good = 0
        self._closed_until = 0.0
        self._answers = _Answers()
        self.calls = 0

    def take(self, method: str, path: str) -> Sent | float:
        """The call, counted, to be made at once and then told of in `answered`; or the seconds until to ask again.

        Raises:
            QuotaExhausted: a long window is used up; waiting for it would take too long.
        """
        call = f"{method.upper()} {path}"
        with self._lock:
            now = self._clock()
            if self._closed_until > now:
                return self._closed_until - now
            windows = [w for w in self._windows if w.pattern is None or w.pattern.search(call)]
            seconds = max((w.wait(now, self._share, self._answers) for w in windows), default=0.0)
            if seconds > 0:
                return float(seconds)
            for pattern, quota in self._quotas:
                if pattern is None or pattern.search(call):
                    free_in = quota.take()
                    if free_in > 0:
                        raise QuotaExhausted(quota.allowed, quota.limit.seconds, free_in)
            sent = Sent(now, _kind(call))
            for window in windows:
                window.calls.append(sent)
            self.calls += 1
            return sent

    def counted_by(self, method: str, path: str) -> tuple[int, ...]:
        """Which short windows count a call: calls that have the same may stand in one line."""
        call = f"{method.upper()} {path}"
        return tuple(n for n, w in enumerate(self._windows) if w.pattern is None or w.pattern.search(call))

    def answered(self, sent: Sent, *, is_typical: bool = True) -> None:
        """A call of `take` is over.

        Args:
            sent: the call.
            is_typical: false: it failed or was refused, which tells nothing of how long others are on their way.
        """
        with self._lock:
            sent.took = self._clock() - sent.at
            if is_typical:
                self._answers.note(sent.kind, sent.took)

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


def _kind(call: str) -> str:
    """The call without the ids in its path."""
    return "/".join("#" if DIGIT.search(part) else part for part in call.split("/"))


def _pattern(limit: Limit) -> re.Pattern[str] | None:
    return re.compile(limit.match) if limit.match else None


def allowed_of(limit: Limit) -> int:
    """Calls of a window that are ours, after its reserve; at least one."""
    return max(1, int(limit.requests * (1 - limit.reserve)))


def _window(limit: Limit) -> _Window:
    return _Window(limit, allowed_of(limit), _pattern(limit))
