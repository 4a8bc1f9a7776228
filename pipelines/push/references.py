"""The CRM's own ids for what a value points at, also of records that were created a moment ago."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.push.inverse import UnwritableError
from pipelines.push.planned import Plan
from pipelines.push.units import Unit
from pipelines.push.write import values_of
from pipelines.state.database import State
from pipelines.state.push_tables import created


@dataclass
class References:
    """Ids by (entity, golden id): from the plan, from what was created since, and from this run."""

    connection: str
    schemas: Mapping[str, CanonicalEntity]
    known: dict[tuple[str, str], str] = field(default_factory=dict)

    @cached_property
    def _pointing(self) -> dict[str, frozenset[str]]:
        """By entity: the fields that point at other records."""
        return {
            name: frozenset(field for field, one in entity.fields.items() if one.to is not None)
            for name, entity in self.schemas.items()
        }

    @classmethod
    def of(cls, plan: Plan, state: State, schemas: Mapping[str, CanonicalEntity]) -> References:
        """What the plan knew, and what the state knows was created since."""
        made = cls(plan.connection, schemas)
        query = sa.select(created.c.entity, created.c.golden_id, created.c.record_key)
        with state.read() as connection:
            for entity, golden_id, key in connection.execute(query.where(created.c.connection == plan.connection)):
                made.known[entity, golden_id] = str(key).partition(":")[2]
        for row in plan.references.to_pylist():
            made.known[row["entity"], row["golden_id"]] = row["source_id"]
        return made

    def learn(self, entity: str, golden_id: str, source_id: str) -> None:
        """A record was created."""
        self.known[entity, golden_id] = source_id

    def resolve(self, unit: Unit) -> None:
        """Sets the unit's `resolved`.

        Raises:
            UnwritableError: a record that is pointed at is not in the CRM; of a list, none of its members is.
        """
        fields = self.schemas[unit.intent.entity].fields
        if unit.intent.action == "unlink":
            unit.resolved |= {name: self._gone(unit, name, value) for name, value in unit.values.items()}
            return
        pointing = self._pointing[unit.intent.entity]
        if pointing.isdisjoint(unit.values):  # by far the most
            return
        for name in [name for name in unit.values if name in pointing]:
            to, value = fields[name].to, unit.values[name]
            if to is None or value is None:
                continue
            if isinstance(value, list):
                ids = [id for one in value if (id := self._id(to, str(one))) is not None]
                if value and not ids:
                    raise UnwritableError(f"{name}: none of what it points at is in this CRM yet")
                unit.resolved[name] = ids
            elif (found := self._id(to, str(value))) is None:
                raise UnwritableError(f"{name}: what it points at is not in this CRM yet")
            else:
                unit.resolved[name] = found

    def _gone(self, unit: Unit, name: str, left: Any) -> list[str]:
        """What a revert takes out of a relation, as the CRM's own ids."""
        before = values_of(unit.before)[name]
        members = [before if isinstance(before, list) else [before], left if isinstance(left, list) else [left]]
        return [str(one).removeprefix(f"{self.connection}:") for one in members[0] if one not in members[1]]

    def _id(self, entity: str, id: str) -> str | None:
        prefix = f"{self.connection}:"  # a revert speaks of the CRM's own records
        return id.removeprefix(prefix) if id.startswith(prefix) else self.known.get((entity, id))

    def already(self, unit: Unit, before: Mapping[str, Any]) -> dict[str, Any]:
        """The values that the record has, with references as ids."""
        prefix = f"{self.connection}:"
        return {
            name: [str(one).removeprefix(prefix) for one in value]
            if isinstance(value, list) and self.schemas[unit.intent.entity].fields[name].to is not None
            else value
            for name, value in before.items()
        }
