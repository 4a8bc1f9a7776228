"""Exit codes, the same for every command, so that a scheduler can tell what happened."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the process tells its caller. FAULT is a fault of the program itself (sysexits.h)."""

    DONE = 0
    CHECKS_FAILED = 1
    WRONG_SETTINGS = 2
    CRM_FAILED = 3
    LOCKED = 4
    GUARDED = 5
    FAULT = 70


class Stop(Exception):  # noqa: N818 - says a state: the command goes no further
    """Ends a command with a message for people and an exit code for programs."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = self.exit_code = code
        self.message = message


def worst(codes: list[Exit]) -> Exit:
    """The code of a run over several connections: what needs a person first.

    A fault of the program comes first; a wrong setting outranks a CRM that is down, which outranks failed checks, a
    guard, and a lock.
    """
    order = [Exit.FAULT, Exit.WRONG_SETTINGS, Exit.CRM_FAILED, Exit.CHECKS_FAILED, Exit.GUARDED, Exit.LOCKED, Exit.DONE]
    return next(code for code in order if code in [*codes, Exit.DONE])
