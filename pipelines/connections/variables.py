"""Fills `${NAME}` and `${NAME:-default}` from the environment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?\}")


def named_in(value: Any) -> Iterator[tuple[str, str | None]]:
    """Each variable in a text, or in the texts of a block, with its default (None: it must be set)."""
    if isinstance(value, str):
        for found in VARIABLE.finditer(value):
            yield found[1], found[2]
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from named_in(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from named_in(member)


@dataclass
class Filler:
    """Looks variables up for one connection.

    A connection `north` with a mapping `west` looks for NORTH_TOKEN first where the mapping says WEST_TOKEN, so that
    two accounts at one CRM can be used side by side.
    """

    connection: str
    crm: str
    variables: Mapping[str, str]
    used: dict[str, str] = field(default_factory=dict)

    def names(self, variable: str) -> list[str]:
        """Where the value of `variable` is looked for, in this order."""
        own, theirs = (name.upper().replace("-", "_") + "_" for name in (self.connection, self.crm))
        if self.connection == self.crm:
            return [variable]
        return [own + variable.removeprefix(theirs), variable]

    def find(self, variable: str) -> str | None:
        """The value, or None where nothing sets it."""
        for name in self.names(variable):
            if name in self.variables:
                return self.variables[name]
        return None

    def fill(self, value: Any) -> Any:
        """The same block with every variable filled in; what was filled from outside is kept in `used`."""
        if isinstance(value, str):
            return VARIABLE.sub(self._one, value)
        if isinstance(value, Mapping):
            return {key: self.fill(member) for key, member in value.items()}
        return [self.fill(member) for member in value] if isinstance(value, list) else value

    def _one(self, found: re.Match[str]) -> str:
        value = self.find(found[1])
        if value is None:
            return found[2] or ""
        self.used[found[1]] = value
        return value
