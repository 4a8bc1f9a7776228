"""Runs jobs: one of an owner at a time, a few owners side by side; finds those again that an earlier service started.

One thread looks, twice a second or when woken: it starts what is due, notes how far the others are, and closes what has
ended. A job in a process of its own goes on when the service dies, and is taken up again; one that died is closed with
what it left.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.service.jobs import store
from pipelines.service.jobs.child import Child
from pipelines.service.jobs.kinds import COMMANDS, FUNCTIONS, command_of, environment_of
from pipelines.service.jobs.outcome import NO_REPORT, Outcome, outcome_of
from pipelines.service.jobs.store import Job
from pipelines.state.database import now_us

if TYPE_CHECKING:
    from pipelines.service.context import Context

logger = logging.getLogger("crosswalk.service")
LOOK_SECONDS = 0.5
BEAT_SECONDS = 5.0
ENDING = ((0.0, signal.SIGINT), (10.0, signal.SIGTERM), (20.0, signal.SIGKILL))
SECOND = 1_000_000


@dataclass
class _Work:
    """A job at work: a process, or a function in a thread."""

    job: Job
    child: Child | None = None
    future: Future[dict[str, Any]] | None = None
    progress: dict[str, Any] | None = None
    beaten: float = 0.0
    asked_to_end: float | None = None
    signals: int = 0


class Runner:
    """The jobs of one service. `on_end` is called with each job that ended, as it then is."""

    def __init__(self, context: Context, on_end: Callable[[Job], None]) -> None:
        self._context, self._on_end = context, on_end
        self._work: dict[str, _Work] = {}
        self._wake, self._ending = threading.Event(), threading.Event()
        self._ended = threading.Condition()
        self._pool = ThreadPoolExecutor(context.settings.jobs_at_once + 2, thread_name_prefix="job")
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    @property
    def folder(self) -> Path:
        """Where the processes' files lie."""
        return self._context.store.owner.root / "jobs"

    def start(self) -> None:
        """Takes up what an earlier service left, and begins."""
        self._recover()
        self._thread.start()

    def stop(self) -> None:
        """Ends; processes go on and are taken up at the next start."""
        self._ending.set()
        self._wake.set()
        self._thread.join(30)
        self._pool.shutdown(wait=True, cancel_futures=True)
        with self._ended:
            self._ended.notify_all()

    def wake(self) -> None:
        """Something was submitted."""
        self._wake.set()

    def wait(self, job_id: str, timeout: float) -> Job | None:
        """The job once it has ended; None where it goes on beyond `timeout` seconds, or the service ends."""
        until = time.monotonic() + timeout
        while True:
            job = store.get(self._context.store, job_id)
            if job is None or job.has_ended:
                return job
            left = until - time.monotonic()
            if left <= 0 or self._ending.is_set():
                return None
            with self._ended:
                self._ended.wait(min(left, LOOK_SECONDS))

    def cancel(self, job: Job) -> bool:
        """Cancels a job that waits, asks one that runs to end; False where it has ended already."""
        if store.cancel_waiting(self._context.store, job.job_id):
            return True
        is_running = store.ask_to_end(self._context.store, job.job_id)
        self.wake()
        return is_running

    def _recover(self) -> None:
        for job in store.listed(self._context.store, status=[store.RUNNING], limit=1000):
            if job.kind in COMMANDS:
                self._work[job.job_id] = _Work(job, Child(job.job_id, self.folder))
            else:  # a function bears being run again
                store.again(self._context.store, job.job_id, now_us(), result=None, error=NO_REPORT)
        for left in self.folder.glob("*.lock"):  # of jobs that were closed, but not tidied up after
            if left.stem not in self._work:
                Child(left.stem, self.folder).tidy()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._wake.clear()
            try:
                for work in list(self._work.values()):
                    self._look_after(work)
                self._start_due()
            except Exception:
                self._context.metrics.failures.labels("jobs").inc()
                logger.exception("jobs could not be looked after; the next look is in a moment")
                self._ending.wait(LOOK_SECONDS)
            self._wake.wait(LOOK_SECONDS)

    def _start_due(self) -> None:
        room = self._context.settings.jobs_at_once
        for job in store.due(self._context.store):
            busy = {work.job.owner for work in self._work.values() if work.child is not None}
            is_command = job.kind in COMMANDS
            if is_command and (job.owner in busy or len(busy) >= room):
                continue
            if job.kind not in COMMANDS and job.kind not in FUNCTIONS:
                continue  # another part of the service registers it later
            if store.claim(self._context.store, job.job_id):
                claimed = store.get(self._context.store, job.job_id)
                assert claimed is not None, "what was claimed is there"
                self._begin(claimed)

    def _begin(self, job: Job) -> None:
        work = self._work[job.job_id] = _Work(job)
        if job.kind in FUNCTIONS:
            work.future = self._pool.submit(FUNCTIONS[job.kind], self._context, job)
            work.future.add_done_callback(lambda _: self._wake.set())
            return
        work.child = Child(job.job_id, self.folder)
        try:
            pid = work.child.start(
                command_of(self._context, job), environment_of(self._context), self._context.project.root
            )
        except OSError as problem:
            self._close(work, Outcome(store.FAILED, None, f"could not be started: {problem.strerror}"))
            return
        store.note(self._context.store, job.job_id, pid=pid)

    def _look_after(self, work: _Work) -> None:
        if work.future is not None:
            if work.future.done():
                self._close(work, self._of_function(work))
            return
        child = work.child
        assert child is not None, "a job is a process or a function"
        if child.lives():
            self._go_on(work, child)
            return
        job = store.get(self._context.store, work.job.job_id) or work.job
        errors = self._context.redactor.text(child.errors())
        self._close(work, outcome_of(job, child.report(), child.exit_code, errors))
        child.tidy()

    def _of_function(self, work: _Work) -> Outcome:
        assert work.future is not None, "asked for a function's outcome"
        problem = work.future.exception()
        if problem is None:
            return Outcome(store.DONE, work.future.result(), None)
        said = self._context.redactor.text(problem) or type(problem).__name__
        logger.warning("job %s (%s) failed: %s", work.job.job_id, work.job.kind, said)
        retry = getattr(problem, "retry_in", None)
        return Outcome(store.FAILED, None, said[:4000], retry)

    def _go_on(self, work: _Work, child: Child) -> None:
        now = time.monotonic()
        progress = child.progress()
        if progress is not None and progress != work.progress:
            work.progress, work.beaten = progress, now
            store.note(self._context.store, work.job.job_id, progress=progress)
        elif now - work.beaten >= BEAT_SECONDS:
            work.beaten = now
            store.note(self._context.store, work.job.job_id)
        if work.asked_to_end is None:
            job = store.get(self._context.store, work.job.job_id)
            work.asked_to_end = now if job is not None and job.error == store.CANCELLING else None
        if work.asked_to_end is not None:
            self._end(work, child, now - work.asked_to_end)

    def _end(self, work: _Work, child: Child, since: float) -> None:
        """Asks first, and insists later."""
        for at, which in ENDING[work.signals :]:
            if since >= at:
                child.send(which)
                work.signals += 1

    def _close(self, work: _Work, outcome: Outcome) -> None:
        job_id = work.job.job_id
        if outcome.retry_in is not None:
            at = now_us() + outcome.retry_in * SECOND
            store.again(self._context.store, job_id, at, result=outcome.result, error=outcome.error)
        else:
            store.close(self._context.store, job_id, outcome.status, result=outcome.result, error=outcome.error)
        del self._work[job_id]
        with self._ended:
            self._ended.notify_all()
        ended = store.get(self._context.store, job_id)
        if ended is not None and work.job.kind in COMMANDS:
            self._tell(ended)

    def _tell(self, job: Job) -> None:
        try:
            self._on_end(job)
        except Exception:
            logger.exception("job %s ended, but what follows it failed", job.job_id)
