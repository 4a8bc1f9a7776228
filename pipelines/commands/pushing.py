"""The push at the end of a run: a plan for each connection, and its execution where that is asked for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipelines.commands.applying import apply_plan
from pipelines.commands.failures import describe
from pipelines.commands.reading import read_warehouse
from pipelines.commands.report import Report, Row
from pipelines.commands.session import Session
from pipelines.connections.connection import Connection
from pipelines.connections.locks import lock
from pipelines.state.arrow import be_there

AT_ONCE = 8

if TYPE_CHECKING:
    from pipelines.commands.run_options import RunOptions
    from pipelines.push.planned import Plan
    from pipelines.state.database import State


def push_all(
    session: Session, connections: list[Connection], options: RunOptions, report: Report, state: State
) -> None:
    """Plans every connection that may be pushed to, and applies the plan where its settings or the caller say so.

    Plans are made together, since they read the same golden records; the calls, which mostly wait for the CRMs'
    limits, are made side by side. One that fails never stops the others.
    """
    pushes = [
        _Push(session, connection, options, state, Report(report.run_id, report.owner, report.sandbox))
        for connection in connections
        if _mode(connection, options) != "off"
    ]
    be_there()
    with ExitStack() as locks:
        ready = [push for push in pushes if push.begin(locks.enter_context(ExitStack()))]
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            for _ in pool.map(_Push.end, ready, _plan_all(ready)):
                pass
    for push in pushes:
        report.rows += push.report.rows
        report.messages += push.report.messages
        report.exit_codes += push.report.exit_codes


def _plan_all(pushes: Sequence[_Push]) -> list[Plan | Exception]:
    """The plan of each, or what made it fail."""
    from pipelines.push.plan import plan_all
    from pipelines.state.controls import Pilot

    if not pushes:
        return []
    session, options, started = pushes[0].session, pushes[0].options, time.monotonic()
    pilot = Pilot(options.limit, (options.only,) if options.only else ())
    try:
        with read_warehouse(session.owner, "planning") as con:
            made = plan_all(
                [push.connection for push in pushes], con, pushes[0].state, session.schemas,
                pilot=pilot, allow_mass_change=options.allow_mass_change,
            )  # fmt: skip
    except Exception as problem:  # noqa: BLE001 - the warehouse cannot be read: for none of them
        return [problem] * len(pushes)
    for push, one in zip(pushes, made, strict=True):
        if not isinstance(one, Exception):
            push.report.rows += plan_rows(one, push.connection.name, (time.monotonic() - started) / len(pushes))
    return made


def _mode(connection: Connection, options: RunOptions) -> str:
    if connection.settings.direction == "pull" or not any(e.push for e in connection.entities.values()):
        return "off"
    return str(options.push or connection.settings.push)


@dataclass
class _Push:
    """The push of one connection: its failure is that connection's alone."""

    session: Session
    connection: Connection
    options: RunOptions
    state: State
    report: Report
    held: ExitStack = field(default_factory=ExitStack)

    def begin(self, held: ExitStack) -> bool:
        """Takes the connection's push lock into `held`; False where somebody else has it."""
        self.held = held
        try:
            held.enter_context(lock(self.connection.owner, f"push-{self.connection.name}", "writing to the CRM"))
        except Exception as problem:  # noqa: BLE001 - one connection's failure is that connection's alone
            self.report.stop(*describe(problem, self.connection))
            return False
        return True

    def end(self, made: Plan | Exception) -> None:
        """Applies the plan and gives the lock back."""
        with self.held:
            try:
                self._carry_out(made)
            except Exception as problem:  # noqa: BLE001 - one connection's failure is that connection's alone
                self.report.stop(*describe(problem, self.connection))

    def _carry_out(self, made: Plan | Exception) -> None:
        from pipelines.push.guards import GuardTripped, is_at_rest

        if isinstance(made, Exception):
            raise made
        if made.guard:
            raise GuardTripped(self.connection.name, made.guard)
        if _mode(self.connection, self.options) == "apply" and not is_at_rest(made, self.state):
            allowed = self.options.allow_mass_change
            apply_plan(self.session, self.connection, made, self.report, self.state, allow_mass_change=allowed)


def plan_rows(made: Plan, name: str, seconds: float) -> list[Row]:
    """The report's rows for a plan: how many records of each entity would be written."""
    from pipelines.push.planned import WRITES

    return [
        Row(
            "plan",
            entity,
            name,
            came_in=counts.get("records"),
            unchanged=counts.get("unchanged"),
            planned=sum(counts.get(what, 0) for what in WRITES),
            seconds=seconds,
        )
        for entity, counts in made.counts.items()
    ]
