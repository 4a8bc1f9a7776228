"""What became of a job, and whether it is tried again: in a minute, in ten, in an hour, and then no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipelines.commands.exits import Exit
from pipelines.service.jobs.store import CANCELLED, CANCELLING, DONE, FAILED, INTERRUPTED, Job

RETRY_SECONDS = (60, 600, 3600)
NO_REPORT = "the process ended before it could report"
_MAY_PASS = {Exit.CRM_FAILED, Exit.LOCKED, Exit.FAULT}


@dataclass(frozen=True)
class Outcome:
    """How a job ended. `retry_in`: seconds, where it is tried again."""

    status: str
    result: dict[str, Any] | None
    error: str | None
    retry_in: int | None = None


def outcome_of(job: Job, report: dict[str, Any] | None, exit_code: int | None, errors: str) -> Outcome:
    """From what the process left: its report, its exit code where it is known, and what it said besides."""
    if job.error == CANCELLING:
        return Outcome(CANCELLED, report, "cancelled")
    code = exit_code if report is None else int(report.get("exit_code", Exit.FAULT))
    if code == Exit.DONE and report is not None:
        return Outcome(DONE, report, None)
    if report is None and (code is None or code < 0):
        return Outcome(INTERRUPTED, None, NO_REPORT, _retry_in(job))
    messages = [str(m) for m in (report or {}).get("messages", [])]
    said = "\n".join(dict.fromkeys(messages)) or errors or f"exit code {code}"
    return Outcome(FAILED, report, said[:4000], _retry_in(job) if _may_pass(code, messages) else None)


def _retry_in(job: Job) -> int | None:
    """Only what a schedule asked for is tried again; who asked themselves is told at once."""
    if not job.is_scheduled or job.attempts > len(RETRY_SECONDS):
        return None
    return RETRY_SECONDS[job.attempts - 1]


def _may_pass(code: int | None, messages: list[str]) -> bool:
    """Whether the same call may go well later: a failed login will not, nor will a guard or a wrong setting."""
    if code is not None and code not in _MAY_PASS:
        return False
    is_login = any("authentication failed" in message for message in messages)
    return not is_login or any("Failed to " in message for message in messages)
