"""The calls that read many records: query, queryAll, their further pages, and what was updated or deleted lately.

Source: fact sheet 2.2. Further pages hang on a cursor that lives two days (UNVERIFIED) and not past a restart. The
recycle bin, which queryAll shows, empties after `bin_days`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.salesforce import errors
from pipelines.sandbox.crms.salesforce.ids import record_id
from pipelines.sandbox.crms.salesforce.query import Renderer, Sql, checked, found_ids, source_of
from pipelines.sandbox.crms.salesforce.schema import SObject, sobject
from pipelines.sandbox.crms.salesforce.soql import Comparison, Joined, Literal, Select, parse
from pipelines.sandbox.wire import Call, Refused, Route, answer

DATA = "/services/data/{version}"
DAY = 86_400.0
CURSOR_DAYS, UPDATED_DAYS, DELETED_DAYS, MOST_OFFSET = 2, 30, 15, 2_000


@dataclass(frozen=True, slots=True)
class _Cursor:
    kind: SObject
    select: Select
    ids: list[str]
    with_deleted: bool
    size: int
    opened: float


class QueryCalls:
    """Queries of one organisation."""

    def __init__(self, crm: Crm) -> None:
        self.crm, self.store = crm, crm.store
        self.cursors: dict[str, _Cursor] = {}
        self._numbers = itertools.count(1)
        connection = self.store.connection
        connection.create_function("fold", 1, lambda text: str(text).lower() if text is not None else None)
        # children of a record, and the holder of a key, are found without reading every record
        for name in ("OpportunityId", "ContactId", "AccountId", "External_Id__c"):
            connection.execute(f"create index if not exists sf_{name} on records (entity, body ->> '$.{name}')")

    def routes(self) -> list[Route]:
        """Returns the routes."""
        return [
            Route("GET", f"{DATA}/query", self.query),
            Route("GET", f"{DATA}/queryAll", self.query_all),
            Route("GET", f"{DATA}/query/{{locator}}", self.more),
            Route("GET", f"{DATA}/queryAll/{{locator}}", self.more),
            Route("GET", f"{DATA}/sobjects/{{type}}/updated", self.updated),
            Route("GET", f"{DATA}/sobjects/{{type}}/deleted", self.deleted),
        ]

    def query(self, call: Call) -> Response:
        """Answers a query of what is not deleted."""
        return self._answer(call, with_deleted=False)

    def query_all(self, call: Call) -> Response:
        """Answers a query that also sees the recycle bin."""
        return self._answer(call, with_deleted=True)

    def _answer(self, call: Call, with_deleted: bool) -> Response:
        text = call.query.get("q")
        if not text:
            raise errors.malformed("A query string has to be specified")
        select = parse(text)
        kind = source_of(select)
        checked(kind, select)
        if select.offset > MOST_OFFSET:
            message = f"Maximum SOQL offset allowed is {MOST_OFFSET}"
            raise Refused(errors.error("NUMBER_OUTSIDE_VALID_RANGE", message))
        is_wide = with_deleted or select.all_rows
        counted = next((each for each in select.fields if isinstance(each, str) and "(" in each), None)
        if counted and counted != "count()":
            is_filled = Comparison(counted[6:-1], "!=", Literal("null", None))
            select.where = Joined("and", [select.where, is_filled]) if select.where else is_filled
        ids = found_ids(self.store, kind, select, is_wide, self._unpurged() if is_wide else None)
        if counted:
            return _count(counted, len(ids))
        size = _batch_size(call, self.crm.switches["batch_size"])
        return self._page(call, _Cursor(kind, select, ids, is_wide, size, self.crm.clock.now()), 0, "")

    def _unpurged(self) -> Sql:
        gone = self.crm.clock.now() - self.crm.switches["bin_days"] * DAY
        return Sql("deleted = 0 or modified >= ?", [gone])

    def _page(self, call: Call, cursor: _Cursor, begin: int, locator: str) -> Response:
        version = call.params["version"]
        renderer = Renderer(self.store, version, cursor.with_deleted)
        end = begin + cursor.size
        rows = [row for id in cursor.ids[begin:end] if (row := self.store.get(cursor.kind.name, id))]
        shown = [renderer.shown(cursor.kind, row, cursor.select.fields) for row in rows]
        is_done = end >= len(cursor.ids)
        body: dict[str, Any] = {"totalSize": len(cursor.ids), "done": is_done}
        if not is_done:
            locator = locator or self._opened(cursor)
            body["nextRecordsUrl"] = f"{urlsplit(call.origin).path}/services/data/{version}/query/{locator}-{end}"
        return answer(body | {"records": shown})

    def _opened(self, cursor: _Cursor) -> str:
        locator = record_id("01g", next(self._numbers))
        self.cursors[locator] = cursor
        return locator

    def more(self, call: Call) -> Response:
        """Answers the next page of a query, as it was when it was asked."""
        locator, _, begin = call.params["locator"].partition("-")
        cursor = self.cursors.get(locator)
        is_old = cursor is not None and self.crm.clock.now() - cursor.opened > CURSOR_DAYS * DAY
        if cursor is None or is_old or not begin.isdigit():
            raise Refused(errors.error("INVALID_QUERY_LOCATOR", "invalid query locator"))
        return self._page(call, cursor, int(begin), locator)

    def updated(self, call: Call) -> Response:
        """Answers the ids that changed in a window of at most 30 days back; seconds are dropped."""
        kind, start, end = self._window(call, UPDATED_DAYS)
        rows = self._changed(kind, start, end, deleted=0)
        return answer({"ids": [row.id for row in rows], "latestDateCovered": stamp(end)})

    def deleted(self, call: Call) -> Response:
        """Answers what was deleted in a window of at most 15 days back; seconds are dropped."""
        kind, start, end = self._window(call, DELETED_DAYS)
        rows = self._changed(kind, start, end, deleted=1)
        return answer({
            "deletedRecords": [{"id": row.id, "deletedDate": stamp(row.modified)} for row in rows],
            "earliestDateAvailable": stamp(self.crm.clock.now() - DELETED_DAYS * DAY),
            "latestDateCovered": stamp(end),
        })  # fmt: skip

    def _changed(self, kind: SObject, start: float, end: float, deleted: int) -> list[Any]:
        where = f"deleted = {deleted} and modified >= ? and modified < ?"
        if self.store.count(kind.name, where, [start, end]) > self.crm.switches["id_limit"]:
            raise Refused(errors.error("EXCEEDED_ID_LIMIT", "exceeded the number of ids of one call"))
        return self.store.select(kind.name, where, [start, end], order="modified, seq")

    def _window(self, call: Call, days: int) -> tuple[SObject, float, float]:
        kind = sobject(call.params["type"])
        if kind is None:
            raise Refused(errors.not_found())
        try:
            # a "+" of an offset that was not encoded arrives as a blank
            start, end = (clock.parse_time(call.query[name].replace(" ", "+")) // 60 * 60 for name in ("start", "end"))
        except (KeyError, ValueError):
            raise Refused(errors.error("INVALID_REPLICATION_DATE", "start and end must be dates with a zone")) from None
        if start < self.crm.clock.now() - days * DAY or start >= end:
            message = f"start must be before end and at most {days} days back"
            raise Refused(errors.error("INVALID_REPLICATION_DATE", message))
        return kind, start, end


def stamp(seconds: float) -> str:
    """Writes a time as 2026-05-01T07:25:37.000+0000; there are no parts of seconds."""
    return f"{clock.moment(int(seconds)):%Y-%m-%dT%H:%M:%S}.000+0000"


def _count(counted: str, number: int) -> Response:
    if counted == "count()":
        return answer({"totalSize": number, "done": True, "records": []})
    row = {"attributes": {"type": "AggregateResult"}, "expr0": number}
    return answer({"totalSize": 1, "done": True, "records": [row]})


def _batch_size(call: Call, default: int) -> int:
    """Reads `Sforce-Query-Options: batchSize=`, a hint between 200 and 2,000."""
    name, _, size = call.headers.get("sforce-query-options", "").replace(" ", "").partition("=")
    if name.lower() != "batchsize" or not size.isdigit():
        return default
    return min(max(int(size), 200), 2_000, max(default, 200))
