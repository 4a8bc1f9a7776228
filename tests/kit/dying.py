"""Ends a process with -9 at an instant of its own work, which is the same instant on any machine."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import duckdb

TOUCHES = frozenset(
    {
        "open", "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate",
        "shutil.copyfile", "sqlite3.connect",
    }
)  # fmt: skip


def watch(folder: str, do: Callable[[], None]) -> None:
    """Calls `do` before each SQL statement of DuckDB, and before each touch of a file in a folder.

    Args:
        folder: an absolute path; what happens to files elsewhere (imports, say) does not count.
        do: what to do.
    """

    def hear(event: str, given: tuple[Any, ...]) -> None:
        if event in TOUCHES and any(str(one).startswith(folder) for one in given):
            do()

    sys.addaudithook(hear)
    execute = duckdb.DuckDBPyConnection.execute

    def heard(con: Any, *given: Any, **named: Any) -> Any:
        do()
        return execute(con, *given, **named)

    duckdb.DuckDBPyConnection.execute = heard  # type: ignore[method-assign]


def arm(folder: str, steps: int, milliseconds: float = 0.0) -> None:
    """From here on this process lives for so many more steps (see `watch`), and for so many milliseconds after them."""
    left = steps

    def count() -> None:
        nonlocal left
        left -= 1
        if left == -1:
            _die(milliseconds / 1000)

    watch(folder, count)


def _die(seconds: float) -> None:
    if not seconds:
        os.kill(os.getpid(), signal.SIGKILL)
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL))
    timer.daemon = True
    timer.start()
