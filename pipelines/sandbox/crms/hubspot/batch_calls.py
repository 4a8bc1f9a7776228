"""The calls that write up to 100 records, and what becomes of each.

Source: fact sheet 1.3. Batches of which every input carries an `objectWriteTraceId` of its own have an outcome for each
record (207); others are all or nothing, but for ids that are not found in an update. UNVERIFIED: that invalid
properties follow the same rule as conflicts; that the trace id also decides for updates and upserts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from pipelines.sandbox.crms.hubspot import errors
from pipelines.sandbox.crms.hubspot.objects import Objects
from pipelines.sandbox.crms.hubspot.reading import BATCH, ROOTS, batch_answer, not_there
from pipelines.sandbox.crms.hubspot.schema import ObjectType
from pipelines.sandbox.crms.hubspot.single_calls import touched
from pipelines.sandbox.crms.hubspot.writing import Failed, Writer
from pipelines.sandbox.wire import Call, Refused, Route, answer

Input = dict[str, Any]


class BatchCalls:
    """Batch create, update, upsert and archive."""

    def __init__(self, objects: Objects, writer: Writer) -> None:
        self.objects, self.writer, self.crm = objects, writer, objects.crm

    def routes(self) -> list[Route]:
        """Returns the routes."""
        return [
            Route("POST", f"{root}/batch/{verb}", handler)
            for root in ROOTS
            for verb, handler in (
                ("create", self.create), ("update", self.update), ("upsert", self.upsert), ("archive", self.archive),
            )
        ]  # fmt: skip

    def create(self, call: Call) -> Response:
        """Answers 201, or 207; one conflict fails an untraced batch with 409."""
        kind, inputs = self.objects.kind(call.params["type"]), _inputs(call)

        def one(given: Input) -> dict[str, Any]:
            record = self.writer.create(kind, given)
            return dict(self.objects.shown(kind, record, list(given["properties"])))

        return self._each(kind, inputs, one, 201)

    def update(self, call: Call) -> Response:
        """Answers 200, or 207 where an id is not there; repeated ids are 400."""
        kind, inputs = self.objects.kind(call.params["type"]), _inputs(call)
        _must_differ(inputs)
        missing = [each for each in inputs if self._found(kind, each) is None]
        there = [each for each in inputs if each not in missing]

        def one(given: Input) -> dict[str, Any]:
            record = self._found(kind, given)
            if record is None:
                raise Failed(404, errors.body("resource not found", "OBJECT_NOT_FOUND"), {"ids": [str(given["id"])]})
            kept = self.writer.update(kind, record, given.get("properties"))
            return touched(self.objects.shown(kind, record, list(kept)), kept)

        return self._each(kind, there, one, 200, not_there([str(each["id"]) for each in missing]))

    def upsert(self, call: Call) -> Response:
        """Answers 200, or 207; each result says whether it is `new`."""
        kind, inputs = self.objects.kind(call.params["type"]), _inputs(call)
        _must_differ(inputs)

        def one(given: Input) -> dict[str, Any]:
            record, properties = self._found(kind, given), given.get("properties") or {}
            if record is not None:
                kept = self.writer.update(kind, record, properties)
                return touched(self.objects.shown(kind, record, list(kept)), kept) | {"new": False}
            if given.get("idProperty") in (None, "", "hs_object_id"):
                raise Failed(404, errors.body("resource not found", "OBJECT_NOT_FOUND"), {"ids": [str(given["id"])]})
            keyed = {given["idProperty"]: given["id"]} | properties
            made = self.writer.create(kind, {"properties": keyed})
            return dict(self.objects.shown(kind, made, list(keyed))) | {"new": True}

        return self._each(kind, inputs, one, 200)

    def archive(self, call: Call) -> Response:
        """Answers 204, whether the ids were there or not."""
        kind = self.objects.kind(call.params["type"])
        for each in _inputs(call):
            self.writer.archive(kind, str(each.get("id")))
        return answer(None, 204)

    def _found(self, kind: ObjectType, given: Input) -> Any:
        return self.objects.find(kind, str(given.get("id")), given.get("idProperty"))

    def _each(
        self, kind: ObjectType, inputs: list[Input], one: Callable[[Input], dict[str, Any]], status: int,
        failed: list[dict[str, Any]] | None = None,
    ) -> Response:  # fmt: skip
        is_traced, results, failures = _is_traced(inputs), list[Any](), list(failed or [])
        for each in inputs:
            trace = {"objectWriteTraceId": str(each["objectWriteTraceId"])} if is_traced else {}
            try:
                results.append(one(each) | trace)
            except Failed as error:
                if not is_traced:
                    raise Refused(answer(_whole(kind, error), error.status)) from None
                context = {"objectWriteTraceId": [trace["objectWriteTraceId"]]} | dict(error.context)
                failures.append(errors.row_error(error.body["category"], error.body["message"], context))
        return batch_answer(self.crm.clock.now(), results, failures, status)


def _whole(kind: ObjectType, error: Failed) -> dict[str, Any]:
    """Returns what a whole batch is answered: of a conflict it does not say with whom."""
    return errors.body(f"{kind.one.capitalize()} already exists", "CONFLICT") if error.status == 409 else error.body


def _inputs(call: Call) -> list[Input]:
    inputs = call.object(errors.invalid).get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(each, dict) for each in inputs):
        raise Refused(errors.invalid("inputs must be a list of objects"))
    if len(inputs) > BATCH:
        raise Refused(errors.invalid(f"at most {BATCH} inputs in a batch"))
    return inputs


def _is_traced(inputs: list[Input]) -> bool:
    traces = [each.get("objectWriteTraceId") for each in inputs]
    return bool(traces) and all(traces) and len(set(map(str, traces))) == len(traces)


def _must_differ(inputs: list[Input]) -> None:
    seen = Counter((str(each.get("idProperty") or ""), str(each.get("id"))) for each in inputs)
    if twice := [id for (_, id), times in seen.items() if times > 1]:
        message = f"Duplicate IDs found in batch input: [{', '.join(twice)}]. IDs must be unique"
        raise Refused(errors.invalid(message))
