"""The calls that read objects: lists, single records, batches and the search.

Source: fact sheet 1.2. UNVERIFIED: that a `limit` over 100 (50 with history) is refused rather than cut; that what was
merged away stands in no list.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.crms.hubspot import errors, search
from pipelines.sandbox.crms.hubspot.links import End, Links
from pipelines.sandbox.crms.hubspot.objects import ERASED, MERGED_INTO, RECYCLED_AFTER, Objects, names, wants_archived
from pipelines.sandbox.crms.hubspot.schema import ObjectType
from pipelines.sandbox.store import Record
from pipelines.sandbox.wire import Call, Refused, Route, answer, whole_number

LIST_PAGE, HISTORY_PAGE, BATCH = 100, 50, 100
ALIVE = "deleted = 0"
ARCHIVED = f"deleted = 1 and modified >= ? and body ->> '$.{MERGED_INTO}' is null and body ->> '$.{ERASED}' is null"
# where the objects are: the numbered version, and the versions named after the month they came out
ROOTS = ("/crm/v3/objects/{type}", "/crm/objects/{version}/{type}")


class Reading:
    """The reading calls of one portal."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.crm = objects.crm
        self.links = Links(objects.crm.store)
        connection = self.crm.store.connection
        # finding the holder of an address must not read every contact
        connection.execute("create index if not exists hubspot_email on records (entity, body ->> '$.\"email\"')")
        connection.create_function("has_token", 2, search.has_token, deterministic=True)

    def routes(self) -> list[Route]:
        """Returns the routes."""
        return [
            route
            for root in ROOTS
            for route in (
                Route("GET", root, self.page),
                Route("POST", f"{root}/search", self.search),
                Route("POST", f"{root}/batch/read", self.batch),
                Route("GET", f"{root}/{{id}}", self.one),
            )
        ]

    def page(self, call: Call) -> Response:
        """Answers records in the order of their ids; `after` is the id where the page begins."""
        kind = self.objects.kind(call.params["type"])
        history = names(call, "propertiesWithHistory")
        limit = whole_number(call.query.get("limit"), 10, lambda: errors.invalid("limit is not a number"), low=1)
        most = HISTORY_PAGE if history else LIST_PAGE
        if limit > most:
            raise Refused(errors.invalid(f"limit must be at most {most}"))
        where, values = ALIVE, list[Any]()
        if wants_archived(call):
            where, values = ARCHIVED, [self.crm.clock.now() - RECYCLED_AFTER]
        if after := call.query.get("after"):
            where, values = f"({where}) and seq >= ?", [*values, self._begin(kind, after)]
        found = self.crm.store.select(kind.name, where, values, limit=limit + 1)
        body: dict[str, Any] = {"results": [self._shown(kind, record, call) for record in found[:limit]]}
        if len(found) > limit:
            body["paging"] = {"next": {"after": found[limit].id, "link": _link(call, found[limit].id)}}
        return answer(body)

    def _begin(self, kind: ObjectType, after: str) -> int:
        number = whole_number(after, 0, lambda: errors.invalid("after is not a number"))
        if record := self.crm.store.get(kind.name, after):
            return record.seq
        later = self.crm.store.select(kind.name, "cast(id as integer) >= ?", [number], limit=1)
        return later[0].seq if later else 2**62

    def one(self, call: Call) -> Response:
        """Answers one record, by its id or by a unique property; archived ones only when asked for."""
        kind, id = self.objects.kind(call.params["type"]), call.params["id"]
        if wants_archived(call):
            record = self.objects.get(kind, id)
            record = record if record and record.deleted else None
        else:
            record = self.objects.find(kind, id, call.query.get("idProperty"))
        return errors.not_found() if record is None else answer(self._shown(kind, record, call))

    def _shown(self, kind: ObjectType, record: Record, call: Call) -> Any:
        body = self.objects.shown(kind, record, names(call, "properties"), names(call, "propertiesWithHistory"))
        linked = {}
        for name in names(call, "associations"):
            other = self.objects.kind(name)
            found = self.links.of(End(kind, record.id), other)
            named = [{"id": to, "type": each.v3} for to, types in found.items() for each in types if each.v3]
            if named:
                linked[other.name] = {"results": named}
        return body | ({"associations": linked} if linked else {})

    def batch(self, call: Call) -> Response:
        """Answers up to 100 records; 207 where some are not there."""
        kind, given = self.objects.kind(call.params["type"]), call.object(errors.invalid)
        inputs = given.get("inputs")
        if not isinstance(inputs, list) or len(inputs) > BATCH:
            raise Refused(errors.invalid(f"inputs must be a list of at most {BATCH}"))
        wanted = dict.fromkeys(str(each.get("id")) for each in inputs)
        found = {id: self.objects.find(kind, id, given.get("idProperty")) for id in wanted}
        shown = {
            record.id: self.objects.shown(
                kind, record, given.get("properties") or [], given.get("propertiesWithHistory")
            )
            for record in found.values()
            if record
        }
        missing = [id for id, record in found.items() if record is None]
        return batch_answer(self.crm.clock.now(), list(shown.values()), not_there(missing))

    def search(self, call: Call) -> Response:
        """Answers what fits, from an index that may lag behind; archived records are never in it."""
        kind, given = self.objects.kind(call.params["type"]), call.object(errors.invalid)
        properties = self.objects.properties(kind)
        where, values = search.conditions(kind, properties, given)
        offset, limit = search.window(given, self.crm.switches["search_cap"])
        order = search.order(kind, properties, given.get("sorts"))
        total, found = self._indexed(kind, where or "true", values, order, (offset, limit))
        wanted = given.get("properties") or []
        body: dict[str, Any] = {
            "total": total, "results": [self.objects.shown(kind, record, wanted) for record in found],
        }  # fmt: skip
        if offset + limit < total:
            body["paging"] = {"next": {"after": str(offset + limit)}}
        return answer(body)

    def _indexed(
        self, kind: ObjectType, where: str, values: list[Any], order: str, window: tuple[int, int]
    ) -> tuple[int, list[Record]]:
        """Searches; of records written within the lag the index has the version before, if there was one."""
        offset, limit = window
        store, entity, lag = self.crm.store, kind.name, self.crm.switches["index_lag"]
        condition = f"({where}) and deleted = 0"
        if not lag:
            return store.count(entity, condition, values), store.select(
                entity, condition, values, order=order, limit=limit, offset=offset
            )
        cut = self.crm.clock.now() - lag
        fresh = "select id from records where entity = ? and modified > ?"
        table = (
            f"(select * from records where entity = '{entity}' and modified <= {cut!r} union all "
            f"select * from records where entity = '{before(entity)}' and id in ({fresh}))"
        )
        rows = store.connection.execute(
            f"select entity, id from {table} where {condition} order by {order}", (entity, cut, *values)
        ).fetchall()
        found = [store.get(*row) for row in rows[offset : offset + limit]]
        return len(rows), [record for record in found if record]


def before(entity: str) -> str:
    """Returns the kind under which the store keeps what the index still shows of changed records."""
    return f"{entity} before"


def not_there(ids: list[str]) -> list[dict[str, Any]]:
    """Returns the one error that a 207 has for all ids that were not found."""
    if not ids:
        return []
    return [errors.row_error("OBJECT_NOT_FOUND", f"Could not get some objects: {', '.join(ids)}", {"ids": ids})]


def batch_answer(now: float, results: list[Any], failed: list[dict[str, Any]], status: int = 200) -> Response:
    """Answers a batch: `status` where all went well, 207 with `errors` and `numErrors` otherwise."""
    at = clock.iso_millis(now)
    body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": at, "completedAt": at}
    if failed:
        body |= {"numErrors": len(failed), "errors": failed}
    return answer(body, 207 if failed else status)


def _link(call: Call, after: str) -> str:
    kept = [(key, value) for key, value in call.query_list if key != "after"]
    return f"{call.origin}{call.path}?{urlencode([*kept, ('after', after)])}"
