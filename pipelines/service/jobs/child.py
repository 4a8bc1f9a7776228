"""A job in a process of its own, which outlives this one: it holds a lock as long as it lives, and writes its report.

The lock (`flock` on a file that the child inherits open) tells a later service whether the process still works, without
trusting a number that another process may bear by then. What it prints is on disk, so the truth can be told by whoever
asks first.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRESS_VARIABLE = "CROSSWALK_PROGRESS_FILE"
BEHIND = 10
"""Niceness: requests come before syncs."""


@dataclass
class Child:
    """The process of one job, started by us or found at work. `folder` holds its files."""

    job_id: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self, command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> int:
        """Starts it; its id."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self._file("lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with self._file("out").open("wb") as out, self._file("err").open("wb") as err:
                self.process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=cwd, pass_fds=[lock],
                    env={**environment, PROGRESS_VARIABLE: str(self._file("progress"))}, start_new_session=True,
                )  # fmt: skip
            self._file("pid").write_text(str(self.process.pid))
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self.process.pid, BEHIND)
        finally:
            os.close(lock)  # from now on the child alone holds it
        return self.process.pid

    def lives(self) -> bool:
        """Whether the process is at work."""
        if self.process is not None:
            return self.process.poll() is None
        try:
            lock = os.open(self._file("lock"), os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(lock)
        return False

    def send(self, which: signal.Signals) -> None:
        """A signal to the process and all that it started."""
        pid = self.process.pid if self.process else self._pid()
        if pid is not None and self.lives():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, which)

    def progress(self) -> dict[str, Any] | None:
        """What the process last said of how far it is."""
        return _json(self._file("progress"))

    def report(self) -> dict[str, Any] | None:
        """What it printed at its end; None where it did not come so far."""
        return _json(self._file("out"))

    def errors(self, most: int = 2000) -> str:
        """The end of what it said besides."""
        try:
            return self._file("err").read_text(encoding="utf-8", errors="replace")[-most:].strip()
        except OSError:
            return ""

    @property
    def exit_code(self) -> int | None:
        """Its exit code where it is our child and has ended; negative: the signal that ended it."""
        return self.process.poll() if self.process else None

    def tidy(self) -> None:
        """Removes its files."""
        for kind in ("out", "err", "progress", "pid", "lock"):
            self._file(kind).unlink(missing_ok=True)

    def _pid(self) -> int | None:
        try:
            return int(self._file("pid").read_text())
        except (OSError, ValueError):
            return None

    def _file(self, kind: str) -> Path:
        return self.folder / f"{self.job_id}.{kind}"


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
