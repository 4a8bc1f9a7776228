"""The push at the end of a run: a plan for each connection, and its execution where that is asked for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pipelines.commands.applying import apply_plan
from pipelines.commands.desk import at_desk, push_planner
from pipelines.commands.exits import Exit
from pipelines.commands.failures import describe
from pipelines.commands.report import Report, Row
from pipelines.commands.session import Session
from pipelines.connections.connection import Connection
from pipelines.connections.locks import lock

if TYPE_CHECKING:
    from pipelines.commands.run_options import RunOptions
    from pipelines.push.planned import Plan
    from pipelines.state.database import State


def push_all(
    session: Session, connections: list[Connection], options: RunOptions, report: Report, state: State
) -> None:
    """Plans every connection that may be pushed to, and applies the plan where its settings or the caller say so."""
    for connection in connections:
        if connection.settings.direction == "pull" or not any(e.push for e in connection.entities.values()):
            continue
        mode = options.push or connection.settings.push
        if mode == "off":
            continue
        try:
            _push(session, connection, mode == "apply", options, report, state)
        except Exception as problem:  # noqa: BLE001 - one connection's failure is that connection's alone
            report.stop(*describe(problem, connection))


def _push(
    session: Session, connection: Connection, is_applied: bool, options: RunOptions, report: Report, state: State
) -> None:
    from pipelines.push.guards import is_at_rest
    from pipelines.push.plan import Pilot

    started = time.monotonic()
    pilot = Pilot(options.limit, (options.only,) if options.only else ())
    with lock(connection.owner, f"push-{connection.name}", "writing to the CRM"):
        with at_desk(session, connection, state) as desk:
            made = push_planner(pilot, allow_mass_change=options.allow_mass_change)(desk)
        rows = plan_rows(made, connection.name, time.monotonic() - started)
        report.rows += rows
        if made.guard:
            report.stop(Exit.GUARDED, f"[{connection.mapping.label}] " + "; ".join(made.guard))
        elif is_applied and not is_at_rest(made, state):
            apply_plan(session, connection, made, report, state, allow_mass_change=options.allow_mass_change)


def plan_rows(made: Plan, name: str, seconds: float) -> list[Row]:
    """The report's rows for a plan: how many records of each entity would be written."""
    return [
        Row(
            "plan",
            entity,
            name,
            came_in=counts.get("records"),
            unchanged=counts.get("unchanged"),
            planned=sum(counts.get(what, 0) for what in ("create", "update", "link", "archive")),
            seconds=seconds,
        )
        for entity, counts in made.counts.items()
    ]
