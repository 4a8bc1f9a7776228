"""What a write does to one record. What goes wrong is raised as `Failed`, for calls and for rows of collections alike.

Source: fact sheet 2.3; users: vendor docs, object reference, User (doc): create, update and upsert, no delete; a
changed e-mail address is a user's once he has confirmed it. UNVERIFIED: the codes and texts that it does not name; what
a duplicate rule compares (here a contact's e-mail); the header that lets duplicates in. All licences are taken here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.salesforce.errors import Failed
from pipelines.sandbox.crms.salesforce.ids import looked_up
from pipelines.sandbox.crms.salesforce.records import derived
from pipelines.sandbox.crms.salesforce.schema import CONTACT, OBJECTS, USER, Field, SObject, sobject
from pipelines.sandbox.crms.salesforce.values import put_down
from pipelines.sandbox.store import Record
from pipelines.sandbox.wire import Call

Given = Mapping[str, Any]


class Several(Exception):  # noqa: N818 - an outcome
    """More than one record has the value of an external id."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__("several records have this external id")
        self.records = records


class Writer:
    """Writes records of one organisation."""

    def __init__(self, crm: Crm) -> None:
        self.crm, self.store = crm, crm.store

    def kind(self, name: Any) -> SObject:
        """Returns an object by its name."""
        found = sobject(str(name))
        if found is None:
            raise Failed("NOT_FOUND", "The requested resource does not exist", status=404)
        return found

    def there(self, kind: SObject, given: Any) -> Record:
        """Returns a record that is not deleted, by 15 or 18 characters."""
        id = looked_up(given)
        if id is None or not id.startswith(kind.prefix):
            raise Failed("MALFORMED_ID", f"malformed id {given}", ["Id"])
        record = self.store.get(kind.name, id)
        if record is None:
            raise Failed("NOT_FOUND", "The requested resource does not exist", status=404)
        if record.deleted:
            raise Failed("ENTITY_IS_DELETED", "entity is deleted", [], status=404)
        return record

    def create(self, kind: SObject, given: Given, allows_duplicates: bool = False) -> Record:
        """Adds a record."""
        if not kind.is_made:
            raise Failed("LICENSE_LIMIT_EXCEEDED", "License Limit Exceeded", [])
        kept = put_down(kind, given)
        _must_be_filled(kept, [each for each in kind.own if each.is_required])
        self._check(kind, kept, None)
        if kind is CONTACT and self.crm.switches["duplicate_rule"] and not allows_duplicates:
            self._must_be_new(kept)
        whole = {each.name: False if each.kind == "boolean" else None for each in kind.own} | kept
        # what was given of a probability stands, what a stage implies stands where none was
        whole |= derived(kind, whole, "Probability" not in kept)
        return self.crm.new(kind.name, self.crm.new_id(kind.name), whole)

    def update(self, kind: SObject, record: Record, given: Given) -> Record:
        """Changes the fields that are named; null and "" clear."""
        kept = put_down(kind, {name: value for name, value in given.items() if name.lower() != "id"})
        _must_be_filled(kept, [each for each in kind.own if each.is_required and each.name in kept])
        self._check(kind, kept, record)
        is_stage_new = kept.get("StageName", record.body.get("StageName")) != record.body.get("StageName")
        implied = derived(kind, record.body | kept, is_stage_new and "Probability" not in kept)
        if kind is USER:
            kept.pop("Email", None)
        return self.crm.edit(record, kept | implied)

    def delete(self, kind: SObject, record: Record) -> None:
        """Puts a record into the recycle bin, the roles of an opportunity or a contact with it."""
        if not kind.is_made:
            message = "insufficient access rights on cross-reference id"
            raise Failed("INSUFFICIENT_ACCESS_OR_READONLY", message, [], status=403)
        for _, child, back in kind.children:
            if child == "OpportunityContactRole":
                for row in self.store.select(child, f"deleted = 0 and body ->> '$.{back}' = ?", [record.id]):
                    self.crm.remove(row)
        self.crm.remove(record)

    def keyed(self, kind: SObject, field: str, value: str) -> list[Record]:
        """Returns the records that have this value of an external id, or this `Id`."""
        known = kind.field(field)
        if known is None or not (known.is_key or known.name == "Id"):
            message = f"Field name provided, {field} does not match an External ID, Salesforce Id, or indexed field"
            raise Failed("NOT_FOUND", message, status=404)
        if known.name == "Id":
            return [self.there(kind, value)]
        where = f"deleted = 0 and body ->> '$.{known.name}' = ?"
        return self.store.select(kind.name, where, [value])

    def upsert(
        self, kind: SObject, key: tuple[str, str], given: Given, *, may_create: bool = True,
        allows_duplicates: bool = False,
    ) -> tuple[Record, bool]:  # fmt: skip
        """Updates the record with this external id or adds one; returns it and whether it is new."""
        field, value = key
        found = self.keyed(kind, field, value)
        if len(found) > 1:
            raise Several(found)
        if found:
            return self.update(kind, found[0], given), False
        if not may_create:
            raise Failed("NOT_FOUND", "The requested resource does not exist", status=404)
        return self.create(kind, {field: value} | dict(given), allows_duplicates), True

    def _check(self, kind: SObject, kept: dict[str, Any], record: Record | None) -> None:
        for name, value in kept.items():
            known = kind.fields[name]
            if value is None:
                continue
            if known.to and not self.store.count(known.to, "deleted = 0 and id = ?", [value]):
                raise Failed("INVALID_CROSS_REFERENCE_KEY", f"invalid cross reference id: {value}", [name])
            if known.is_unique:
                self._must_be_free(kind, known, value, record)

    def _must_be_free(self, kind: SObject, known: Field, value: str, record: Record | None) -> None:
        others = [each for each in self.keyed(kind, known.name, value) if record is None or each.id != record.id]
        if others:
            message = f"duplicate value found: {known.name} duplicates value on record with id: {others[0].id[:15]}"
            raise Failed("DUPLICATE_VALUE", message, [])

    def _must_be_new(self, kept: dict[str, Any]) -> None:
        email = kept.get("Email")
        same = "deleted = 0 and fold(body ->> '$.Email') = fold(?)"
        found = self.store.select("Contact", same, [email]) if email else []
        if not found:
            return
        matches = [
            {"record": {"attributes": {"type": "Contact", "url": f"/services/data/v60.0/sobjects/Contact/{each.id}"},
                        "Id": each.id}, "matchConfidence": 100.0}
            for each in found
        ]  # fmt: skip
        result = {
            "allowSave": False, "duplicateRule": "Standard_Contact_Duplicate_Rule",
            "duplicateRuleEntityType": "Contact",
            "errorMessage": "Use one of these records?",
            "matchResults": [{"entityType": "Contact", "matchRecords": matches, "success": True}],
        }  # fmt: skip
        raise Failed("DUPLICATES_DETECTED", "Use one of these records?", more={"duplicateResult": result})


def allows_duplicates(call: Call) -> bool:
    """Reads `Sforce-Duplicate-Rule-Header: allowSave=true`."""
    return "allowsave=true" in call.headers.get("sforce-duplicate-rule-header", "").lower().replace(" ", "")


def _must_be_filled(kept: Given, required: list[Field]) -> None:
    if lacking := [each.name for each in required if kept.get(each.name) is None]:
        raise Failed("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(lacking)}]", lacking)


def kind_of_id(id: Any) -> SObject | None:
    """Returns the object an id belongs to, by its first three characters."""
    return next((kind for kind in OBJECTS.values() if str(id).startswith(kind.prefix)), None)
