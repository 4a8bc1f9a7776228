"""Limits on callers: so many calls in a window, counted in memory and kept in the store.

A window begins with its first call. The counts are written every half second and at the end, so that a restart neither
forgives nor punishes anybody, and no call waits for the disk.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from pipelines.service.errors import too_many
from pipelines.state import rows
from pipelines.state.database import State, now_us
from pipelines.state.service_tables import rate_limits

logger = logging.getLogger("crosswalk.service")
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
        c, old = rate_limits.c, self._now() - FORGET_SECONDS * 1_000_000
        with self._store.write() as connection:
            connection.execute(sa.delete(rate_limits).where(c.window_start <= old))
            found = connection.execute(sa.select(c.key, c.window_start, c.count))
            self._windows = {key: _Window(start, count) for key, start, count in found}

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
        """Forgets windows that are over, and where that is not enough the eldest tenth: nobody can fill the memory."""
        if len(self._windows) < MOST_KEYS:
            return
        old = moment - FORGET_SECONDS * 1_000_000
        recent = [(key, window) for key, window in self._windows.items() if window.start > old]
        self._windows = dict(recent[max(0, len(recent) - MOST_KEYS * 9 // 10) :])

    def start(self) -> None:
        """Begins to write the counts down."""
        self._thread = threading.Thread(target=self._keep_writing, name="rate-limits", daemon=True)
        self._thread.start()

    def _keep_writing(self) -> None:
        while not self._ending.wait(FLUSH_SECONDS):
            self.flush()

    def flush(self) -> None:
        """Writes down what changed since the last time; what cannot be written now is written the next time."""
        with self._lock:
            changed, self._changed = self._changed, set()
            found = [(key, w.start, w.count) for key in changed if (w := self._windows.get(key))]
        if not found:
            return
        try:
            with self._store.write() as connection:
                rows.upsert(connection, rate_limits, found, ["key", "window_start", "count"])
        except sa.exc.SQLAlchemyError:
            logger.warning("the counts of callers could not be written; they will be with the next ones")
            with self._lock:
                self._changed |= changed

    def stop(self) -> None:
        """Writes the last counts."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()
