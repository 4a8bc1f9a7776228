"""Faults that can be switched on for one CRM: what real CRMs and the networks before them do.

latency       waits `seconds` before the work
error         answers `status` instead of doing the work
drop          closes the connection instead of doing the work
throttle      answers the CRM's own "too many requests", with `retry_after` seconds
expire        withdraws every token first, so that this call is refused
answer        sends `body` with `status` and `media_type` instead of doing the work: whatever a test needs to see
html          sends an HTML page with status 200 instead of doing the work
truncate      does the work, sends the first half of the body as if it were all
repeat        does the work, sends the first record of the page twice
empty         does the work, sends the page without its records
cut           does the work, sends the first half of the promised body and closes the connection
lost          does the work and closes the connection without an answer
lost_error    does the work and answers `status`
change        does the work, then somebody edits `records` records: they change while they are being read
remove        does the work, then somebody deletes `records` of the first records: later pages move up
insert        does the work, then somebody adds `records` records
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any

BEFORE = ("latency", "error", "drop", "throttle", "expire", "answer", "html")
AFTER = ("repeat", "empty", "truncate", "cut", "lost", "lost_error", "change", "remove", "insert")


@dataclass(slots=True)
class Fault:
    """One fault.

    Attributes:
        kind: one of the kinds above.
        method, path: which calls it strikes; both patterns with `*`, the path without the CRM's mount.
        probability: the share of those calls it strikes.
        after: so many calls go through before it may strike.
        count: it strikes so often and then no more; None for ever.
        seed: makes the probability repeatable.
        seconds, status, retry_after, records, body, media_type: what the kind needs.
    """

    kind: str
    method: str = "*"
    path: str = "*"
    probability: float = 1.0
    after: int = 0
    count: int | None = None
    seed: int = 0
    seconds: float = 0.0
    status: int = 503
    retry_after: int = 1
    records: int = 1
    body: str = ""
    media_type: str = "application/json"
    struck: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in BEFORE + AFTER:
            raise ValueError(f"unknown fault {self.kind!r}; there are {', '.join(BEFORE + AFTER)}")
        self._random = random.Random(self.seed)

    def strikes(self, method: str, path: str) -> bool:
        """Says whether the fault strikes this call, and counts it."""
        if not (fnmatchcase(method, self.method) and fnmatchcase(path, self.path)):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.count is not None and self.struck >= self.count:
            return False
        if self._random.random() >= self.probability:
            return False
        self.struck += 1
        return True

    def draw(self) -> random.Random:
        """Returns the fault's own dice."""
        return self._random

    def as_dict(self) -> dict[str, Any]:
        """Returns the fault as the admin endpoint shows it."""
        return {f.name: getattr(self, f.name) for f in fields(self) if not f.name.startswith("_")}


class Faults:
    """The faults that are switched on for one CRM."""

    def __init__(self) -> None:
        self._active: list[Fault] = []

    def add(self, kind: str, **settings: Any) -> Fault:
        """Switches a fault on. Raises ValueError on an unknown kind, TypeError on an unknown setting."""
        fault = Fault(kind, **settings)
        self._active.append(fault)
        return fault

    def clear(self) -> None:
        """Switches all faults off."""
        self._active.clear()

    def all(self) -> list[Fault]:
        """Returns the faults that are switched on."""
        return list(self._active)

    def striking(self, method: str, path: str) -> list[Fault]:
        """Returns the faults that strike this call."""
        return [fault for fault in self._active if fault.strikes(method, path)]
