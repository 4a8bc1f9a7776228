"""Carries plans out, and settles what an interrupted push left open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipelines.commands.failures import describe
from pipelines.commands.report import Report, Row
from pipelines.commands.session import Session
from pipelines.connections.connection import Connection
from pipelines.connections.locks import lock

if TYPE_CHECKING:
    from pipelines.push.apply import Applied
    from pipelines.push.planned import Plan
    from pipelines.state.database import State

SETTLED = ("done", "adopted")
FAILED = ("failed", "dead", "uncertain")


def apply_plan(
    session: Session,
    connection: Connection,
    plan: Plan,
    report: Report,
    state: State,
    *,
    allow_mass_change: bool = False,
    progress: Callable[..., None] | None = None,
) -> Applied:
    """Writes what the plan says; the caller holds the connection's push lock."""
    from pipelines.push.apply import apply
    from pipelines.staging.read_back import RecordReader

    reader = RecordReader(connection, session.schemas)
    try:
        done = apply(
            plan, connection, state, session.schemas, reader, run_id=report.run_id,
            allow_mass_change=allow_mass_change, progress=progress,
        )  # fmt: skip
    finally:
        reader.close()
    tell(done, connection, report)
    tell_passed_over(connection, report, state)
    return done


def settle_all(session: Session, connections: list[Connection], report: Report, state: State) -> None:
    """Before anything else: what a killed push left open is read back, found, or shown as uncertain (law L8)."""
    from pipelines.state import intents

    for connection in connections:
        if not intents.unsettled(state, connection.name):
            continue
        try:
            with lock(connection.owner, f"push-{connection.name}", "settling an interrupted push"):
                _settle(session, connection, report, state)
        except Exception as problem:  # noqa: BLE001 - one connection's failure is that connection's alone
            report.stop(*describe(problem, connection))


def _settle(session: Session, connection: Connection, report: Report, state: State) -> None:
    from pipelines.push.apply import recover
    from pipelines.staging.read_back import RecordReader

    reader = RecordReader(connection, session.schemas)
    try:
        done = recover(connection, state, session.schemas, reader, run_id=report.run_id)
    finally:
        reader.close()
    if done is not None:
        report.messages.append(f"[{connection.mapping.label}] settled {done.recovered} writes of an interrupted push")


def tell(done: Applied, connection: Connection, report: Report) -> None:
    """Puts what became of a plan into the report."""
    for entity, counts in done.counts.items():
        report.rows.append(
            Row(
                "push",
                entity,
                connection.name,
                came_in=_sum(counts, "sent"),
                pushed=sum(_sum(counts, s) for s in SETTLED),
                unchanged=_sum(counts, "skipped"),
                failed=sum(_sum(counts, s) for s in FAILED),
                seconds=done.seconds,
            )
        )
    report.messages += [f"[{connection.mapping.label}] {note}" for note in done.notes]
    if done.stopped is not None:
        report.stop(*describe(done.stopped, connection))
    elif number := done.number("dead") + done.number("uncertain"):
        report.messages.append(f"[{connection.mapping.label}] {number} writes need a person: crosswalk failures")
    elif number := done.number("failed"):
        said = f"{number} writes failed and are tried again: crosswalk failures"
        report.messages.append(f"[{connection.mapping.label}] {said}")


def tell_passed_over(connection: Connection, report: Report, state: State) -> None:
    """Says of records that the plan named and that were left as they are, why."""
    from pipelines.state import written

    for why, number in written.passed_over(state, report.run_id, connection.name).items():
        report.messages.append(f"[{connection.mapping.label}] {number} records left as they are: {why}")


def _sum(counts: Any, status: str) -> int:
    return int(counts.get(status, 0))
