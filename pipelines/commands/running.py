"""One run: every stage in its order, over the connections asked for."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from pipelines.commands import rest
from pipelines.commands.applying import settle_all
from pipelines.commands.exits import Exit, Stop, worst
from pipelines.commands.extracting import Wanted, extract_all
from pipelines.commands.progress import progress, tell_stage
from pipelines.commands.report import Report, Row
from pipelines.commands.run_options import RunOptions
from pipelines.commands.session import Session, open_session, open_state_of
from pipelines.connections.connection import Connection
from pipelines.connections.locks import LockHeld

if TYPE_CHECKING:
    from pipelines.state.database import State


def run(options: RunOptions) -> tuple[Report, Exit]:
    """Takes the connections the whole way; what fails is told in the report, and the rest goes on.

    Raises:
        Stop: before anything was read (settings, mappings, a state that is newer than this program).
    """
    with open_session(
        options.names, data_dir=options.data_dir, sandbox=options.sandbox, quiet=options.quiet, owner=options.owner
    ) as session:
        return _run(session, options)


def _run(session: Session, options: RunOptions) -> tuple[Report, Exit]:
    from pipelines.state import runs

    started = time.monotonic()
    with open_state_of(session) as state:
        report = Report(runs.new_run_id(), session.owner.name, session.is_sandbox)
        runs.start(state, [c.name for c in session.connections], report.run_id)
        try:
            _stages(session, options, report, state)
        except LockHeld as held:
            report.stop(Exit.LOCKED, str(held))
        except Stop as stopped:
            report.stop(stopped.code, stopped.message)
        except BaseException as broken:
            runs.finish(state, report.run_id, int(Exit.FAULT), {"messages": [session.redactor.text(broken)]})
            raise
        code = worst(report.exit_codes)
        report.seconds = time.monotonic() - started
        runs.count(state, report.run_id, [runs.Count(*c) for c in report.counts()])
        runs.finish(state, report.run_id, int(code), {"messages": report.messages, "seconds": report.seconds})
    return report, code


def _stages(session: Session, options: RunOptions, report: Report, state: State) -> None:
    note = rest.take(session.owner)
    if "push" in options.stages:
        settle_all(session, session.connections, report, state)
    with ExitStack() as held:
        checks = held.enter_context(_Checks())
        if not session.owner.crm.exists():
            checks.prepare()
        came_through = _extract(session, options, report, state)
        if not came_through:
            return
        if rest.brought_nothing(report) and note and note["stamp"] == _stamp(session, options, state):
            report.published = str(session.owner.crm)
            report.rows += [Row(**row) for row in note["rows"]]
        else:
            _go_on(session, came_through, options, report, state, checks)
    if options.is_everyday and rest.is_reached(report, state):
        rest.leave(session.owner, _stamp(session, options, state), report.rows)


def _extract(session: Session, options: RunOptions, report: Report, state: State) -> list[Connection]:
    if "extract" not in options.stages:
        return session.connections
    tell_stage("extract")
    wanted = Wanted(options.full_refresh, options.limit, options.only, options.allow_mass_change)
    with progress(quiet=options.quiet) as told:
        came_through = extract_all(session.connections, wanted, report, state=state, progress=told)
    if options.only is not None and came_through:
        _check_found(options.only, came_through, report, state)
    return came_through


def _check_found(only: str, connections: list[Connection], report: Report, state: State) -> None:
    """A pilot of a record that neither the CRMs nor we know is a slip of the pen.

    Raises:
        Stop: there is no such record.
    """
    from pipelines.state import registry

    names = [connection.name for connection in connections]
    came_in = any(row.came_in for row in report.rows if row.stage == rest.READ)
    if not came_in and not registry.is_known(state, only, names):
        raise Stop(Exit.WRONG_SETTINGS, f"--only {only}: there is no such record in {', '.join(names)}")


def _stamp(session: Session, options: RunOptions, state: State) -> str:
    names = sorted(connection.name for connection in session.connections)
    return rest.stamp_of(session, state, (names, sorted(options.stages), options.push, session.is_sandbox))


def _go_on(
    session: Session, came_through: list[Connection], options: RunOptions, report: Report, state: State, checks: _Checks
) -> None:
    """The stages behind the reading."""
    if not rest.brought_nothing(report):
        checks.prepare()
    published = _transform(session, options, report, state, checks)
    if published and "push" in options.stages and options.push != "off":
        from pipelines.commands.pushing import push_all

        tell_stage("push")
        push_all(session, came_through, options, report, state)


def _transform(session: Session, options: RunOptions, report: Report, state: State, checks: _Checks) -> bool:
    from pipelines.commands.transforming import Transforming

    passing = Transforming(
        session, state, report, options.stages, checks.take, check_growth=not options.allow_mass_change
    )
    return passing.run()


class _Checks:
    """The process of the checks: its import takes seconds, so it starts early, if it will be needed."""

    def __init__(self) -> None:
        self._worker: Any = None
        self._lock = threading.Lock()

    def prepare(self) -> None:
        from pipelines.check.process import start_worker

        with self._lock:
            if self._worker is None:
                self._worker = start_worker()

    def take(self) -> Any:
        self.prepare()
        return self._worker

    def __enter__(self) -> _Checks:
        return self

    def __exit__(self, *_: object) -> None:
        if self._worker is not None:
            self._worker.close()
