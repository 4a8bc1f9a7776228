"""What works behind the requests: the inbox of webhooks and who empties it, jobs, schedules, alerts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pipelines.connections.owner import SERVICE_OWNER
from pipelines.service import alerts, audit, syncing
from pipelines.service.jobs import store as jobs_store
from pipelines.service.jobs.kinds import FORGET, REFRESH, SYNC, TIDY
from pipelines.service.jobs.runner import Runner
from pipelines.service.jobs.store import Job
from pipelines.service.schedules import Scheduler
from pipelines.service.unified.freshness import unify_soon
from pipelines.service.webhooks import inbox
from pipelines.service.webhooks.drain_process import DrainProcess
from pipelines.service.webhooks.draining import Drainer
from pipelines.service.webhooks.inbox import Inbox
from pipelines.state import set_aside
from pipelines.state.database import now_us

if TYPE_CHECKING:
    from pipelines.service.context import Context

DAY, TIDY_AFTER = 86_400_000_000, 600_000_000
logger = logging.getLogger("crosswalk.service")


class Background:
    """The workers of one service; there is one of it while the service runs: `context.background`.

    Attributes:
        inbox: what arrives; jobs: what runs.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.jobs = Runner(context, self._job_ended)
        self._drainer: Drainer | DrainProcess = DrainProcess(context)
        if context.settings.webhook_worker == "thread":
            self._drainer = Drainer(context, context.connections, self.changed)
        self.inbox = Inbox(context.store, self._drainer.wake)
        self._scheduler = Scheduler(context, self.jobs.wake, self._now_and_then)

    def start(self) -> None:
        """Begins; what an earlier service left is taken up."""
        alerts.register()
        self.context.background = self
        self._watch()
        for worker in (self.inbox, self._drainer, self.jobs, self._scheduler):
            worker.start()

    def stop(self) -> None:
        """Ends in an order that loses nothing: no new work, then what arrived is written."""
        for worker in (self._scheduler, self.inbox, self._drainer, self.jobs):
            worker.stop()
        self.context.background = None

    def changed(self, owner: str, connection: str, needs_reading: bool) -> None:
        """Something came in by itself; see `freshness.unify_soon`."""
        unify_soon(self.context, owner, connection, needs_reading)
        self.jobs.wake()

    def take_in(self) -> None:
        """Webhooks wait that nobody has just sent: those that are tried again."""
        self._drainer.wake()

    def _now_and_then(self) -> None:
        set_aside.try_due(self.context.store)
        if inbox.waiting(self.context.store):
            self.take_in()
        self._once_a_day()

    def _once_a_day(self) -> None:
        """What is no longer needed goes, in a process of its own."""
        last = jobs_store.listed(self.context.store, SERVICE_OWNER, kind=TIDY, limit=1)
        if not last or last[0].created_at < now_us() - DAY:
            with self.context.store.write() as store:
                jobs_store.add(store, SERVICE_OWNER, TIDY, [], {"scheduled": True}, next_at=now_us() + TIDY_AFTER)

    def _job_ended(self, job: Job) -> None:
        kind = "sync" if job.kind in (SYNC, REFRESH) else job.kind
        if job.status in (jobs_store.FAILED, jobs_store.INTERRUPTED) or job.error:
            self.context.metrics.failures.labels(kind).inc()
        for row in (job.result or {}).get("rows", []):
            for metric, value in row.items():
                if isinstance(value, int):
                    self.context.metrics.records.labels(str(row.get("stage")), metric).inc(value)
        if job.kind == FORGET:
            jobs_store.forget_params(self.context.store, job.job_id)
        if job.is_scheduled:
            audit.note(self.context, job.owner, "schedule", job.kind, connection=",".join(job.connections) or None)
        if job.owner != SERVICE_OWNER:
            syncing.after_job(self.context, job)
            alerts.after_job(self.context, job)

    def _watch(self) -> None:
        store = self.context.store
        self.context.metrics.ask(
            "crosswalk_jobs", "Jobs that wait and run", ["status"],
            lambda: [({"status": status}, number) for status, number in jobs_store.counts(store).items()],
        )  # fmt: skip
        self.context.metrics.ask(
            "crosswalk_webhooks_waiting", "Webhooks that wait to be taken in", [],
            lambda: [({}, sum(inbox.waiting(store).values()))],
        )  # fmt: skip


def background_of(context: Context) -> Background:
    """The workers of a service that runs."""
    found = context.background
    if not isinstance(found, Background):
        raise RuntimeError("the service's workers have not started")
    return found
