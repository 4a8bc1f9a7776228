"""The calls for one record, and what the organisation says of itself.

Source: fact sheet 2.2 to 2.4.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

from starlette.responses import Response

from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.salesforce import describing, errors
from pipelines.sandbox.crms.salesforce.errors import Failed
from pipelines.sandbox.crms.salesforce.query import Renderer
from pipelines.sandbox.crms.salesforce.query_calls import DATA
from pipelines.sandbox.crms.salesforce.schema import OBJECTS, SObject
from pipelines.sandbox.crms.salesforce.writing import Several, Writer, allows_duplicates
from pipelines.sandbox.store import Record
from pipelines.sandbox.wire import Call, Refused, Route, answer

VERSIONS = (("58.0", "Summer '23"), ("59.0", "Winter '24"), ("60.0", "Spring '24"), ("67.0", "Summer '26"))


class RecordCalls:
    """Reading, writing and describing."""

    def __init__(self, crm: Crm, writer: Writer) -> None:
        self.crm, self.writer = crm, writer

    def routes(self) -> list[Route]:
        """Returns the routes; the ones with fewer parts come last."""
        kind = f"{DATA}/sobjects/{{type}}"
        return [
            Route("GET", "/services/data", self.versions, public=True),
            Route("GET", f"{DATA}/limits", self.limits),
            Route("GET", f"{DATA}/sobjects", self.sobjects),
            Route("GET", f"{kind}/describe", self.describe),
            Route("GET", kind, self.basic),
            Route("POST", kind, self.create),
            Route("GET", f"{kind}/{{id}}", self.read),
            Route("PATCH", f"{kind}/{{id}}", self.update),
            Route("DELETE", f"{kind}/{{id}}", self.delete),
            Route("GET", f"{kind}/{{field}}/{{value}}", self.read_by_key),
            Route("PATCH", f"{kind}/{{field}}/{{value}}", self.upsert),
            Route("DELETE", f"{kind}/{{field}}/{{value}}", self.delete_by_key),
        ]

    def versions(self, call: Call) -> Response:  # noqa: ARG002
        """Answers the versions of the API; no login is needed."""
        return answer([
            {"label": label, "url": f"/services/data/v{number}", "version": number} for number, label in VERSIONS
        ])  # fmt: skip

    def limits(self, call: Call) -> Response:  # noqa: ARG002
        """Answers what is left of the limits."""
        most = self.crm.switches["daily_requests"]
        left = self.crm.limiter.left("org", self.crm.limiter.limits[0])
        return answer({
            "DailyApiRequests": {"Max": most, "Remaining": max(0, left)},
            "DailyBulkApiBatches": {"Max": 15_000, "Remaining": 15_000},
            "DataStorageMB": {"Max": 5, "Remaining": 4},
        })  # fmt: skip

    def sobjects(self, call: Call) -> Response:
        """Answers the objects there are."""
        listed = [describing.basics(kind, call.params["version"]) for kind in OBJECTS.values()]
        return answer({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": listed})

    def basic(self, call: Call) -> Response:
        """Answers an object in short, with the records last seen."""
        kind = self._kind(call)
        return answer({"objectDescribe": describing.basics(kind, call.params["version"]), "recentItems": []})

    def describe(self, call: Call) -> Response:
        """Answers an object with its fields."""
        return answer(describing.described(self._kind(call), call.params["version"]))

    def create(self, call: Call) -> Response:
        """Answers 201 with the id."""
        try:
            record = self.writer.create(self._kind(call), self._body(call), allows_duplicates(call))
        except Failed as failed:
            raise failed.refusal() from None
        return answer({"id": record.id, "success": True, "errors": []}, 201)

    def read(self, call: Call) -> Response:
        """Answers the record, or 304 where it has not changed since `If-Modified-Since`."""
        kind, record = self._there(call)
        if (since := _moment(call, "if-modified-since")) is not None and record.modified <= since:
            return answer(None, 304)
        return answer(self._shown(call, kind, record))

    def update(self, call: Call) -> Response:
        """Answers 204; 412 where it has changed since `If-Unmodified-Since`."""
        kind, record = self._there(call)
        if (since := _moment(call, "if-unmodified-since")) is not None and record.modified > since:
            message = "The precondition of the request was not met"
            raise Refused(errors.error("PRECONDITION_FAILED", message, 412))
        try:
            self.writer.update(kind, record, self._body(call))
        except Failed as failed:
            raise failed.refusal() from None
        return answer(None, 204)

    def delete(self, call: Call) -> Response:
        """Answers 204."""
        return self._deleted(*self._there(call))

    def read_by_key(self, call: Call) -> Response:
        """Answers the record with this external id; 300 where there are several."""
        kind, record = self._by_key(call)
        return answer(self._shown(call, kind, record))

    def delete_by_key(self, call: Call) -> Response:
        """Answers 204."""
        return self._deleted(*self._by_key(call))

    def upsert(self, call: Call) -> Response:
        """Answers 201 or 200; 300 where several records have the key; `updateOnly=true` does not create."""
        kind, key = self._kind(call), (call.params["field"], call.params["value"])
        may_create = call.query.get("updateOnly") != "true"
        try:
            record, is_new = self.writer.upsert(
                kind, key, self._body(call), may_create=may_create, allows_duplicates=allows_duplicates(call)
            )
        except Failed as failed:
            raise failed.refusal() from None
        except Several as several:
            raise _choices(call, several.records) from None
        body = {"id": record.id, "success": True, "errors": [], "created": is_new}
        return answer(body, 201 if is_new else 200)

    def _deleted(self, kind: SObject, record: Record) -> Response:
        try:
            self.writer.delete(kind, record)
        except Failed as failed:
            raise failed.refusal() from None
        return answer(None, 204)

    def _kind(self, call: Call) -> SObject:
        try:
            return self.writer.kind(call.params["type"])
        except Failed as failed:
            raise failed.refusal() from None

    def _there(self, call: Call) -> tuple[SObject, Record]:
        try:
            kind = self.writer.kind(call.params["type"])
            return kind, self.writer.there(kind, call.params["id"])
        except Failed as failed:
            raise failed.refusal() from None

    def _by_key(self, call: Call) -> tuple[SObject, Record]:
        kind = self._kind(call)
        try:
            found = self.writer.keyed(kind, call.params["field"], call.params["value"])
        except Failed as failed:
            raise failed.refusal() from None
        if len(found) > 1:
            raise _choices(call, found)
        if not found:
            raise Refused(errors.not_found())
        return kind, found[0]

    def _body(self, call: Call) -> dict[str, Any]:
        return call.object(errors.unreadable)

    def _shown(self, call: Call, kind: SObject, record: Record) -> dict[str, Any]:
        asked = [name for name in call.query.get("fields", "").split(",") if name]
        renderer = Renderer(self.crm.store, call.params["version"], with_deleted=False)
        return renderer.shown(kind, record, list(asked) or list(kind.fields))


def _choices(call: Call, records: list[Record]) -> Refused:
    base = f"/services/data/{call.params['version']}/sobjects"
    return Refused(answer([f"{base}/{record.entity}/{record.id}" for record in records], 300))


def _moment(call: Call, header: str) -> float | None:
    try:
        return parsedate_to_datetime(call.headers[header]).timestamp()
    except (KeyError, ValueError):
        return None
