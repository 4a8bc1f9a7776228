"""One expectation as plain data, so that only its evaluation needs Great Expectations (seconds to import)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclasses.dataclass(frozen=True)
class Expectation:
    """What must hold of one table of the candidate.

    `kind` names how it is evaluated (see `worker.KINDS`): a word of `mapping.canonical.Expect`, `row_count`, or
    `no_rows`, whose `arguments["query"]` selects the rows that break it (`{batch}` is the table). `shows` are the
    columns that may be told of a row that breaks it: an id, and the value where it is no personal data.
    """

    table: str
    entity: str
    field: str | None
    kind: str
    words: str
    severity: Severity = "error"
    says: str = ""
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    shows: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


def no_rows(table: str, entity: str, words: str, query: str, **more: Any) -> Expectation:
    """An expectation that a query finds no row; `{batch}` in it is the table."""
    arguments = {"query": " ".join(query.split())}
    return Expectation(table, entity, more.pop("field", None), "no_rows", words, arguments=arguments, **more)


def escaped(sql: str) -> str:
    """SQL from a schema, for a query in which `{batch}` is filled in."""
    return sql.replace("{", "{{").replace("}", "}}")
