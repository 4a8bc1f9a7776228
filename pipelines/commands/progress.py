"""Progress while a run goes on: a counter per resource on a terminal, one line per finished resource elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class Progress(Protocol):
    """Told how many records of a resource have come in so far; total is None where the CRM does not say."""

    def __call__(self, name: str, done: int, total: int | None = None) -> None: ...


def _silent(name: str, done: int, total: int | None = None) -> None:
    del name, done, total


@contextmanager
def progress(*, quiet: bool) -> Iterator[Progress]:
    """Gives the callback that stages report to. Nothing is drawn when quiet or without a terminal."""
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
