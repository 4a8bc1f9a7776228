"""The calls that read and write associations: v4, and the older v3 batches.

Source: fact sheet 1.3. `toObjectId` is a number on the wire, whatever the specification says. UNVERIFIED: the text and
context of NO_ASSOCIATIONS_FOUND; what an association with a record that is not there is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from starlette.responses import Response

from pipelines.sandbox.crms.hubspot import errors
from pipelines.sandbox.crms.hubspot.links import LINK_TYPES, End, Links, LinkType, link_type
from pipelines.sandbox.crms.hubspot.objects import Objects
from pipelines.sandbox.crms.hubspot.reading import batch_answer
from pipelines.sandbox.crms.hubspot.schema import ObjectType
from pipelines.sandbox.wire import Call, Refused, Route, answer, whole_number

READ, WRITTEN, PAGE = 1_000, 2_000, 500
Row = dict[str, Any]
Ends = tuple[End, End]


class LinkCalls:
    """Associations, one by one and in batches."""

    def __init__(self, objects: Objects, links: Links) -> None:
        self.objects, self.links, self.crm = objects, links, objects.crm

    def routes(self) -> list[Route]:
        """Returns the routes."""
        one, many, older = (
            "/crm/v4/objects/{from}/{id}/associations", "/crm/v4/associations/{from}/{to}",
            "/crm/v3/associations/{from}/{to}/batch",
        )  # fmt: skip
        return [
            Route("PUT", f"{one}/default/{{to}}/{{to_id}}", self.join_default),
            Route("PUT", f"{one}/{{to}}/{{to_id}}", self.join),
            Route("DELETE", f"{one}/{{to}}/{{to_id}}", self.part),
            Route("GET", f"{one}/{{to}}", self.page),
            Route("GET", f"{many}/labels", self.labels),
            Route("POST", f"{many}/batch/read", self.batch_read),
            Route("POST", f"{many}/batch/create", self.batch_create),
            Route("POST", f"{many}/batch/archive", self.batch_archive),
            Route("POST", f"{many}/batch/associate/default", self.batch_default),
            Route("POST", f"{many}/batch/labels/archive", self.batch_labels_archive),
            Route("POST", f"{older}/read", self.older_read),
            Route("POST", f"{older}/create", self.older_create),
            Route("POST", f"{older}/archive", self.older_archive),
        ]

    def join_default(self, call: Call) -> Response:
        """Associates two records without a label; answers both directions, 200."""
        ends = self._ends(call, call.params["id"], call.params["to_id"])
        return batch_answer(self.crm.clock.now(), self._joined_default(ends), [])

    def join(self, call: Call) -> Response:
        """Associates two records by the types of the body, a list; 201."""
        ends = self._ends(call, call.params["id"], call.params["to_id"])
        try:
            given = call.json()
        except ValueError:
            raise Refused(errors.invalid("the body is not JSON")) from None
        return answer(self._joined(ends, given), 201)

    def part(self, call: Call) -> Response:
        """Ends every association of two records; 204."""
        start, end = self._kinds(call)
        self.links.part(End(start, call.params["id"]), End(end, call.params["to_id"]))
        return answer(None, 204)

    def page(self, call: Call) -> Response:
        """Answers what a record is associated with, up to 500 at once."""
        start, end = self._kinds(call)
        limit = whole_number(call.query.get("limit"), PAGE, lambda: errors.invalid("limit is not a number"), low=1)
        found = self._to(End(start, call.params["id"]), end)
        begin = call.query.get("after", "")
        rest = [each for each in found if str(each["toObjectId"]) >= begin]
        body: Row = {"results": rest[: min(limit, PAGE)]}
        if len(rest) > min(limit, PAGE):
            after = str(rest[min(limit, PAGE)]["toObjectId"])
            link = f"{call.origin}{call.path}?limit={limit}&after={after}"
            body["paging"] = {"next": {"after": after, "link": link}}
        return answer(body)

    def labels(self, call: Call) -> Response:
        """Answers the types between two kinds of objects."""
        start, end = self._kinds(call)
        return answer({"results": [each.shown() for each in LINK_TYPES.get((start.name, end.name), [])]})

    def batch_read(self, call: Call) -> Response:
        """Answers what up to 1,000 records are associated with; 207 where some have nothing."""
        return self._read(call, self._to)

    def batch_create(self, call: Call) -> Response:
        """Associates up to 2,000 pairs; 201, or 207."""

        def one(row: Row) -> list[Row]:
            return [self._joined(self._ends(call, row["from"]["id"], row["to"]["id"]), row.get("types"))]

        return self._write(call, one, 201)

    def batch_default(self, call: Call) -> Response:
        """Associates up to 2,000 pairs without a label; 200, or 207."""
        return self._write(
            call, lambda row: self._joined_default(self._ends(call, row["from"]["id"], row["to"]["id"])), 200
        )

    def batch_archive(self, call: Call) -> Response:
        """Ends associations of records with each of a list; 204."""
        start, end = self._kinds(call)
        for row in _rows(call, WRITTEN):
            for to in row["to"] if isinstance(row["to"], list) else [row["to"]]:
                self.links.part(End(start, str(row["from"]["id"])), End(end, str(to["id"])))
        return answer(None, 204)

    def batch_labels_archive(self, call: Call) -> Response:
        """Takes labels off associations; 204."""
        for row in _rows(call, WRITTEN):
            start, end = self._ends(call, row["from"]["id"], row["to"]["id"])
            self.links.part(start, end, self._types((start, end), row.get("types")))
        return answer(None, 204)

    def older_read(self, call: Call) -> Response:
        """Answers associations as v3 names them."""

        def to(start: End, kind: ObjectType) -> list[Row]:
            found = self.links.of(start, kind).items()
            return [{"id": id, "type": each.v3} for id, types in found for each in types if each.v3]

        return self._read(call, to)

    def older_create(self, call: Call) -> Response:
        """Associates pairs by the name of a type; answers both directions, 201."""

        def one(row: Row) -> list[Row]:
            start, end = self._ends(call, row["from"]["id"], row["to"]["id"])
            there = next((each for each in _between(start, end) if each.v3 == row.get("type")), None)
            if there is None:
                raise Refused(errors.invalid(f"unknown association type {row.get('type')}"))
            back = next(each for each in _between(end, start) if each.ids == there.ids[::-1])
            self.links.join(start, end, [there], self.crm.clock.now())
            ends = {"from": {"id": start.id}, "to": {"id": end.id}}
            return [ends | {"type": there.v3}, {"from": ends["to"], "to": ends["from"], "type": back.v3}]

        return self._write(call, one, 201)

    def older_archive(self, call: Call) -> Response:
        """Ends associations of pairs; 204."""
        start, end = self._kinds(call)
        for row in _rows(call, WRITTEN):
            self.links.part(End(start, str(row["from"]["id"])), End(end, str(row["to"]["id"])))
        return answer(None, 204)

    def _kinds(self, call: Call) -> tuple[ObjectType, ObjectType]:
        start, end = self.objects.kind(call.params["from"]), self.objects.kind(call.params["to"])
        if (start.name, end.name) not in LINK_TYPES:
            raise Refused(errors.invalid(f"{start.name} are not associated with {end.name}"))
        return start, end

    def _ends(self, call: Call, id: Any, to: Any) -> Ends:
        ends = [End(kind, str(each)) for kind, each in zip(self._kinds(call), (id, to), strict=True)]
        for end in ends:
            if self.objects.find(end.kind, end.id, None) is None:
                raise Refused(errors.not_found(f"{end.kind.one} with id {end.id} not found"))
        return ends[0], ends[1]

    def _to(self, start: End, kind: ObjectType) -> list[Row]:
        found = self.links.of(start, kind).items()
        return [{"toObjectId": int(id), "associationTypes": [each.shown() for each in types]} for id, types in found]

    def _types(self, ends: Ends, given: Any) -> list[LinkType]:
        if not isinstance(given, list) or not given:
            raise Refused(errors.invalid("a list of association types is needed"))
        found = [
            link_type(ends[0].kind, ends[1].kind, each.get("associationCategory", ""), each.get("associationTypeId", 0))
            for each in given
        ]
        if None in found:
            raise Refused(errors.invalid(f"unknown association types {given}"))
        return [each for each in found if each]

    def _joined(self, ends: Ends, given: Any) -> Row:
        start, end = ends
        types = self._types(ends, given)
        self.links.join(start, end, types, self.crm.clock.now())
        return {
            "fromObjectTypeId": start.kind.type_id, "fromObjectId": int(start.id),
            "toObjectTypeId": end.kind.type_id, "toObjectId": int(end.id),
            "labels": [each.label for each in types if each.label],
        }  # fmt: skip

    def _joined_default(self, ends: Ends) -> list[Row]:
        self.links.join(*ends, [], self.crm.clock.now())
        return [
            {"from": {"id": a.id}, "to": {"id": b.id}, "associationSpec": {
                "associationCategory": "HUBSPOT_DEFINED", "associationTypeId": _between(a, b)[0].ids[0]}}
            for a, b in (ends, ends[::-1])
        ]  # fmt: skip

    def _read(self, call: Call, to: Callable[[End, ObjectType], list[Row]]) -> Response:
        start, end = self._kinds(call)
        found = {str(row["id"]): to(End(start, str(row["id"])), end) for row in _rows(call, READ, ())}
        results = [{"from": {"id": id}, "to": many} for id, many in found.items() if many]
        failed = [
            errors.row_error(
                "OBJECT_NOT_FOUND", f"No {end.one} is associated with {start.one} {id}.",
                {"fromObjectId": [id], "fromObjectType": [start.one], "toObjectType": [end.one]},
                subCategory="crm.associations.NO_ASSOCIATIONS_FOUND",
            )
            for id, many in found.items() if not many
        ]  # fmt: skip
        return batch_answer(self.crm.clock.now(), results, failed)

    def _write(self, call: Call, one: Callable[[Row], list[Row]], status: int) -> Response:
        results, failed = list[Row](), list[Row]()
        for row in _rows(call, WRITTEN):
            try:
                results += one(row)
            except Refused as refused:
                told = _told(refused)
                context = {"fromObjectId": [str(row["from"]["id"])], "toObjectId": [str(row["to"]["id"])]}
                failed.append(errors.row_error(told["category"], told["message"], context))
        return batch_answer(self.crm.clock.now(), results, failed, status)


def _between(start: End, end: End) -> list[LinkType]:
    return LINK_TYPES[start.kind.name, end.kind.name]


def _told(refused: Refused) -> Row:
    return dict(orjson.loads(refused.answer.body))


def _rows(call: Call, most: int, ends: tuple[str, ...] = ("from", "to")) -> list[Row]:
    rows = call.object(errors.invalid).get("inputs")
    if not isinstance(rows, list) or len(rows) > most:
        raise Refused(errors.invalid(f"inputs must be a list of at most {most}"))
    if not all(isinstance(row, dict) and all(isinstance(row.get(end), dict | list) for end in ends) for row in rows):
        raise Refused(errors.invalid(f"every input needs {' and '.join(ends)}"))
    return rows
