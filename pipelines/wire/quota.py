"""Long windows, such as a day's quota: counted in buckets, shared by processes, and outliving them.

A rolling day is covered by its hours: the sum over 24 whole buckets and the present one is never less than what any
sliding day holds. Calls are taken from the store in small leases, so that not every call asks it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from pipelines.mapping.language import Limit

BUCKETS = 24
LEASE_SHARE, LEASE_MOST = 0.002, 50


class WindowStore(Protocol):
    """Where the use of long windows is kept, for all processes."""

    def use(self, window: str, started_at: int, calls: int) -> int:
        """Adds calls (0 only asks; a negative number gives back) to a window begun at `started_at` (us); its use."""
        ...


class MemoryStore:
    """Keeps windows in this process alone."""

    def __init__(self) -> None:
        self._used: dict[str, tuple[int, int]] = {}

    def use(self, window: str, started_at: int, calls: int) -> int:
        """As the protocol says."""
        begun, used = self._used.get(window, (started_at, 0))
        if begun < started_at:
            begun, used = started_at, 0
        self._used[window] = (begun, used + calls)
        return used + calls


class Quota:
    """One long window."""

    def __init__(self, limit: Limit, store: WindowStore | None, *, now: Callable[[], float] = time.time) -> None:
        self.limit = limit
        self.allowed = max(1, int(limit.requests * (1 - limit.reserve)))
        self._store = store or MemoryStore()
        self._now = now
        self._bucket_seconds = limit.seconds / BUCKETS
        self._leased = 0
        self._lease_bucket = -1
        self._earlier = 0

    def take(self) -> float:
        """0 and one call is counted; or the seconds until the oldest bucket leaves the window."""
        bucket = int(self._now() // self._bucket_seconds)
        if bucket != self._lease_bucket:  # what is left of an old lease stays counted where it was taken: never too few
            self._leased, self._lease_bucket = 0, bucket
            self._earlier = sum(self._use(old, 0) for old in range(bucket - BUCKETS, bucket))
        if self._leased == 0:
            self._leased = self._lease(bucket)
        if self._leased == 0:
            return (bucket + 1) * self._bucket_seconds - self._now()
        self._leased -= 1
        return 0.0

    def _lease(self, bucket: int) -> int:
        wanted = max(1, min(LEASE_MOST, int(self.allowed * LEASE_SHARE)))
        excess = self._earlier + self._use(bucket, wanted) - self.allowed
        if excess <= 0:
            return wanted
        back = min(wanted, excess)
        self._use(bucket, -back)
        return wanted - back

    def _use(self, bucket: int, calls: int) -> int:
        slot = f"{self.limit.match or 'all'}/{self.limit.seconds:g}s/{bucket % (BUCKETS + 1)}"
        return self._store.use(slot, int(bucket * self._bucket_seconds * 1_000_000), calls)
