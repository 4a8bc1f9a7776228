"""Vendor limits, enforced when asked: so many calls in so many seconds."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `requests` calls in any `seconds`, for calls whose path (below the CRM's mount) fits `paths`.

    Attributes:
        name: what the vendor calls it; a CRM may show it in its answer.
        each_method: methods it counts, "" for all, e.g. "POST PUT".
    """

    requests: int
    seconds: float
    paths: str = "*"
    name: str = ""
    each_method: str = ""

    def covers(self, method: str, path: str) -> bool:
        """Says whether a call counts towards this limit."""
        return fnmatchcase(path, self.paths) and (not self.each_method or method in self.each_method.split())


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A limit that a call ran into, and the seconds until there is room again."""

    limit: Limit
    wait: float


class Limiter:
    """Counts calls in sliding windows, each caller by itself. A refused call does not count."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        self.limits = tuple(limits)
        self._seen: dict[tuple[int, str], deque[float]] = defaultdict(deque)

    def exceeded(self, caller: str, method: str, path: str, now: float | None = None) -> Exceeded | None:
        """Counts the call, or returns the limit it would break."""
        now = time.monotonic() if now is None else now
        windows = [
            (limit, self._seen[place, caller]) for place, limit in enumerate(self.limits) if limit.covers(method, path)
        ]
        for limit, seen in windows:
            while seen and seen[0] <= now - limit.seconds:
                seen.popleft()
            if len(seen) >= limit.requests:
                return Exceeded(limit, seen[0] + limit.seconds - now)
        for _, seen in windows:
            seen.append(now)
        return None

    def left(self, caller: str, limit: Limit) -> int:
        """Returns how many calls `caller` has left in the window of `limit`; some vendors say so in a header."""
        return limit.requests - len(self._seen[self.limits.index(limit), caller])

    def forget(self) -> None:
        """Empties every window."""
        self._seen.clear()
