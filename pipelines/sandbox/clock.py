"""The clock of one CRM: the time of the machine, shifted or stopped by a test."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """Tells the time to one CRM. Times are seconds since 1970."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Puts the clock back to the time of the machine."""
        self._shift = 0.0
        self._stopped: float | None = None

    def now(self) -> float:
        """Returns the CRM's time."""
        return self._stopped if self._stopped is not None else time.time() + self._shift

    def advance(self, seconds: float) -> None:
        """Moves the clock; a negative number makes a clock that is slow beside ours."""
        self._shift += seconds
        if self._stopped is not None:
            self._stopped += seconds

    def stop(self, at: float | None = None) -> None:
        """Stops the clock, so that whatever is written from now on bears one time."""
        self._stopped = self.now() if at is None else at

    def go(self) -> None:
        """Lets a stopped clock go on, at the time of the machine plus what it was shifted by."""
        self._stopped = None


def moment(seconds: float) -> datetime:
    """Returns a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def iso_seconds(seconds: float) -> str:
    """Writes a time as 2025-03-01T14:05:09Z."""
    return moment(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_millis(seconds: float) -> str:
    """Writes a time as 2025-03-01T14:05:09.123Z."""
    return moment(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_date(seconds: float) -> str:
    """Writes a day as 2025-03-01."""
    return moment(seconds).strftime("%Y-%m-%d")


def parse_time(text: str) -> float:
    """Reads an ISO 8601 time or day; without a zone it is UTC. Raises ValueError on anything else."""
    parsed = datetime.fromisoformat(text.strip().replace(" ", "T", 1) if "T" not in text else text.strip())
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
