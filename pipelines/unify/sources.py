"""What unify must know of each connection beside its staged rows: which values its mapping makes from others, and which
fields it owns, or we do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.connections.connection import Connection


@dataclass(frozen=True)
class Source:
    """One connection, by entity.

    Attributes:
        derived: the fields that its mapping joins, splits, sets or computes.
        there: the fields that the CRM owns: its value holds while it has one.
        here: the fields that we own: its value holds only while no other source has one.
    """

    name: str
    derived: Mapping[str, frozenset[str]] = field(default_factory=dict)
    there: Mapping[str, frozenset[str]] = field(default_factory=dict)
    here: Mapping[str, frozenset[str]] = field(default_factory=dict)


def source_of(connection: Connection) -> Source:
    """The connection as unify sees it."""
    derived = {
        name: frozenset(ours for ours, theirs in entity.fields.items() if theirs.is_derived)
        for name, entity in connection.entities.items()
    }
    return Source(connection.name, derived, _owned(connection, "there"), _owned(connection, "here"))


def _owned(connection: Connection, owner: str) -> dict[str, frozenset[str]]:
    return {
        name: frozenset(ours for ours, theirs in entity.fields.items() if theirs.owner == owner)
        for name, entity in connection.entities.items()
    }
