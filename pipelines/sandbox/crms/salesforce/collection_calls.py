"""The calls that write up to 200 records at once: 200 is what they answer, however many rows failed.

Source: fact sheet 2.3. UNVERIFIED: the codes for too many records or chunks; the answer to an id that stands twice in
an update (here it is written twice).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.salesforce import errors
from pipelines.sandbox.crms.salesforce.errors import Failed
from pipelines.sandbox.crms.salesforce.query import Renderer
from pipelines.sandbox.crms.salesforce.query_calls import DATA
from pipelines.sandbox.crms.salesforce.schema import SObject
from pipelines.sandbox.crms.salesforce.writing import Several, Writer, allows_duplicates, kind_of_id
from pipelines.sandbox.wire import Call, Refused, Route, answer

MOST, CHUNKS = 200, 10
Row = dict[str, Any]


class CollectionCalls:
    """Collections of records."""

    def __init__(self, crm: Crm, writer: Writer) -> None:
        self.crm, self.writer = crm, writer

    def routes(self) -> list[Route]:
        """Returns the routes."""
        base = f"{DATA}/composite/sobjects"
        return [
            Route("POST", base, self.create),
            Route("PATCH", base, self.update),
            Route("DELETE", base, self.delete),
            Route("GET", f"{base}/{{type}}", self.retrieve),
            Route("POST", f"{base}/{{type}}", self.retrieve),
            Route("PATCH", f"{base}/{{type}}/{{field}}", self.upsert),
        ]

    def create(self, call: Call) -> Response:
        """Adds records."""
        lets_in = allows_duplicates(call)

        def one(row: Row) -> Row:
            return _done(self.writer.create(self._kind(row), row, lets_in).id)

        return self._each(call, one)

    def update(self, call: Call) -> Response:
        """Changes records, each by its `id`."""

        def one(row: Row) -> Row:
            kind, id = self._kind(row), row.get("id") or row.get("Id")
            if not id:
                raise Failed("MISSING_ARGUMENT", "Id not specified in an update call", [])
            return _done(self.writer.update(kind, self.writer.there(kind, id), row).id)

        return self._each(call, one)

    def upsert(self, call: Call) -> Response:
        """Changes or adds records, each by the value of its external id; outcomes say `created`."""
        kind, field = self._named(call), call.params["field"]

        def one(row: Row) -> Row:
            if self._kind(row) is not kind:
                raise Failed("INVALID_TYPE", f"expected {kind.name}", [])
            given = {name: value for name, value in row.items() if name.lower() != field.lower()}
            value = next((value for name, value in row.items() if name.lower() == field.lower()), None)
            if value in (None, ""):
                raise Failed("MISSING_ARGUMENT", f"{field} not specified", [])
            record, is_new = self.writer.upsert(kind, (field, str(value)), given)
            return _done(record.id) | {"created": is_new}

        return self._each(call, one)

    def delete(self, call: Call) -> Response:
        """Deletes the records of `ids`."""
        ids = [id for id in call.query.get("ids", "").split(",") if id]

        def one(row: Row) -> Row:
            kind = kind_of_id(row["id"])
            if kind is None:
                raise Failed("MALFORMED_ID", f"malformed id {row['id']}", [])
            record = self.writer.there(kind, row["id"])
            self.writer.delete(kind, record)
            return _done(record.id)

        _must_not_exceed(len(ids))
        is_whole = call.query.get("allOrNone", "").lower() == "true"
        return self._outcomes([{"id": id} for id in ids], one, is_whole)

    def retrieve(self, call: Call) -> Response:
        """Answers records by their ids in the same order, null for what is not there."""
        kind = self._named(call)
        given = call.object(errors.unreadable) if call.method == "POST" else _split(call)
        fields, renderer = given.get("fields") or ["Id"], Renderer(self.crm.store, call.params["version"], False)
        found: list[Row | None] = []
        for id in given.get("ids") or []:
            try:
                found.append(renderer.shown(kind, self.writer.there(kind, id), fields))
            except Failed:
                found.append(None)
        return answer(found)

    def _named(self, call: Call) -> SObject:
        try:
            return self.writer.kind(call.params["type"])
        except Failed as failed:
            raise failed.refusal() from None

    def _kind(self, row: Row) -> SObject:
        attributes = row.get("attributes") if isinstance(row, dict) else None
        if not isinstance(attributes, dict) or not attributes.get("type") or next(iter(row)) != "attributes":
            raise Failed("JSON_PARSER_ERROR", "attributes with a type are needed first in every record", [])
        return self.writer.kind(attributes["type"])

    def _each(self, call: Call, one: Callable[[Row], Row]) -> Response:
        given = call.object(errors.unreadable)
        rows = given.get("records")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Refused(errors.unreadable("records must be a list of objects"))
        _must_not_exceed(len(rows))
        types = [(row.get("attributes") or {}).get("type") for row in rows]
        if sum(1 for _ in itertools.groupby(types)) > CHUNKS:
            raise Refused(errors.error("LIMIT_EXCEEDED", f"at most {CHUNKS} chunks of records of one type"))
        return self._outcomes(rows, one, bool(given.get("allOrNone")))

    def _outcomes(self, rows: list[Row], one: Callable[[Row], Row], is_whole: bool) -> Response:
        connection = self.crm.store.connection
        connection.execute("savepoint collection")
        outcomes = [_outcome(row, one) for row in rows]
        if is_whole and not all(each["success"] for each in outcomes):
            connection.execute("rollback to collection")
            message = "Record rolled back because not all records were valid and the request was using AllOrNone header"
            undone = Failed("ALL_OR_NONE_OPERATION_ROLLED_BACK", message).row()
            outcomes = [undone if each["success"] else each for each in outcomes]
        connection.execute("release collection")
        return answer(outcomes)


def _outcome(row: Row, one: Callable[[Row], Row]) -> Row:
    try:
        return one(row)
    except Failed as failed:
        return failed.row()
    except Several as several:
        message = f"{len(several.records)} records have this external id"
        return Failed("DUPLICATE_EXTERNAL_ID", message, []).row()


def _done(id: str) -> Row:
    return {"id": id, "success": True, "errors": []}


def _must_not_exceed(number: int) -> None:
    if number > MOST:
        message = f"record limit reached. cannot submit more than {MOST} records into this call"
        raise Refused(errors.error("EXCEEDED_MAX_RECORDS", message))


def _split(call: Call) -> Row:
    return {name: call.query.get(name, "").split(",") for name in ("ids", "fields")}
