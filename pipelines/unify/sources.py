"""What unify must know of each connection beside its staged rows: which values its mapping makes from others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.connections.connection import Connection


@dataclass(frozen=True)
class Source:
    """One connection. `derived`: by entity, the fields that its mapping joins, splits, sets or computes."""

    name: str
    derived: Mapping[str, frozenset[str]] = field(default_factory=dict)


def source_of(connection: Connection) -> Source:
    """The connection as unify sees it."""
    derived = {
        name: frozenset(ours for ours, theirs in entity.fields.items() if theirs.is_derived)
        for name, entity in connection.entities.items()
    }
    return Source(connection.name, derived)
