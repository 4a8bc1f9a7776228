"""The paths that occur in a sample of records, with their values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pipelines.mapping.sample.looks import Look, look_of
from pipelines.mapping.sample.records import Record

_DEEPEST = 5
_HALF = re.compile("[\ud800-\udfff]")


@dataclass
class Column:
    """One path of the records. `each` is the path of the list that `path` lies in, if it lies in one.

    `path` is '' for the members of a list of plain values.
    """

    path: str
    each: str | None = None
    values: list[Any] = field(default_factory=list)
    seen_in: int = 0

    @cached_property
    def look(self) -> Look:
        """What the values look like."""
        return look_of(self.values)

    @property
    def shown(self) -> str:
        """The whole path, for people."""
        return self.path if self.each is None else f"{self.each}[].{self.path}".rstrip(".")

    @cached_property
    def names(self) -> list[str]:
        """What the path may be called: its last word, its last two, all of it; as plain lower-case words."""
        parts = [p for p in [*(self.each or "").split("."), *self.path.split(".")] if p and not p.isdigit()]
        return list(dict.fromkeys(words(" ".join(parts[-n:])) for n in (1, 2, len(parts))))


def words(name: str) -> str:
    """`FirstName`, `first_name` and `first-name` are all `first name`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return " ".join(re.findall(r"[a-z0-9]+", spaced.lower()))


def columns_of(records: list[Record]) -> tuple[list[Column], list[str]]:
    """All paths of the records in the order they turn up, and keys that no path can name."""
    walk = _Walk()
    for record in records:
        walk.into(record, "", None, 0)
    return list(walk.found.values()), list(walk.unnamed)


@dataclass
class _Walk:
    found: dict[tuple[str | None, str], Column] = field(default_factory=dict)
    unnamed: dict[str, None] = field(default_factory=dict)

    def into(self, value: Any, path: str, each: str | None, depth: int) -> None:
        if isinstance(value, dict) and depth < _DEEPEST:
            self._members(value, path, each, depth)
        elif isinstance(value, list):
            # A list within a list cannot be mapped.
            for member in value if each is None and path else []:
                self.into(member, "", path, depth + 1)
        elif path or each is not None:
            column = self.found.setdefault((each, path), Column(path, each))
            column.seen_in += 1
            column.values.append(value)

    def _members(self, value: Record, path: str, each: str | None, depth: int) -> None:
        for key, member in value.items():
            if not _can_be_named(key):
                self.unnamed[key] = None
            else:
                self.into(member, f"{path}.{key}" if path else key, each, depth + 1)


def _can_be_named(key: str) -> bool:
    """Not where the key is empty, contains a dot, or is half of a character."""
    return bool(key) and "." not in key and key.isprintable() and not _HALF.search(key)
