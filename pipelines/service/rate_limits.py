"""Limits on callers: so many calls in a window, counted in memory and kept in the store.

A window begins with its first call. The counts are written every half second and at the end, so that a restart neither
forgives nor punishes anybody, and no call waits for the disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from pipelines.service.errors import too_many
from pipelines.state import rows
from pipelines.state.database import State, now_us
from pipelines.state.service_tables import rate_limits

FLUSH_SECONDS = 0.5
FORGET_SECONDS = 3600
MOST_KEYS = 100_000


@dataclass
class _Window:
    start: int
    count: int


class RateLimits:
    """Counts calls by key; safe from several threads."""

    def __init__(self, store: State, now: Callable[[], int] = now_us) -> None:
        self._store, self._now = store, now
        self._windows: dict[str, _Window] = {}
        self._changed: set[str] = set()
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._load()

    def _load(self) -> None:
        c = rate_limits.c
        recent = sa.select(c.key, c.window_start, c.count).where(
            c.window_start > self._now() - FORGET_SECONDS * 1_000_000
        )
        with self._store.read() as connection:
            self._windows = {key: _Window(start, count) for key, start, count in connection.execute(recent)}

    def check(self, key: str, limit: int, seconds: int, message: str) -> None:
        """Counts a call.

        Args:
            key: whose, and of what: `unified:<owner>`.
            limit: calls in a window.
            seconds: length of the window.
            message: for a caller past the limit.

        Raises:
            ServiceError: 429 with `Retry-After`; the call is not counted.
        """
        moment = self._now()
        with self._lock:
            window = self._windows.get(key)
            if window is None or moment - window.start >= seconds * 1_000_000:
                self._make_room(moment)
                window = self._windows[key] = _Window(moment, 0)
            if window.count >= limit:
                raise too_many(message, seconds - (moment - window.start) / 1_000_000)
            window.count += 1
            self._changed.add(key)

    def _make_room(self, moment: int) -> None:
        if len(self._windows) < MOST_KEYS:
            return
        old = moment - FORGET_SECONDS * 1_000_000
        self._windows = {k: w for k, w in self._windows.items() if w.start > old}

    def start(self) -> None:
        """Begins to write the counts down."""
        self._thread = threading.Thread(target=self._keep_writing, name="rate-limits", daemon=True)
        self._thread.start()

    def _keep_writing(self) -> None:
        while not self._ending.wait(FLUSH_SECONDS):
            self.flush()

    def flush(self) -> None:
        """Writes down what changed since the last time."""
        with self._lock:
            found = [(key, w.start, w.count) for key in self._changed if (w := self._windows.get(key))]
            self._changed.clear()
        if found:
            with self._store.write() as connection:
                rows.upsert(connection, rate_limits, found, ["key", "window_start", "count"])

    def stop(self) -> None:
        """Writes the last counts."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()
