"""From an exception to what people read and programs test: one line and an exit code."""

from __future__ import annotations

from pipelines.commands.exits import Exit
from pipelines.connections.connection import Connection
from pipelines.connections.redact import Redactor


def describe(problem: BaseException, connection: Connection) -> tuple[Exit, str]:
    """The exit code of a failure in one connection, and a message without secrets."""
    said = Redactor(connection.secrets).text(problem)
    return code_of(problem), f"[{connection.mapping.label}] {said}"


def code_of(problem: BaseException) -> Exit:
    """What the failure, or what caused it (dlt wraps what happens in its pipelines), says of itself.

    An exception that has no `exit_code` is a fault of the program.
    """
    seen: BaseException | None = problem
    while seen is not None:
        code = getattr(seen, "exit_code", None)
        if code is not None:
            return Exit(code)
        seen = seen.__cause__
    return Exit.FAULT


def told(problem: BaseException) -> tuple[Exit, str]:
    """For the end of a command: one line where the problem is known, the whole traceback of a fault of the program."""
    redactor = Redactor()
    if isinstance(problem, OSError) and problem.filename and problem.strerror:
        return Exit.WRONG_SETTINGS, redactor.text(f"{problem.filename}: {problem.strerror}")
    code = code_of(problem)
    return code, redactor.error(problem) if code is Exit.FAULT else redactor.text(problem)
