"""Survivorship: the rule of each field, and the number by which one value outranks another (law L6).

Each candidate value gets one whole number, its *rank*; the greatest wins. From the highest bit down it says: whose the
field is (that CRM's own, anybody's, ours); stated, not derived; what the field's own strategy prefers; since when
(unknown ranks last); an edit, not the echo of our own write; the source's place. Because the place is unique within a
golden record, no two candidates are equal.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipelines.mapping.canonical import CanonicalEntity, CanonicalField
from pipelines.unify.sources import Source

PLACES = 2**24 - 1
"""Places of the sources within one golden record, in bits 0 to 23: the first source has the greatest number."""
EDIT = 2**24
"""Bit 24: set unless the value is the echo of what we wrote."""
SINCE_UNIT = 2**25
"""Bits 25 to 87: microseconds since 1970 plus EPOCH; 0 where the moment is unknown."""
EPOCH = 2**61
PREFERENCE = 2**88
"""Bits 88 to 123: what the strategy prefers, such as the longer text."""
STATED = 2**124
"""Bit 124: set unless the mapping made the value from others, or we wrote what another mapping may have made."""
OWNER = 2**125
"""Bits 125 and 126: 2 where the CRM owns the field, 0 where we do, else 1."""

NUMBERS = {
    "places": PLACES,
    "edit": EDIT,
    "since_unit": SINCE_UNIT,
    "epoch": EPOCH,
    "preference_unit": PREFERENCE,
    "stated": STATED,
    "owner_unit": OWNER,
}

OWNED = ("latest", "trusted", "most_complete", "most_frequent")
"""Strategies under which a field can have an owner; what is strictest holds for all."""

SAYS = {
    "latest": "latest edit",
    "trusted": "most trusted source",
    "most_complete": "most complete",
    "most_frequent": "most frequent",
    "union": "all sources",
    "strictest": "strictest",
    "earliest": "earliest",
}


@dataclass(frozen=True)
class Rule:
    """How one field's value is chosen.

    Attributes:
        strategy: a survivorship of the schema, or `earliest` for `created_at`.
        derived: connections whose mapping makes the value from others.
        there, here: connections that own the field, and those for which we do; lists of all sources have no owner.
        order: with trusted: connections, the most trusted first; with strictest: values, the strictest first.
        to: with a reference: the entity it points to.
        main: with a list such as `emails`: the field that holds the main one, `email`.
        parts: with a text such as `name`: the fields that it is joined from where they are newer.
    """

    name: str
    type: str
    strategy: str
    is_list: bool = False
    derived: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    to: str | None = None
    main: str | None = None
    there: tuple[str, ...] = ()
    here: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        """The strategy in words, for the lineage."""
        return SAYS[self.strategy]


@dataclass(frozen=True)
class Plan:
    """One entity as unify sees it. `connections` are in the order in which ties are decided."""

    schema: CanonicalEntity
    rules: tuple[Rule, ...]
    connections: tuple[str, ...]

    @property
    def entity(self) -> str:
        """The entity's name, such as contacts."""
        return self.schema.entity

    @property
    def id(self) -> str:
        """Name of the golden id's column, such as contact_id."""
        return f"{self.schema.singular}_id"

    def table(self, suffix: str) -> str:
        """Such as unified.contact_sources."""
        return f"unified.{self.schema.singular}_{suffix}"

    @property
    def references(self) -> tuple[Rule, ...]:
        """The fields that point to another entity."""
        return tuple(rule for rule in self.rules if rule.to)

    def context(self, **more: Any) -> dict[str, Any]:
        """Names that the SQL models use."""
        names = {"plan": self, "entity": self.entity, "id": self.id, "rules": self.rules, **NUMBERS}
        return {**names, "connections": self.connections, **more}


def plan_of(schema: CanonicalEntity, sources: Sequence[Source], entities: Collection[str] | None = None) -> Plan:
    """The entity's rules, given how each connection's mapping reads its fields.

    Args:
        entities: those that are unified; a reference to another stays a record key. Default: all.
    """
    rules = [_rule(name, spec, schema, sources) for name, spec in schema.fields.items()]
    rules = [rule if entities is None or rule.to in entities else replace(rule, to=None) for rule in rules]
    names = sorted(source.name for source in sources)
    first = [name for name in schema.source_order if name in names]
    return Plan(schema, tuple(rules), tuple(first + [name for name in names if name not in first]))


def _rule(name: str, spec: CanonicalField, schema: CanonicalEntity, sources: Sequence[Source]) -> Rule:
    derived, there, here = (_those(sources, part, schema.entity, name) for part in ("derived", "there", "here"))
    strategy = "earliest" if name == "created_at" else spec.survivorship
    is_list = spec.type == "list"
    if strategy == "union" and not is_list:
        strategy = "latest"
    return Rule(
        name,
        spec.duckdb_type,
        strategy,
        is_list,
        derived,
        tuple(spec.trust if strategy == "trusted" else spec.values or ()),
        spec.to,
        _main(name, spec, schema),
        there if strategy in OWNED else (),
        here if strategy in OWNED else (),
        tuple(part for part in spec.joined_from if part in schema.fields) if strategy == "latest" else (),
    )


def _those(sources: Sequence[Source], part: str, entity: str, name: str) -> tuple[str, ...]:
    """The connections that name the field in this part of what is known of them."""
    return tuple(sorted(source.name for source in sources if name in getattr(source, part).get(entity, ())))


def _main(name: str, spec: CanonicalField, schema: CanonicalEntity) -> str | None:
    single = schema.fields.get(name.removesuffix("s"))
    is_pair = spec.type == "list" and name.endswith("s") and single is not None and single.type == spec.of
    return name.removesuffix("s") if is_pair and spec.survivorship == "union" else None
