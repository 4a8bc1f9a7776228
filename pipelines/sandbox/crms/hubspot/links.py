"""Which records are associated, in both directions, and by which types.

Type ids of contacts, companies and deals: fact sheet 1.3 and the vendor's client. UNVERIFIED: the ids between listings
and others. The labels of contacts on deals are the brokerage's own (USER_DEFINED).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipelines.sandbox.crms.hubspot.schema import ObjectType
from pipelines.sandbox.store import Record, Store

ENTITY = "associations"


@dataclass(frozen=True, slots=True)
class LinkType:
    """One type of association, in one direction.

    Attributes:
        ids: of this direction and of the other.
        v3: its name in the older calls; "" where they do not show it.
    """

    ids: tuple[int, int]
    label: str | None = None
    v3: str = ""
    is_own: bool = False

    @property
    def category(self) -> str:
        """HUBSPOT_DEFINED, or USER_DEFINED for the portal's own labels."""
        return "USER_DEFINED" if self.is_own else "HUBSPOT_DEFINED"

    def shown(self) -> dict[str, Any]:
        """Returns it as v4 shows it."""
        return {"category": self.category, "typeId": self.ids[0], "label": self.label}


def _pair(first: str, second: str, *types: tuple[int, int, str | None, str]) -> dict[tuple[str, str], list[LinkType]]:
    there = [LinkType((a, b), label, name and f"{first}_to_{name}", not name) for a, b, label, name in types]
    ends = {"contact": "contacts", "company": "companies", "deal": "deals", "listing": "listings"}
    back = [
        LinkType((b, a), label, name and name.replace(second, f"{second}_to_{first}", 1), not name)
        for a, b, label, name in types
    ]
    return {(ends[first], ends[second]): there, (ends[second], ends[first]): back}


# the first of each is the unlabeled one, which "default" calls make
LINK_TYPES: dict[tuple[str, str], list[LinkType]] = (
    _pair("contact", "deal", (4, 3, None, "deal"), (101, 102, "Client", ""), (103, 104, "Partner", ""),
          (105, 106, "Buyer", ""), (107, 108, "Seller", ""))
    | _pair("contact", "company", (279, 280, None, "company_unlabeled"), (1, 2, "Primary", "company"))
    | _pair("deal", "company", (341, 342, None, "company_unlabeled"), (5, 6, "Primary", "company"))
    | _pair("contact", "listing", (882, 883, None, "listing"), (111, 112, "Owner", ""), (113, 114, "Bidder", ""))
    | _pair("deal", "listing", (884, 885, None, "listing"))
)  # fmt: skip


def link_type(start: ObjectType, end: ObjectType, category: str, type_id: int) -> LinkType | None:
    """Returns the type with this id between two object types."""
    types = LINK_TYPES.get((start.name, end.name), [])
    return next((each for each in types if (each.category, each.ids[0]) == (category, type_id)), None)


def labelled(start: str, end: str, label: str) -> LinkType:
    """Returns the type with this label."""
    return next(each for each in LINK_TYPES[start, end] if each.label == label)


@dataclass(frozen=True, slots=True)
class End:
    """One end of an association: a record of an object type."""

    kind: ObjectType
    id: str

    @property
    def prefix(self) -> str:
        """What the rows of its associations begin with."""
        return f"{self.kind.type_id}/{self.id}/"


def _row_ids(start: End, end: End, kind: LinkType) -> tuple[str, str]:
    there, back = kind.ids
    return f"{start.prefix}{end.prefix}{there}", f"{end.prefix}{start.prefix}{back}"


def rows(start: End, end: End, kinds: list[LinkType], at: float) -> Iterator[Record]:
    """Yields the rows of an association: both directions, the unlabeled type always among them."""
    every = {each.ids: each for each in (LINK_TYPES[start.kind.name, end.kind.name][0], *kinds)}
    for each in every.values():
        for id in _row_ids(start, end, each):
            yield Record(ENTITY, id, {}, at, at)


class Links:
    """The associations in one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def join(self, start: End, end: End, kinds: list[LinkType], at: float) -> None:
        """Associates two records; associating them again changes nothing."""
        for row in rows(start, end, kinds, at):
            known = self.store.get(ENTITY, row.id)
            if known is None:
                self.store.add(row)
            elif known.deleted:
                self.store.save(row)

    def part(self, start: End, end: End, kinds: list[LinkType] | None = None) -> None:
        """Ends an association, or only these labels of it."""
        for each in LINK_TYPES[start.kind.name, end.kind.name] if kinds is None else kinds:
            for id in _row_ids(start, end, each):
                if row := self.store.get(ENTITY, id):
                    row.deleted = True
                    self.store.save(row)

    def of(self, start: End, kind: ObjectType) -> dict[str, list[LinkType]]:
        """Returns the records of this kind that a record is associated with and that are not archived: id -> types."""
        prefix = f"{start.prefix}{kind.type_id}/"
        types = {each.ids[0]: each for each in LINK_TYPES.get((start.kind.name, kind.name), [])}
        found: dict[str, list[LinkType]] = {}
        # '0' is the character after '/': all ids with this prefix, by the index
        within = "deleted = 0 and id >= ? and id < ?"
        for row in self.store.select(ENTITY, within, [prefix, f"{prefix[:-1]}0"], order="id"):
            to, type_id = row.id.removeprefix(prefix).split("/")
            found.setdefault(to, []).append(types[int(type_id)])
        there = self._alive(kind, list(found))
        return {to: types for to, types in found.items() if to in there}

    def _alive(self, kind: ObjectType, ids: list[str]) -> set[str]:
        marks = ", ".join("?" * len(ids))
        return {record.id for record in self.store.select(kind.name, f"deleted = 0 and id in ({marks})", ids)}
