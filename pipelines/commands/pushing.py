"""The push at the end of a run: a plan for each connection, and its execution where that is asked for."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipelines.commands.applying import apply_plan
from pipelines.commands.desk import at_desk, push_planner
from pipelines.commands.exits import Exit
from pipelines.commands.failures import describe
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

    Plans are made one after another, since each has the warehouse to itself; the calls, which mostly wait for the
    CRMs' limits, are made side by side. One that fails never stops the others.
    """
    wanted = [connection for connection in connections if _mode(connection, options) != "off"]
    pusher = _Pusher(session, options, state)
    be_there()
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, max(1, len(wanted)))) as pool:
        own = [Report(report.run_id, report.owner, report.sandbox) for _ in wanted]
        for part in pool.map(pusher.push, wanted, own):
            report.rows += part.rows
            report.messages += part.messages
            report.exit_codes += part.exit_codes


def _mode(connection: Connection, options: RunOptions) -> str:
    if connection.settings.direction == "pull" or not any(e.push for e in connection.entities.values()):
        return "off"
    return str(options.push or connection.settings.push)


@dataclass
class _Pusher:
    """What the pushes of one run share."""

    session: Session
    options: RunOptions
    state: State
    planning: threading.Lock = field(default_factory=threading.Lock)

    def push(self, connection: Connection, report: Report) -> Report:
        """Plans and applies one connection; its failure is that connection's alone."""
        try:
            with lock(connection.owner, f"push-{connection.name}", "writing to the CRM"):
                self._push(connection, report)
        except Exception as problem:  # noqa: BLE001 - one connection's failure is that connection's alone
            report.stop(*describe(problem, connection))
        return report

    def _push(self, connection: Connection, report: Report) -> None:
        from pipelines.push.guards import is_at_rest

        made = self._plan(connection, report)
        if made.guard:
            report.stop(Exit.GUARDED, f"[{connection.mapping.label}] " + "; ".join(made.guard))
        elif _mode(connection, self.options) == "apply" and not is_at_rest(made, self.state):
            allowed = self.options.allow_mass_change
            apply_plan(self.session, connection, made, report, self.state, allow_mass_change=allowed)

    def _plan(self, connection: Connection, report: Report) -> Plan:
        from pipelines.state.controls import Pilot

        options = self.options
        pilot = Pilot(options.limit, (options.only,) if options.only else ())
        with self.planning:
            started = time.monotonic()
            with at_desk(self.session, connection, self.state) as desk:
                made = push_planner(pilot, allow_mass_change=options.allow_mass_change)(desk)
            report.rows += plan_rows(made, connection.name, time.monotonic() - started)
        return made


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
