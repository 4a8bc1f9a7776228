"""Turns what a query asks for into SQL over the store, and records into what the query's answer holds.

UNVERIFIED: the texts of refusals. Text is compared without regard to case, ids with it; `!=` and NOT IN let empty
values through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipelines.sandbox import clock
from pipelines.sandbox.crms.salesforce.errors import invalid_field, invalid_type, malformed
from pipelines.sandbox.crms.salesforce.ids import looked_up
from pipelines.sandbox.crms.salesforce.schema import CREATED, MODIFIED, OBJECTS, STAMP, Field, SObject, sobject
from pipelines.sandbox.crms.salesforce.soql import Comparison, Condition, Joined, Literal, Select
from pipelines.sandbox.store import Record, Store

COLUMNS = {"Id": "id", CREATED: "created", MODIFIED: "modified", STAMP: "modified", "IsDeleted": "deleted"}
KINDS = {
    "number": ("int", "double", "currency", "percent"), "boolean": ("boolean",), "date": ("date",),
    "datetime": ("datetime",),
}  # fmt: skip


@dataclass(slots=True)
class Sql:
    """A piece of SQL with the values of its question marks."""

    text: str
    values: list[Any]


def source_of(select: Select) -> SObject:
    """Returns the object a query reads."""
    found = sobject(select.source)
    if found is None:
        raise invalid_type(select.source)
    return found


def found_ids(store: Store, kind: SObject, select: Select, with_deleted: bool, more: Sql | None = None) -> list[str]:
    """Returns the ids of the records that fit, in order; `more` is a further condition."""
    where = Sql(f"entity = '{kind.name}'" + ("" if with_deleted else " and deleted = 0"), [])
    for part in (more, select.where and condition(kind, select.where)):
        if part:
            where = Sql(f"{where.text} and ({part.text})", [*where.values, *part.values])
    sorts = [f"{_value(kind, path)} {'desc' if down else 'asc'} nulls {'first' if first else 'last'}"
             for path, down, first in select.order]  # fmt: skip
    limit = -1 if select.limit is None else select.limit
    rows = store.connection.execute(
        f"select id from records r where {where.text} order by {', '.join([*sorts, 'r.seq'])} limit ? offset ?",
        [*where.values, limit, select.offset],
    )
    return [str(row[0]) for row in rows]


def condition(kind: SObject, given: Condition) -> Sql:
    """Returns the SQL of a condition."""
    if isinstance(given, Joined):
        parts = [condition(kind, part) for part in given.parts]
        values = [value for part in parts for value in part.values]
        if given.word == "not":
            return Sql(f"not coalesce(({parts[0].text}), 0)", values)
        return Sql(f" {given.word} ".join(f"({part.text})" for part in parts), values)
    known = reached(kind, given.path)
    stored = _value(kind, given.path)
    if isinstance(given.value, list):
        return _within(known, stored, given)
    value = _operand(known, given.value)
    folded = f"fold({stored})" if isinstance(value, str) and known.kind not in ("id", "reference") else stored
    if given.operator == "like":
        return Sql(f"{stored} like ?", [value])
    if given.operator in ("=", "!="):
        return Sql(f"{folded} {'is' if given.operator == '=' else 'is not'} ?", [value])
    return Sql(f"{folded} {given.operator} ?", [value])


def _within(known: Field, stored: str, given: Comparison) -> Sql:
    assert isinstance(given.value, list)
    values = [_operand(known, each) for each in given.value]
    folded = stored if known.kind in ("id", "reference") else f"fold({stored})"
    inside = f"{folded if isinstance(values[0], str) else stored} in ({', '.join('?' * len(values))})"
    return Sql(inside if given.operator == "in" else f"not coalesce({inside}, 0)", values)


def reached(kind: SObject, path: str) -> Field:
    """Returns the field at the end of a path such as `Account.Owner.Name`."""
    *parents, last = path.split(".")
    for parent in parents:
        kind = parent_of(kind, parent)[1]
    found = kind.field(last)
    if found is None:
        raise invalid_field(f"No such column '{last}' on entity '{kind.name}'")
    return found


def parent_of(kind: SObject, relation: str) -> tuple[Field, SObject]:
    """Returns the reference and the object that a relationship leads to."""
    for each in kind.fields.values():
        if each.relation.lower() == relation.lower():
            return each, OBJECTS[each.to]
    raise invalid_field(f"Didn't understand relationship '{relation}' in field path")


def _value(kind: SObject, path: str, row: str = "r") -> str:
    """Returns SQL for a field of the record in `row`, or of one of its parents."""
    first, _, rest = path.partition(".")
    if rest:
        reference, parent = parent_of(kind, first)
        inner = f"{row}p"
        return (
            f"(select {_value(parent, rest, inner)} from records {inner} where {inner}.entity = '{parent.name}'"
            f" and {inner}.id = {row}.body ->> '$.{reference.name}')"
        )
    known = reached(kind, first)
    return f"{row}.{COLUMNS[known.name]}" if known.name in COLUMNS else f"{row}.body ->> '$.{known.name}'"


def _operand(known: Field, given: Literal) -> Any:
    if given.kind == "null":
        return None
    needed = next((kind for kind, names in KINDS.items() if known.kind in names), "text")
    if given.kind != needed:
        quoted = " and should not be enclosed in quotes" if given.kind == "text" else ""
        raise invalid_field(f"value of filter criterion for field '{known.name}' must be of type {known.kind}{quoted}")
    if given.kind == "datetime":
        try:
            return clock.parse_time(given.value)
        except ValueError:
            raise malformed(f"line 1:1 no viable alternative at character '{given.value}'") from None
    if known.kind in ("id", "reference"):
        return looked_up(given.value) or given.value
    return given.value.lower() if given.kind == "text" else given.value


class Renderer:
    """Shows records as the answer of a query holds them.

    Args:
        version: of the API, as the call named it.
    """

    def __init__(self, store: Store, version: str, with_deleted: bool) -> None:
        self.store, self.version, self.with_deleted = store, version, with_deleted

    def attributes(self, record: Record) -> dict[str, str]:
        """Returns type and address."""
        url = f"/services/data/{self.version}/sobjects/{record.entity}/{record.id}"
        return {"type": record.entity, "url": url}

    def shown(self, kind: SObject, record: Record, fields: list[str | Select]) -> dict[str, Any]:
        """Returns a record with the fields asked for, parents nested, children as queries of their own."""
        body: dict[str, Any] = {"attributes": self.attributes(record)}
        parents: dict[str, list[str | Select]] = {}
        for each in fields:
            if isinstance(each, Select):
                name, children = self._children(kind, record, each)
                body[name] = children
            elif "." in each:
                first, _, rest = each.partition(".")
                body.setdefault(first, None)
                parents.setdefault(first, []).append(rest)
            else:
                name = reached(kind, each).name
                body[name] = record.body.get(name)
        for relation, inner in parents.items():
            reference, parent = parent_of(kind, relation)
            found = self.store.get(parent.name, record.body.get(reference.name) or "")
            body[relation] = self.shown(parent, found, inner) if found else None
        return body

    def _children(self, kind: SObject, record: Record, select: Select) -> tuple[str, dict[str, Any] | None]:
        found = next((each for each in kind.children if each[0].lower() == select.source.lower()), None)
        if found is None:
            raise invalid_field(f"Didn't understand relationship '{select.source}' in FROM part of query call")
        name, child, back = found
        mine = Sql(f"r.body ->> '$.{back}' = ?", [record.id])
        ids = found_ids(self.store, OBJECTS[child], select, self.with_deleted, mine)
        rows = [row for id in ids if (row := self.store.get(child, id))]
        shown = [self.shown(OBJECTS[child], row, select.fields) for row in rows]
        return name, {"totalSize": len(shown), "done": True, "records": shown} if shown else None


def checked(kind: SObject, select: Select) -> None:
    """Refuses a query that names fields or relationships there are not."""
    for each in select.fields:
        if isinstance(each, Select):
            child = next((child for name, child, _ in kind.children if name.lower() == each.source.lower()), None)
            if child is None:
                raise invalid_field(f"Didn't understand relationship '{each.source}' in FROM part of query call")
            checked(OBJECTS[child], each)
        elif "(" not in each:
            reached(kind, each)
