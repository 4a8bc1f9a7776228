"""Carries a plan out: intents on disk before the calls, outcomes after, references first, all of it within limits."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import httpx
import pyarrow.compute as pc

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.push import guards, report
from pipelines.push.client import Client
from pipelines.push.engine import Engine, Progress
from pipelines.push.plan import SYNCED
from pipelines.push.planned import Plan, PlanError
from pipelines.push.reading import Canonical
from pipelines.push.recover import settle_open
from pipelines.push.references import References
from pipelines.push.units import Unit, micros, units_of
from pipelines.state import baselines, controls, intents, ledger
from pipelines.state.database import State, now_us
from pipelines.wire.accounts import limiter_for
from pipelines.wire.errors import CrmError
from pipelines.wire.limiter import Limiter

CHUNK = 400
"""Records that share their intents' transaction, where each is sent alone."""
BATCHES = 5
"""Batches that share it, where the CRM takes batches: what a transaction costs is spread over hundreds of records."""
CHUNKS_AT_ONCE = 16
COLLECT_AFTER = 400_000
"""Objects that come before the collector of garbage looks at them."""


@dataclass(frozen=True)
class Applied:
    """What became of a plan.

    Attributes:
        counts: by entity and status: done, adopted, failed, dead, uncertain, skipped; `sent` of them needed a write.
        recovered: intents of an earlier run that were settled first.
        stopped: the error that ended the push before its time; None where it went through.
        calls: HTTP calls made.
    """

    run_id: str
    connection: str
    counts: Mapping[str, Mapping[str, int]]
    recovered: int
    stopped: CrmError | None
    calls: int
    seconds: float
    notes: tuple[str, ...] = field(default=())

    def number(self, status: str) -> int:
        """Records with a status, over all entities."""
        return sum(counts.get(status, 0) for counts in self.counts.values())


def apply(
    plan: Plan,
    connection: Connection,
    state: State,
    schemas: Mapping[str, CanonicalEntity],
    canonical: Canonical,
    *,
    run_id: str,
    allow_mass_change: bool = False,
    limiter: Limiter | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    progress: Progress | None = None,
    backoff: float = 0.5,
) -> Applied:
    """Carries a plan out. The caller holds the lock `push-<connection>`.

    Args:
        plan: what to do; of this connection and owner.
        connection: the CRM.
        state: the owner's state.
        schemas: canonical entities by name.
        canonical: reads single records as staging does (`pipelines.staging.read_back.RecordReader`).
        run_id: under which intents and ledger lines are kept.
        allow_mass_change: apply it although a guard tripped.
        limiter: shared by all who call this account; default: the account's own.
        transport: what carries the bytes; default: the network.
        progress: told of records as they are settled.
        backoff: seconds before the first repetition of a call.

    Raises:
        guards.GuardTripped: the plan goes over a guard.
        PlanError: the plan belongs to another connection or owner, or the connection is paused.
    """
    _check(plan, connection, state, allow_mass_change)
    work = _Work(connection, state, schemas, canonical, limiter, transport, progress, backoff, run_id)
    return _run(work.run(plan))


def recover(
    connection: Connection,
    state: State,
    schemas: Mapping[str, CanonicalEntity],
    canonical: Canonical,
    *,
    run_id: str,
    limiter: Limiter | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    backoff: float = 0.5,
) -> Applied | None:
    """Settles what an earlier run left open, before anything else; None, and no call, where there is nothing."""
    if not intents.unsettled(state, connection.name):
        return None
    work = _Work(connection, state, schemas, canonical, limiter, transport, None, backoff, run_id)
    return _run(work.run(None))


def _run(work: Coroutine[Any, Any, Applied]) -> Applied:
    """Runs it. What the libraries have in memory is kept from the collector of garbage, which would go through all of
    it again and again while records come and go: a fifth of the time. It looks at what is new once in a while."""
    young, middle, old = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(max(young, COLLECT_AFTER), middle, old)
    try:
        return asyncio.run(work)
    finally:
        gc.set_threshold(young, middle, old)
        gc.unfreeze()


def _check(plan: Plan, connection: Connection, state: State, allow_mass_change: bool) -> None:
    if (plan.connection, plan.owner) != (connection.name, connection.owner.name):
        raise PlanError(f"the plan is of {plan.connection} of owner {plan.owner}, not of {connection.name}")
    paused = controls.paused(state, connection.name) or ("by its settings" if connection.settings.paused else None)
    if paused and not plan.is_empty:
        raise PlanError(f"{connection.name} is paused: {paused}")
    if plan.guard and not allow_mass_change:
        raise guards.GuardTripped(connection.name, plan.guard)


