"""What is wrong with a file, said so that it can be put right without reading the program."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Problem:
    """One mistake. `line` and `column` count from 1; `path` is dotted, as in `entities.contacts.fields.email`."""

    file: str
    line: int
    column: int
    path: str
    found: str
    expected: str = ""
    nearest: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        said = [self.found]
        if self.expected:
            said.append(f"expected {self.expected}")
        if self.nearest:
            said.append(f"did you mean {self.nearest}?")
        if self.remedy:
            said.append(self.remedy)
        at = f" {self.path}" if self.path else ""
        return " ".join(f"{self.file}:{self.line}:{self.column}{at}: {'; '.join(said)}".split())


class MappingErrors(Exception):  # noqa: N818 - several errors, hence the plural
    """Everything that is wrong with the files read, one line each when printed."""

    exit_code: ClassVar[int] = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: list[Problem] = sorted(set(problems), key=lambda p: (p.file, p.line, p.column, p.path, p.found))
        super().__init__("\n".join(str(p) for p in self.problems))


def nearest_name(name: str, known: Iterable[str]) -> str:
    """The known name that looks most like `name`, or '' where none does."""
    by_lower = {k.lower(): k for k in known}
    hits: Sequence[str] = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[hits[0]] if hits else ""


def listed(names: Iterable[str], most: int = 12) -> str:
    """`a, b or c`, cut off after `most` names."""
    all_names = [str(n) for n in names]
    if len(all_names) > most:
        return ", ".join(all_names[:most]) + ", ..."
    return " or ".join([", ".join(all_names[:-1]), all_names[-1]]) if len(all_names) > 1 else "".join(all_names)
