"""Settings that cannot be used, said with what to do about it."""

from __future__ import annotations

from typing import ClassVar


class SettingsError(Exception):
    """Wrong or half-set settings; nothing was called."""

    exit_code: ClassVar[int] = 2


class NoCredentials(SettingsError):  # noqa: N818 - a state to act on, not a fault
    """None of the connection's credentials is set: the caller may use the sandbox.

    Attributes:
        missing: names of the variables, as they may be set in the environment.
    """

    def __init__(self, connection: str, missing: list[str]) -> None:
        self.connection = connection
        self.missing = missing
        super().__init__(f"{connection}: no credentials; set {', '.join(missing)} in the environment or secrets.toml")
