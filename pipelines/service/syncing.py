"""A sync that somebody asked for: a job, waited for, and what it came to in the words of the contracts."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipelines.commands.exits import Exit
from pipelines.connections.locks import LockHeld
from pipelines.connections.owner import Owner
from pipelines.service import jobs
from pipelines.service.connections import LOCAL, labels
from pipelines.service.errors import ServiceError
from pipelines.service.jobs.store import CANCELLED, Job
from pipelines.service.search.build import refresh
from pipelines.service.unified import local
from pipelines.state import local_records, service_connections

if TYPE_CHECKING:
    from pipelines.service.context import Context

logger = logging.getLogger("crosswalk")
LONGEST_SECONDS = 3600.0
_SAID = re.compile(
    r"^\[(?P<label>[^\]]+)\] (?P<message>.+?)(?: \((?P<call>(?:[A-Z]+ )?[^()]*)\))?(?:: (?P<details>.*))?$", re.DOTALL
)

_OF_CRM = re.compile(r"authentication failed|^Failed to |^Refused to ")


@dataclass(frozen=True)
class Failure:
    """What went wrong with one source, in one line each."""

    message: str
    details: str | None = None


@dataclass(frozen=True)
class Synced:
    """How a sync ended.

    Attributes:
        counts: by source, stage and entity, the report's row.
        failures: by source; the source "" for what concerns all.
        is_guarded: a guard against a mass accident stopped it (law L10).
    """

    job: Job
    counts: Mapping[tuple[str, str, str], Mapping[str, Any]] = field(default_factory=dict)
    failures: Mapping[str, Failure] = field(default_factory=dict)
    is_guarded: bool = False

    def number(self, source: str, stage: str, entity: str, metric: str) -> int:
        """One count of the report; 0 where it has none."""
        return int(self.counts.get((source, stage, entity), {}).get(metric) or 0)

    def has_read(self, source: str) -> bool:
        """Whether the source came through its reading."""
        return any(key[:2] == (source, "extract") for key in self.counts)


def sync(
    context: Context,
    owner: Owner,
    names: Sequence[str],
    *,
    push: str = "off",
    allow_mass_change: bool = False,
    full_refresh: bool = False,
    seconds: float = LONGEST_SECONDS,
) -> Synced:
    """Pulls sources, unifies and publishes, and pushes where that is asked for; what is entered here goes along.

    Raises:
        ServiceError: 504 where it goes on beyond `seconds`; 409 where it was cancelled.
    """
    wanted = [*names]
    if LOCAL not in wanted and local_records.has_any(context.state_of(owner)):
        wanted.append(LOCAL)
    params = {"push": push}
    more = {"allow_mass_change": allow_mass_change, "full_refresh": full_refresh}
    said = {**params, **{name: True for name, is_set in more.items() if is_set}}
    job = jobs.wait(context, jobs.submit(context, owner.name, jobs.SYNC, wanted, said), seconds)
    if job is None:
        raise ServiceError(504, "The sync goes on; ask for its state later")
    if job.status == CANCELLED:
        raise ServiceError(409, "The sync was cancelled")
    keep_index(context, owner)
    return outcome(context, job)


def outcome(context: Context, job: Job) -> Synced:
    """What a job's report says, source by source."""
    report = job.result or {}
    rows = [row for row in report.get("rows", []) if row.get("connection")]
    counts = {(str(r["connection"]), str(r["stage"]), str(r["entity"])): r for r in rows}
    known = labels(context, list(job.connections))
    failures = dict(_failures(report, known))
    if int(report.get("exit_code", 0)) == Exit.FAULT:
        failures = _without_internals(job, failures)
    if not failures and job.status != jobs.store.DONE:
        failures[""] = Failure("Sync failed", _last_word(job))
    return Synced(job, counts, failures, int(report.get("exit_code", 0)) == Exit.GUARDED)


def _without_internals(job: Job, failures: Mapping[str, Failure]) -> dict[str, Failure]:
    """A fault of the program is for the log; what a CRM refused beside it is still told."""
    kept = {name: one for name, one in failures.items() if _OF_CRM.search(one.message)}
    for name, one in failures.items():
        if name not in kept:
            logger.error("job %s of %s met a fault: %s", job.job_id, job.owner, one.message)
            kept[name] = Failure("Sync failed", f"job {job.job_id}")
    return kept


def _last_word(job: Job) -> str:
    """What a process that left no report said; a fault of the program is for the log, not for the caller."""
    said = (job.error or "").strip()
    if "Traceback" in said or "\n" in said or job.result is None:
        logger.error("job %s of %s failed: %s", job.job_id, job.owner, said or "no word")
        return f"job {job.job_id}"
    return said[:500]


def _failures(report: Mapping[str, Any], known: Mapping[str, str]) -> list[tuple[str, Failure]]:
    if int(report.get("exit_code", 0)) == Exit.DONE:
        return []
    found = []
    for text in report.get("messages", []):
        said = _SAID.match(str(text))
        names = [name for name, label in known.items() if said is not None and label == said["label"]]
        if said is None or not names:
            found.append(("", Failure(str(text))))
        found += [(name, Failure(said["message"], said["details"])) for name in names if said is not None]
    # the first that a source's messages say is what stopped it, unless a later one names a failure
    ranked = sorted(found, key=lambda pair: "fail" not in pair[1].message.lower())
    return list({name: (name, failure) for name, failure in reversed(ranked)}.values())


def after_job(context: Context, job: Job) -> None:
    """What follows every sync, asked for or scheduled: connections remember it, the log says it, the index keeps up."""
    if job.kind not in (jobs.SYNC, jobs.REFRESH) or job.status == CANCELLED:
        return
    owner, done = context.owner(job.owner), outcome(context, job)
    state = context.state_of(owner)
    for name, label in labels(context, list(job.connections)).items():
        failure = done.failures.get(name) or (done.failures.get("") if not done.has_read(name) else None)
        _say(done, name, label, failure)
        if job.kind == jobs.SYNC:
            text = None if failure is None else ": ".join(filter(None, (failure.message, failure.details)))
            service_connections.synced(state, name, context.redactor.text(text) if text else None)
    keep_index(context, owner)


def _say(done: Synced, name: str, label: str, failure: Failure | None) -> None:
    """The lines that operators search for."""
    if done.has_read(name):
        logger.info("[%s] Authentication successful", label)
    for (source, stage, entity), row in done.counts.items():
        if source == name and stage == "extract":
            logger.info("[%s] Successfully synced %d %s", label, int(row.get("came_in") or 0), entity)
    if failure is not None:
        logger.error("[%s] %s%s", label, failure.message, f": {failure.details}" if failure.details else "")


def keep_index(context: Context, owner: Owner) -> None:
    """Brings the search index up to what is published; who is at it already is waited for."""
    try:
        if refresh(owner) == "whole":
            local.put_all_into_index(context, owner)
    except (LockHeld, OSError) as problem:
        logger.warning("the search index of %s could not be brought up to date: %s", owner.name, problem)
