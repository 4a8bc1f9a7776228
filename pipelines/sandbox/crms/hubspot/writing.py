"""What a write does to one record: creating, updating, archiving, merging, erasing.

Source: fact sheet 1.3. UNVERIFIED: that a taken value of any unique property is a 409 as a taken `email` is; that an
update through the id of a merged record reaches its winner; that a merge fills the winner's empty properties.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.sandbox.crms.hubspot import errors
from pipelines.sandbox.crms.hubspot.links import LINK_TYPES, End, Links, LinkType, link_type
from pipelines.sandbox.crms.hubspot.objects import ERASED, MERGED_INTO, Objects
from pipelines.sandbox.crms.hubspot.schema import BY_NAME, TYPES, ObjectType
from pipelines.sandbox.crms.hubspot.values import put_down
from pipelines.sandbox.store import Record
from pipelines.sandbox.wire import Refused, answer


class Failed(Exception):  # noqa: N818 - one row's outcome
    """A write that did not happen; `status` and `body` as a single call would answer it."""

    def __init__(self, status: int, body: dict[str, Any], context: Mapping[str, list[str]]) -> None:
        super().__init__(body["message"])
        self.status, self.body, self.context = status, body, context


class Writer:
    """Writes records of one portal; what goes wrong is raised as `Failed`."""

    def __init__(self, objects: Objects, links: Links) -> None:
        self.objects, self.links, self.crm = objects, links, objects.crm

    def create(self, kind: ObjectType, given: Mapping[str, Any]) -> Record:
        """Adds a record from {properties, associations}."""
        kept = self._accepted(kind, given.get("properties"), None)
        joined = [self._association(kind, each) for each in given.get("associations") or []]
        record = self.crm.new(kind.name, self.crm.new_id(kind.name), {name: kept[name] or None for name in kept})
        for end, types in joined:
            self.links.join(End(kind, record.id), end, types, record.created)
        return record

    def update(self, kind: ObjectType, record: Record, properties: Any) -> dict[str, str | None]:
        """Changes properties and returns them as kept; "" clears."""
        kept = self._accepted(kind, properties, record)
        self.crm.edit(record, {name: value or None for name, value in kept.items()})
        return kept

    def archive(self, kind: ObjectType, id: str) -> bool:
        """Archives a record; False where there is none."""
        record = self.objects.get(kind, id)
        if record and not record.deleted:
            self.crm.remove(record)
        return record is not None

    def merge(self, kind: ObjectType, winner: Record, loser: Record) -> Record:
        """Puts the loser's values where the winner has none, takes over its associations, and ends it."""
        system = {each.name for each in kind.properties if each.read_only}
        blanks = {name: value for name, value in loser.body.items() if value and not winner.body.get(name)}
        changes = {name: value for name, value in blanks.items() if name not in system}
        changes["hs_merged_object_ids"] = _added(winner.body.get("hs_merged_object_ids"), loser.id)
        if kind.name == "contacts" and loser.body.get("email") and winner.body.get("email"):
            changes["hs_additional_emails"] = _added(winner.body.get("hs_additional_emails"), loser.body["email"])
        for other in TYPES:
            for to, types in self.links.of(End(kind, loser.id), other).items():
                self.links.join(End(kind, winner.id), End(other, to), types, self.crm.clock.now())
                self.links.part(End(kind, loser.id), End(other, to))
        loser.body[MERGED_INTO] = winner.id
        self.crm.remove(loser)
        return self.crm.edit(winner, changes)

    def erase(self, kind: ObjectType, record: Record) -> None:
        """Deletes for good: nothing of the record is kept, it stands in no list."""
        for other in TYPES:
            for to in self.links.of(End(kind, record.id), other):
                self.links.part(End(kind, record.id), End(other, to))
        record.body = {ERASED: True}
        self.crm.remove(record)

    def _accepted(self, kind: ObjectType, given: Any, record: Record | None) -> dict[str, str | None]:
        if not isinstance(given, dict):
            raise Failed(400, errors.body("properties must be an object", "VALIDATION_ERROR"), {})
        properties = self.objects.properties(kind)
        kept, problems = put_down(properties, given)
        if problems:
            context = {"propertyName": [problem["name"] for problem in problems]}
            raise Failed(400, errors.invalid_properties_body(problems), context)
        for name, value in kept.items():
            if value and properties[name].unique:
                self._must_be_free(kind, name, value, record)
        return kept

    def _must_be_free(self, kind: ObjectType, name: str, value: str, record: Record | None) -> None:
        holder = self.objects.find(kind, value, name)
        if holder and (record is None or holder.id != record.id):
            message = f"{kind.one.capitalize()} already exists. Existing ID: {holder.id}"
            raise Failed(409, errors.body(message, "CONFLICT"), {"existingId": [holder.id]})

    def _association(self, kind: ObjectType, given: Any) -> tuple[End, list[LinkType]]:
        try:
            to, wanted = str(given["to"]["id"]), given["types"]
            ids = [(str(each["associationCategory"]), int(each["associationTypeId"])) for each in wanted]
        except (KeyError, TypeError, ValueError):
            raise Failed(400, errors.body("associations are not well formed", "VALIDATION_ERROR"), {}) from None
        for start, end in LINK_TYPES:
            types = [link_type(kind, BY_NAME[end], *each) for each in ids] if start == kind.name else []
            found = [each for each in types if each]
            if found and len(found) == len(ids):
                if self.objects.find(BY_NAME[end], to, None) is None:
                    raise Failed(404, errors.body(f"no {end} with id {to}", "OBJECT_NOT_FOUND"), {"ids": [to]})
                return End(BY_NAME[end], to), found
        raise Failed(400, errors.body(f"unknown association types {ids}", "VALIDATION_ERROR"), {})


def _added(many: str | None, one: str) -> str:
    return ";".join([*(part for part in (many or "").split(";") if part), one])


def refuse(failed: Failed) -> Refused:
    """Returns what a single call is answered."""
    return Refused(answer(failed.body, failed.status))
