"""From an exception to what people read and programs test: one line and an exit code."""

from __future__ import annotations

from pipelines.commands.exits import Exit, Stop
from pipelines.connections.connection import Connection
from pipelines.connections.errors import SettingsError
from pipelines.connections.locks import LockHeld
from pipelines.connections.redact import Redactor
from pipelines.mapping.problems import MappingErrors


def describe(problem: BaseException, connection: Connection) -> tuple[Exit, str]:
    """The exit code of a failure in one connection, and a message without secrets."""
    said = Redactor(connection.secrets).text(problem)
    return code_of(problem), f"[{connection.mapping.label}] {said}"


def code_of(problem: BaseException) -> Exit:
    """Looks through the causes: dlt wraps what happens in its pipelines."""
    from pipelines.extract.guard import SourceShrank
    from pipelines.push.apply import GuardTripped
    from pipelines.push.planned import PlanError

    seen: BaseException | None = problem
    while seen is not None:
        if isinstance(seen, Stop):
            return seen.code
        if isinstance(seen, LockHeld):
            return Exit.LOCKED
        if isinstance(seen, SettingsError | MappingErrors):
            return Exit.WRONG_SETTINGS
        if isinstance(seen, SourceShrank | GuardTripped):
            return Exit.GUARDED
        if isinstance(seen, PlanError):
            return Exit.WRONG_SETTINGS
        seen = seen.__cause__
    return Exit.CRM_FAILED
