"""Sends records to a CRM: in batches where it takes them, else one by one; says for each what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pipelines.mapping.language import EXTERNAL_ID, Batch, Entity, Push, Request, Upsert
from pipelines.push.client import TRIES, Answer, Client, OutcomeUnknownError
from pipelines.push.paths import MISSING, get
from pipelines.push.template import Call, batch_call, filled, search_values
from pipelines.push.units import Result, Unit
from pipelines.push.write import wrapped, written_path
from pipelines.wire.answers import READERS, Member, Sent
from pipelines.wire.errors import AuthenticationFailed, CrmError, CrmRefused, CrmThrottled, CrmUnreachable

BATCH_TRIES = 2
SILENT_MOST = 8
"""So many calls in a row without an answer, each after all its tries: the CRM is not there."""
UNKNOWN = "unknown"
"""Status of a result: the call may or may not have been carried out."""


@dataclass
class Sender:
    """Sends the units of one entity.

    `stopped` is set by what makes every further call useless; `constants` are names that calls for links may use;
    `external_id` is the CRM's field that holds our own ids, where it has one.
    """

    client: Client
    name: str
    entity: Entity
    stopped: CrmError | None = None
    silent: int = 0
    constants: Mapping[str, Any] = field(default_factory=dict)
    external_id: str | None = None

    @property
    def push(self) -> Push:
        """The mapping's push block."""
        assert self.entity.push is not None
        return self.entity.push

    @cached_property
    def upsert(self) -> Upsert | None:
        """The mapping's, with the field's name filled in; None where it goes by our ids and the CRM has no field."""
        one = self.push.upsert_batch
        if one is None or not one.is_ours:
            return one
        named = one.model_dump_json(by_alias=True).replace(f"{{{EXTERNAL_ID}}}", self.external_id or "")
        return Upsert.model_validate_json(named) if self.external_id else None

    def key_of(self, unit: Unit) -> Any:
        """By which a new record is matched or made, as it is sent; None where it can only be made."""
        if self.upsert is None:
            return None
        if self.upsert.is_ours:
            return unit.intent.golden_id
        written = get(unit.body, written_path(self.entity.fields[self.upsert.by]))
        return unit.values.get(self.upsert.by) if written is MISSING else written

    async def send(self, units: Sequence[Unit]) -> list[Result]:
        """Sends units of one action, all of them new records or all updates."""
        if not units:
            return []
        action, push = units[0].intent.action, self.push
        if action == "create":
            return await self._create(units)
        return await self._send({"update": push.update_batch, "archive": push.delete_batch}.get(action), units)

    async def _create(self, units: Sequence[Unit]) -> list[Result]:
        """New records: those with a key of their own are matched or made, the others made."""
        keyed = [self.key_of(unit) not in (None, "") for unit in units]
        ways = ((self.upsert, True), (self.push.create_batch, False))
        sent = [
            iter(await self._send(batch, [unit for unit, has in zip(units, keyed, strict=True) if has is with_key]))
            for batch, with_key in ways
        ]
        return [next(sent[0] if has else sent[1]) for has in keyed]

    async def _send(self, batch: Batch | None, units: Sequence[Unit]) -> list[Result]:
        if batch is None:
            return list(await asyncio.gather(*(self._one(unit, TRIES) for unit in units)))
        parts = [list(units[start : start + batch.size]) for start in range(0, len(units), batch.size)]
        return [
            result for part in await asyncio.gather(*(self._batch(batch, part) for part in parts)) for result in part
        ]

    async def _batch(self, batch: Batch, units: list[Unit]) -> list[Result]:
        """One batch; one that fails as a whole is split until the bad record stands alone."""
        is_repeatable = units[0].intent.action != "create" or (isinstance(batch, Upsert) and batch.is_ours)
        key_of = self.key_of if isinstance(batch, Upsert) else _no_key
        members = [_member(unit, place, key_of(unit)) for place, unit in enumerate(units)]
        call = batch_call(batch, members, _ids(units) if units[0].intent.action == "archive" else {})
        try:
            tries = TRIES if len(units) == 1 else BATCH_TRIES
            answer = await self.client.send(call, self._what(units[0]), repeatable=is_repeatable, tries=tries)
        except CrmError as problem:
            return await self._split(batch, units, problem)
        selected = get(answer.data, batch.request.data_selector) if batch.request.data_selector else answer.data
        sent = [Sent(unit.source_id, unit.body) for unit in units]
        found = READERS[batch.reader](selected, sent)
        return [self._of_member(unit, member, answer) for unit, member in zip(units, found, strict=True)]

    async def _split(self, batch: Batch, units: list[Unit], problem: CrmError) -> list[Result]:
        may_be_one_record = isinstance(problem, CrmRefused) or (
            isinstance(problem, CrmUnreachable) and problem.status is not None
        )
        if len(units) == 1 or not may_be_one_record:
            return [self._failed(unit, problem) for unit in units]
        half = len(units) // 2
        return [*await self._batch(batch, units[:half]), *await self._batch(batch, units[half:])]

    def _of_member(self, unit: Unit, member: Member, answer: Answer) -> Result:
        if member.ok:
            record = self._within(member.record)
            if member.is_matched and unit.intent.action == "create" and not (self.upsert and self.upsert.is_ours):
                said = {"http_status": answer.status, "request_id": answer.request_id}
                return Result("adopted", member.id, record, is_written=True, **said)  # type: ignore[arg-type]
            return Result("done", member.id or unit.source_id, record, answer.status, request_id=answer.request_id)
        if unit.intent.action == "create" and member.existing_id is not None:
            return Result("adopted", member.existing_id, None, answer.status, member.error, answer.request_id)
        return Result("failed", unit.source_id, None, answer.status, member.error, answer.request_id)

    def _within(self, record: Any) -> Any:
        """The record of a batch member; what only says 'success' is none."""
        shown = self.push.answer_record
        found = record if shown in (None, "$") else get(record, shown)
        return found if shown is not None and isinstance(found, dict) else None

    async def _one(self, unit: Unit, tries: int) -> Result:
        action = unit.intent.action
        try:
            answer = await self.client.send(
                self._call(unit), self._what(unit), repeatable=action != "create", tries=tries
            )
        except CrmError as problem:
            return self._failed(unit, problem)
        self.silent = 0
        record = get(answer.data, self.push.answer_record) if self.push.answer_record else MISSING
        source_id = unit.source_id
        if action == "create":
            found = get(answer.data, self.push.answer_id)
            if found in (MISSING, None, ""):
                return Result(UNKNOWN, None, None, answer.status, "the answer has no id", answer.request_id)
            source_id = str(found)
            if answer.status == self.push.matched_status:
                return Result("adopted", source_id, None, answer.status, request_id=answer.request_id)
        return Result(
            "done", source_id, record if isinstance(record, dict) else None, answer.status,
            request_id=answer.request_id,
        )  # fmt: skip

    def _call(self, unit: Unit) -> Call:
        requests: dict[str, Request | None] = {
            "create": self.push.create_request,
            "update": self.push.update_request,
            "archive": self.push.delete_request,
        }
        request = requests[unit.intent.action]
        if request is None:
            raise CrmRefused(self.client.label, f"the mapping has no call to {unit.intent.action} {self.name}")
        values = {**id_values(self.entity, unit.source_id), **unit.values, **unit.resolved, **self._words(unit)}
        if unit.intent.action == "archive":
            return filled(request, values)
        body = wrapped(unit.body, self.push.wrap)
        constants = filled(request, values).body
        return filled(request, values, {**constants, **body} if isinstance(constants, dict) else body)

    def _words(self, unit: Unit) -> dict[str, str]:
        """What the call says of the record as it is now."""
        if unit.intent.action != "update":
            return {}
        theirs = {name: get(unit.current, one.path) for name, one in self.push.words.items()}
        for name, word in theirs.items():
            if str(word) not in self.push.words[name].values:
                raise CrmRefused(self.client.label, f"no call changes {self.name} of this {name}")
        return {name: self.push.words[name].values[str(word)] for name, word in theirs.items()}

    def _what(self, unit: Unit) -> str:
        return f"{unit.intent.action} {self.name}"

    def _failed(self, unit: Unit, problem: CrmError) -> Result:
        if unit.intent.action == "archive" and problem.status in (404, 410):
            return Result("done", unit.source_id, http_status=problem.status)
        failed = self.refused(problem, unit.source_id)
        if isinstance(problem, OutcomeUnknownError):
            return failed._replace(status=UNKNOWN)
        may_be_done = isinstance(problem, CrmUnreachable) and problem.status is None
        return failed._replace(status="open") if may_be_done and unit.intent.action != "create" else failed

    def refused(self, problem: CrmError, source_id: str | None) -> Result:
        """The result of a call that failed; notes what makes every further call useless."""
        self.silent = self.silent + 1 if isinstance(problem, CrmUnreachable) and problem.status is None else 0
        stops = isinstance(problem, AuthenticationFailed | CrmThrottled)
        if stops or self.silent >= SILENT_MOST:
            self.stopped = self.stopped or problem
        return Result("failed", source_id, None, problem.status, str(problem), problem.request_id, again_at_once=stops)


def _member(unit: Unit, place: int, key: Any) -> dict[str, Any]:
    """What a batch may say of a record; what is deleted has no fields."""
    told = {"id": unit.source_id, "index": str(place), "intent": unit.intent.intent_id, "key": key}
    if unit.intent.action != "archive":
        told["fields"] = unit.body
    return told


def _no_key(_unit: Unit) -> None:
    """Of what has an id of the CRM's."""


def _ids(units: Sequence[Unit]) -> dict[str, Any]:
    ids = [unit.source_id for unit in units]
    return {"ids": ids, **search_values(ids)}


def id_values(entity: Entity, source_id: str | None) -> dict[str, Any]:
    """`{id}`, and of an id of several parts `{id.0}`, `{id.1}`, ..."""
    parts = (source_id or "").split("|", len(entity.key) - 1) if len(entity.key) > 1 else []
    return {"id": source_id, **{f"id.{place}": part for place, part in enumerate(parts)}}