@dataclass
class _Work:
    connection: Connection
    state: State
    schemas: Mapping[str, CanonicalEntity]
    canonical: Canonical
    limiter: Limiter | None
    transport: httpx.AsyncBaseTransport | None
    progress: Progress | None
    backoff: float
    run_id: str

    async def run(self, plan: Plan | None) -> Applied:
        started = time.perf_counter()
        limiter = self.limiter or limiter_for(self.connection, self.state)
        references = (
            References.of(plan, self.state, self.schemas) if plan else References(self.connection.name, self.schemas)
        )
        async with Client(self.connection, limiter, transport=self.transport, backoff=self.backoff) as client:
            engine = Engine(
                self.connection, self.state, self.schemas, self.canonical, client, references, self.run_id,
                self.progress,
            )  # fmt: skip
            recovered = await settle_open(engine)
            if plan is not None:
                await self._push(engine, plan)
            return Applied(
                self.run_id, self.connection.name, {k: dict(v) for k, v in engine.counts.items()}, recovered,
                engine.stopped, client.calls, time.perf_counter() - started,
            )  # fmt: skip

    async def _push(self, engine: Engine, plan: Plan) -> None:
        intents.drop(self.state, plan.stale)
        _note_conflicts(self.state, self.run_id, plan)
        for stage in _stages(plan, self.run_id, self.connection):
            await _push_stage(engine, stage)
            if engine.stopped is not None:
                return
        if engine.counts and intents.unsettled(self.state, self.connection.name):
            await settle_open(engine)
        if plan.kind == "push" and not plan.is_pilot:
            normal = {SYNCED: float(now_us()), **guards.baseline(plan.stats)}
            baselines.save(self.state, self.connection.name, self.run_id, normal)


def _stages(plan: Plan, run_id: str, connection: Connection) -> Iterator[Iterator[list[Unit]]]:
    """Chunks of units, stage by stage: what goes before what it points to, what comes after it, relations last."""
    pairs = plan.rows.group_by(["entity", "action"]).aggregate([]).to_pylist()
    present = {(row["entity"], row["action"]) for row in pairs}
    order = [entity for entity in plan.counts if any(name == entity for name, _ in present)]
    steps = ((("archive",), reversed(order)), (("update", "create"), order), (("unlink", "link"), order))
    for actions, entities in steps:
        for entity in entities:
            for action in actions:
                if (entity, action) in present:
                    yield _chunks(plan, run_id, entity, action, _chunk_size(connection, entity, action))


def _chunk_size(connection: Connection, entity: str, action: str) -> int:
    push = connection.entities[entity].push if entity in connection.entities else None
    batch = {"update": push.update_batch, "create": push.create_batch}.get(action) if push else None
    return max(CHUNK, BATCHES * batch.size) if batch else CHUNK


def _chunks(plan: Plan, run_id: str, entity: str, action: str, size: int) -> Iterator[list[Unit]]:
    mine = pc.and_(pc.equal(plan.rows["entity"], entity), pc.equal(plan.rows["action"], action))
    units = units_of(plan.rows.filter(mine), run_id)
    while chunk := list(islice(units, size)):
        yield chunk


async def _push_stage(engine: Engine, chunks: Iterator[list[Unit]]) -> None:
    """A few chunks at once, so that the CRM has work while others are settled; some more may wait for that."""
    places, unsettled = asyncio.Semaphore(CHUNKS_AT_ONCE), asyncio.Semaphore(2 * CHUNKS_AT_ONCE)

    async def push(chunk: list[Unit]) -> None:
        try:
            try:
                results = await engine.send_chunk(chunk)
            finally:
                places.release()
            await engine.settle(chunk, results)
        finally:
            unsettled.release()

    try:
        async with asyncio.TaskGroup() as running:
            for chunk in chunks:
                await unsettled.acquire()
                await places.acquire()
                if engine.stopped is not None:
                    break
                running.create_task(push(chunk))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed


def _note_conflicts(state: State, run_id: str, plan: Plan) -> None:
    found = plan.rows.filter(plan.rows["is_conflict"]).to_pylist() if plan.rows.num_rows else []
    ledger.note_conflicts(state, run_id, [_conflict(row) for row in found])


def _conflict(row: Mapping[str, Any]) -> ledger.Conflict:
    return ledger.Conflict(
        row["connection"], row["entity"], row["golden_id"], row["record_key"], row["field"], row["new"], row["old"],
        report.kept(row), row["keeper"], micros(row["since"]), micros(row["theirs_since"]),
    )  # fmt: skip
