"""Progress while a run goes on: a counter per resource on a terminal, or a small file for whoever started the run."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

TELL_SECONDS = 0.5


class Progress(Protocol):
    """Told how many records of a resource have come in so far; total is None where the CRM does not say."""

    def __call__(self, name: str, done: int, total: int | None = None) -> None: ...


def _silent(name: str, done: int, total: int | None = None) -> None:
    del name, done, total


@contextmanager
def progress(*, quiet: bool) -> Iterator[Progress]:
    """Gives the callback that stages report to. Nothing is drawn when quiet or without a terminal."""
    if _told.path is not None:
        yield _told.count
        return
    if quiet or not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns: list[Any] = [
        TextColumn("{task.description:<28}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:>9,.0f}"),
        TextColumn("{task.fields[rate]:>9,.0f}/s"),
        TimeElapsedColumn(),
    ]
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bars(bars)


class _Bars:
    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._tasks: dict[str, tuple[Any, float]] = {}

    def __call__(self, name: str, done: int, total: int | None = None) -> None:
        if name not in self._tasks:
            self._tasks[name] = (self._bars.add_task(name, total=total, rate=0), time.monotonic())
        task, started = self._tasks[name]
        rate = done / max(time.monotonic() - started, 1e-6)
        self._bars.update(task, completed=done, total=total, rate=rate)


class _Told:
    """The file that `CROSSWALK_PROGRESS_FILE` names: {"stage", "counts": {name: [done, total]}}, always whole."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._said: dict[str, Any] = {"stage": None, "counts": {}}
        self._written = 0.0
        self._lock = threading.Lock()

    def stage(self, name: str) -> None:
        """A stage begins."""
        with self._lock:
            self._said["stage"] = name
            self._write()

    def count(self, name: str, done: int, total: int | None = None) -> None:
        """So many records of a resource have come in."""
        with self._lock:
            self._said["counts"][name] = [done, total]
            if time.monotonic() - self._written >= TELL_SECONDS:
                self._write()

    def _write(self) -> None:
        if self.path is None:
            return
        fresh = self.path.with_name(f"{self.path.name}.new")
        try:
            fresh.write_text(json.dumps(self._said), encoding="utf-8")
            fresh.replace(self.path)
        except OSError:
            self.path = None  # whoever wanted to know is gone; the run goes on
        self._written = time.monotonic()


_told = _Told(Path(os.environ["CROSSWALK_PROGRESS_FILE"]) if os.environ.get("CROSSWALK_PROGRESS_FILE") else None)


def tell_stage(name: str) -> None:
    """Says which stage begins, to whoever started this run and watches it."""
    _told.stage(name)
