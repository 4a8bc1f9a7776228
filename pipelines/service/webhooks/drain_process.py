"""The drainer in a process of its own: taking webhooks in costs processor time that who calls should not wait for.

It is started by the first webhook, ends when nothing has come for some minutes, and dies with the service, whose end
closes its standard input. What it leaves waits in the inbox.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.connections.project import find_project
from pipelines.service.unified.freshness import unify_soon
from pipelines.service.webhooks import inbox

if TYPE_CHECKING:
    from pipelines.service.context import Context

IDLE_SECONDS = 300.0
LOOK_SECONDS = 2.0


class DrainProcess:
    """The process as the service sees it: as long as something waits, one is at work."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._process: subprocess.Popen[bytes] | None = None
        self._news, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhook-drain", daemon=True)

    def start(self) -> None:
        """Begins with what an earlier service left."""
        if inbox.waiting(self._context.store):
            self._news.set()
        self._thread.start()

    def stop(self) -> None:
        """Ends after the batch at hand."""
        self._ending.set()
        self._news.set()
        self._thread.join(10)
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def wake(self) -> None:
        """Something is there."""
        self._news.set()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._news.wait()
            self._news.clear()
            if self._ending.is_set():
                return
            if self._process is None or self._process.poll() is not None:
                self._begin()
            self._ending.wait(LOOK_SECONDS)
            if self._process is not None and self._process.poll() is not None and inbox.waiting(self._context.store):
                self._news.set()  # it died at its work

    def _begin(self) -> None:
        from pipelines.service.jobs.kinds import environment_of

        context = self._context
        words = [sys.executable, "-m", __name__, "--data-dir", str(context.data_dir)]
        words += ["--sandbox"] if context.sandbox is not None else []
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment_of(context),
            cwd=context.project.root,
        )  # fmt: skip


def main() -> None:
    """The process itself: until its standard input is closed, or nothing has come for minutes."""
    from pipelines.connections.resolve import SANDBOX_OWNER
    from pipelines.sandbox.handle import find
    from pipelines.service.context import open_context
    from pipelines.service.webhooks.draining import Drainer

    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--sandbox", action="store_true")
    said = parser.parse_args()
    os.nice(10)  # calls come first
    project = find_project(data_dir=said.data_dir)
    sandbox = find(project.data_dir / SANDBOX_OWNER) if said.sandbox else None
    context = open_context(project, os.environ, sandbox)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    ended = threading.Event()
    threading.Thread(target=_watch, args=(ended,), daemon=True).start()
    with context.redactor.in_all_logs():
        drainer = Drainer(context, context.connections, lambda *taken: unify_soon(context, *taken))
        _until(ended, context, drainer.drain)
    context.store.close()


def _watch(ended: threading.Event) -> None:
    sys.stdin.buffer.read()  # comes back when the service closes it, or has died
    ended.set()


def _until(ended: threading.Event, context: Context, drain: Callable[[], int]) -> None:
    last = time.monotonic()
    while not ended.is_set() and time.monotonic() - last < IDLE_SECONDS:
        began = time.monotonic()
        if inbox.waiting(context.store):
            last = began
            try:
                drain()
            except Exception:
                logging.getLogger("crosswalk.service").exception("webhooks could not be taken in; they wait")
        ended.wait(max(1.0, min(time.monotonic() - began, 10.0)))


if __name__ == "__main__":
    main()
