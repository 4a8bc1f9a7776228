"""The desk at which plans are made: one connection, its owner's state, and the warehouse, only to be read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.commands.applying import apply_plan, settle_all
from pipelines.commands.exits import Exit, worst
from pipelines.commands.failures import describe
from pipelines.commands.reading import read_warehouse
from pipelines.commands.report import Report
from pipelines.commands.session import Session, open_session, open_state_of
from pipelines.connections.connection import Connection
from pipelines.connections.locks import lock

if TYPE_CHECKING:
    import duckdb

    from pipelines.push.planned import Plan
    from pipelines.state.controls import Pilot
    from pipelines.state.database import State


@dataclass(frozen=True)
class Desk:
    """What a plan is made from."""

    session: Session
    connection: Connection
    state: State
    con: duckdb.DuckDBPyConnection


Planner = Callable[[Desk], "Plan"]


def push_planner(
    pilot: Pilot | None = None, *, allow_mass_change: bool = False, is_known_there: bool = False
) -> Planner:
    """Plans what a push would write now.

    Args:
        pilot: only some records.
        allow_mass_change: no guard trips.
        is_known_there: the connection must have the records of the pilot: a slip of the pen is no pilot of nothing.
    """

    def planner(desk: Desk) -> Plan:
        from pipelines.push.plan import plan
        from pipelines.push.planned import PlanError
        from pipelines.state import registry

        for one in pilot.only if pilot and is_known_there else ():
            if not registry.is_known(desk.state, one, [desk.connection.name]):
                raise PlanError(f"--only {one}: there is no such record in {desk.connection.name}")

        return plan(
            desk.connection,
            desk.con,
            desk.state,
            desk.session.schemas,
            pilot=pilot,
            allow_mass_change=allow_mass_change,
        )

    return planner


@contextmanager
def open_desk(
    name: str, *, data_dir: Path | None, sandbox: bool, quiet: bool, owner: str | None = None
) -> Iterator[Desk]:
    """The desk of one connection that was read before.

    Raises:
        Stop: wrong settings, or nothing was read yet.
    """
    with (
        open_session([name], data_dir=data_dir, sandbox=sandbox, quiet=quiet, owner=owner) as session,
        open_state_of(session) as state,
        at_desk(session, session.connections[0], state) as desk,
    ):
        yield desk


@contextmanager
def at_desk(session: Session, connection: Connection, state: State) -> Iterator[Desk]:
    """The desk within a session.

    Raises:
        Stop: the owner has no warehouse yet.
    """
    with read_warehouse(session.owner, "planning") as con:
        yield Desk(session, connection, state, con)


def carry_out(
    name: str,
    planner: Planner,
    *,
    data_dir: Path | None,
    sandbox: bool,
    quiet: bool,
    allow_mass_change: bool,
    owner: str | None = None,
) -> tuple[Report, Exit]:
    """Makes a plan and applies it, as a run of its own.

    Raises:
        Stop: wrong settings, or nothing was read yet.
    """
    from pipelines.state import runs

    with (
        open_session([name], data_dir=data_dir, sandbox=sandbox, quiet=quiet, owner=owner) as session,
        open_state_of(session) as state,
    ):
        started = time.monotonic()
        connection = session.connections[0]
        report = Report(runs.new_run_id(), session.owner.name, session.is_sandbox)
        runs.start(state, [name], report.run_id)
        try:
            settle_all(session, [connection], report, state)
            with lock(session.owner, f"push-{name}", "writing to the CRM"):
                with at_desk(session, connection, state) as desk:
                    made = planner(desk)
                apply_plan(session, connection, made, report, state, allow_mass_change=allow_mass_change)
        except Exception as problem:  # noqa: BLE001 - told in one line, without secrets
            report.stop(*describe(problem, connection))
        report.seconds = time.monotonic() - started
        code = worst(report.exit_codes)
        runs.count(state, report.run_id, [runs.Count(*c) for c in report.counts()])
        runs.finish(state, report.run_id, int(code), {"messages": report.messages})
        return report, code
