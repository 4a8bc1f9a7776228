"""The calls that write one record."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from pipelines.sandbox.crms.hubspot import errors
from pipelines.sandbox.crms.hubspot.objects import Objects
from pipelines.sandbox.crms.hubspot.reading import ROOTS
from pipelines.sandbox.crms.hubspot.schema import ObjectType
from pipelines.sandbox.crms.hubspot.writing import Failed, Writer, refuse
from pipelines.sandbox.store import Record
from pipelines.sandbox.wire import Call, Refused, Route, answer


class SingleCalls:
    """Create, update, archive, merge and erase."""

    def __init__(self, objects: Objects, writer: Writer) -> None:
        self.objects, self.writer = objects, writer

    def routes(self) -> list[Route]:
        """Returns the routes."""
        return [
            route
            for root in ROOTS
            for route in (
                Route("POST", root, self.create),
                Route("POST", f"{root}/merge", self.merge),
                Route("POST", f"{root}/gdpr-delete", self.erase),
                Route("PATCH", f"{root}/{{id}}", self.update),
                Route("DELETE", f"{root}/{{id}}", self.archive),
            )
        ]

    def create(self, call: Call) -> Response:
        """Answers 201 with what was set, or 409 with the id of the record that has the address."""
        kind, given = self._kind(call), call.object(errors.invalid)
        try:
            record = self.writer.create(kind, given)
        except Failed as failed:
            raise refuse(failed) from None
        return answer(self.objects.shown(kind, record, list(given["properties"])), 201)

    def update(self, call: Call) -> Response:
        """Answers 200 with the properties that were touched, not with the whole record."""
        kind, given = self._kind(call), call.object(errors.invalid)
        record = self._there(kind, call.params["id"], call.query.get("idProperty"))
        try:
            kept = self.writer.update(kind, record, given.get("properties"))
        except Failed as failed:
            raise refuse(failed) from None
        return answer(touched(self.objects.shown(kind, record, list(kept)), kept))

    def archive(self, call: Call) -> Response:
        """Answers 204; a record that is already archived stays so."""
        is_there = self.writer.archive(self._kind(call), call.params["id"])
        return answer(None, 204) if is_there else errors.not_found()

    def merge(self, call: Call) -> Response:
        """Answers {primaryObjectId, objectIdToMerge} with the winner."""
        kind, given = self._kind(call), call.object(errors.invalid)
        winner = self._there(kind, str(given.get("primaryObjectId")), None)
        loser = self._there(kind, str(given.get("objectIdToMerge")), None)
        if winner.id == loser.id:
            raise Refused(errors.invalid("A record cannot be merged with itself"))
        return answer(self.objects.shown(kind, self.writer.merge(kind, winner, loser), []))

    def erase(self, call: Call) -> Response:
        """Answers {objectId, idProperty} with 204, having erased a contact for good."""
        kind, given = self._kind(call), call.object(errors.invalid)
        if kind.name != "contacts":
            raise Refused(errors.not_found())
        self.writer.erase(kind, self._there(kind, str(given.get("objectId")), given.get("idProperty")))
        return answer(None, 204)

    def _kind(self, call: Call) -> ObjectType:
        return self.objects.kind(call.params["type"])

    def _there(self, kind: ObjectType, id: str, id_property: Any) -> Record:
        record = self.objects.find(kind, id, id_property)
        if record is None:
            raise Refused(errors.not_found())
        return record


def touched(shown: dict[str, Any], kept: dict[str, str | None]) -> dict[str, Any]:
    """Returns an answer to an update: a property that was cleared shows as ""."""
    shown["properties"] |= {name: "" for name, value in kept.items() if value == ""}
    return shown
