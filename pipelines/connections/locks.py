"""Locks between processes that the kernel lets go of when their holder dies, and that say who holds them.

The lock is a `flock` on one file; a second file beside it says who took it. The second is only believed while the first
is held and its process lives, so that a note left behind by a killed process tells no lies.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from filelock import FileLock, Timeout

from pipelines.connections.owner import Owner

TAKING_IN = "taking in webhooks"
"""Purpose of a holder that is done in moments: a run that meets it waits instead of failing."""
_SAFE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")


@dataclass(frozen=True)
class Holder:
    """Who holds a lock. `since` is ISO 8601 in UTC; `started` tells processes that bear the same id apart."""

    pid: int
    host: str
    purpose: str
    since: str
    started: str

    def __str__(self) -> str:
        where = "" if self.host == socket.gethostname() else f" on {self.host}"
        return f"{self.purpose} (process {self.pid}{where}) since {self.since}"


class LockHeld(Exception):  # noqa: N818 - says a state: somebody else is at work
    """Somebody else holds the lock. `holder` is None in the moment before they have said who they are."""

    exit_code: ClassVar[int] = 4

    def __init__(self, name: str, owner: str, holder: Holder | None) -> None:
        self.name, self.owner, self.holder = name, owner, holder
        super().__init__(f"{name} of owner {owner} is locked by {holder or 'a process that has only just taken it'}")


@contextmanager
def lock(owner: Owner, name: str, purpose: str, *, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the lock `name` of an owner, such as `extract-north`, `push-north` or `warehouse`.

    Args:
        owner: whose lock; it lies in the owner's `locks/`.
        name: letters, digits, and . _ -
        purpose: what the holder does, for whoever is turned away: `crosswalk run north`.
        wait_seconds: how long to wait for another holder.

    Raises:
        LockHeld: somebody else holds it, this process's other threads included.
    """
    if not _SAFE.match(name):
        raise ValueError(f"lock {name!r}: use letters, digits, and . _ -")
    owner.locks_dir.mkdir(parents=True, exist_ok=True)
    held = FileLock(owner.locks_dir / f"{name}.lock", timeout=wait_seconds, thread_local=False)
    note = owner.locks_dir / f"{name}.json"
    try:
        held.acquire()
    except Timeout:
        raise LockHeld(name, owner.name, _holder(note)) from None
    try:
        _write(note, _this_process(purpose))
        yield
    finally:
        note.unlink(missing_ok=True)
        held.release()


def holder(owner: Owner, name: str) -> Holder | None:
    """Who holds the lock now; None if nobody does."""
    path = owner.locks_dir / f"{name}.lock"
    if not path.exists():
        return None
    try:
        with FileLock(path, timeout=0, thread_local=False):
            return None
    except Timeout:
        return _holder(owner.locks_dir / f"{name}.json")


def _this_process(purpose: str) -> Holder:
    since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Holder(os.getpid(), socket.gethostname(), purpose, since, _started(os.getpid()))


def _write(note: Path, who: Holder) -> None:
    fresh = note.with_suffix(f".{os.getpid()}.new")
    fresh.write_text(json.dumps(asdict(who)), encoding="utf-8")
    fresh.replace(note)


def _holder(note: Path) -> Holder | None:
    try:
        who = Holder(**json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    if who.host != socket.gethostname():
        return who
    return who if _lives(who) else None


def _lives(who: Holder) -> bool:
    try:
        os.kill(who.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return who.started == _started(who.pid)


def _started(pid: int) -> str:
    """Start time of a process in the kernel's own count; '' where the system does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
