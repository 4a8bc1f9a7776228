"""One row of a write: what it changes, or why it is refused."""

from __future__ import annotations

from typing import Any

from pipelines.sandbox.crms.zoho import seeding
from pipelines.sandbox.crms.zoho.errors import RowError
from pipelines.sandbox.crms.zoho.org import Org
from pipelines.sandbox.crms.zoho.schema import MODULES, Field, Module
from pipelines.sandbox.crms.zoho.values import column, named, operand, put_down, user
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call


class Rows:
    """Reads rows against the fields of a module."""

    def __init__(self, org: Org) -> None:
        self.org = org

    def empty(self, module: Module) -> Body:
        """Returns the record of which nothing is known."""
        return seeding.empty(module.name)

    def accepted(self, module: Module, row: Body, place: str, record: Record | None) -> Body:
        """Returns what a row changes; raises `RowError`. `record` is what it changes, None where it is new."""
        changes: Body = {}
        for field in module.fields:
            if field.name in row and not field.is_read_only:
                changes[field.name] = self._value(field, row[field.name], place)
            if field.is_mandatory and changes.get(field.name, record and record.body[field.name]) is None:
                raise RowError("MANDATORY_NOT_FOUND", api_name=field.name, json_path=f"{place}.{field.name}")
            if field.is_unique and changes.get(field.name) is not None:
                self._keep_unique(module, field, changes[field.name], place, record)
        return changes

    def _value(self, field: Field, value: Any, place: str) -> Any:
        if field.kind not in ("lookup", "ownerlookup"):
            return put_down(field, value, place)
        if value is None:
            return None
        id = value.get("id") if isinstance(value, dict) else value
        if field.kind == "ownerlookup":
            owner = self.org.crm.store.get("users", str(id))
            found = user(owner) if owner and owner.body["status"] == "active" else None
        else:
            found = named(self.org.crm, field.module, str(id), MODULES[field.module].shown_as)
        if found is None:
            raise RowError("INVALID_DATA", "the id given seems to be invalid", api_name=field.name,
                           expected_data_type=field.kind, json_path=f"{place}.{field.name}.id")  # fmt: skip
        return found

    def _keep_unique(self, module: Module, field: Field, value: Any, place: str, record: Record | None) -> None:
        twin = self.same(module, field.name, value)
        if twin and (record is None or twin.id != record.id):
            raise RowError(
                "DUPLICATE_DATA", api_name=field.name, json_path=f"{place}.{field.name}", id=twin.id,
                duplicate_record={"id": twin.id, "module": {"api_name": module.name}},
            )  # fmt: skip

    def same(self, module: Module, name: str, value: Any) -> Record | None:
        """Returns the oldest record with this value in a field."""
        field = module.field(name)
        if field is None or value in (None, "") or not isinstance(value, str | int | float):
            return None
        try:
            wanted = operand(field, str(value))
        except ValueError:
            return None
        where = f"not deleted and {column(field)} = ?"
        # the plus keeps SQLite from walking along the ids instead of looking the value up
        return next(iter(self.org.crm.store.select(module.name, where, [wanted], order="+id", limit=1)), None)

    def external(self, module: Module, call: Call, row: Body) -> Any:
        """Returns the external id of a row, where the header X-EXTERNAL names its field."""
        for part in call.headers.get("x-external", "").split(","):
            owner, _, name = part.strip().partition(".")
            if owner == module.name and name in row:
                return row[name]
        return None
