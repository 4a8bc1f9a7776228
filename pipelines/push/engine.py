"""What the steps of a push share: client, readers, writers, state; and how one chunk of records goes through them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.push.client import Client
from pipelines.push.creating import Creator
from pipelines.push.freshness import stale_units
from pipelines.push.inverse import UnwritableError
from pipelines.push.linking import send_links, send_unlinks
from pipelines.push.look_up import LookUps
from pipelines.push.outcomes import outcomes_of
from pipelines.push.reading import Canonical, Reading
from pipelines.push.references import References
from pipelines.push.sending import Sender
from pipelines.push.units import Result, Unit
from pipelines.push.write import Writer, values_of
from pipelines.state import controls, intents, ledger, made, pins
from pipelines.state.database import State
from pipelines.wire.errors import CrmError

Progress = Callable[[str, str, int], None]
"""Called with entity, status and the number of records that have just got it."""


@dataclass
class Room:
    """All that one entity needs."""

    reading: Reading
    sender: Sender
    creator: Creator
    writer: Writer
    look_ups: LookUps
    never: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Engine:
    """One push to one connection."""

    connection: Connection
    state: State
    schemas: Mapping[str, CanonicalEntity]
    canonical: Canonical
    client: Client
    references: References
    run_id: str
    progress: Progress | None = None
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    rooms: dict[str, Room] = field(default_factory=dict)
    one_reader: asyncio.Lock = field(default_factory=asyncio.Lock)
    one_writer: asyncio.Lock = field(default_factory=asyncio.Lock)
    one_settler: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def stopped(self) -> CrmError | None:
        """What made every further call useless."""
        return next((room.sender.stopped for room in self.rooms.values() if room.sender.stopped is not None), None)

    def room(self, name: str) -> Room:
        """What the entity needs, made once."""
        if name not in self.rooms:
            entity = self.connection.entities[name]
            reading = Reading(self.client, name, entity, self.canonical, self.one_reader)
            sender = Sender(self.client, name, entity, external_id=self.connection.wire.external_id)
            look_ups = LookUps(reading, self.state, self.connection.name)
            writer = Writer(entity, self.schemas[name], self.connection.wire)
            never = dict.fromkeys(self.connection.settings.never_sync, "by the connection's settings")
            never |= controls.never_synced(self.state, self.connection.name, name)
            self.rooms[name] = Room(reading, sender, Creator(reading, sender), writer, look_ups, never)
        return self.rooms[name]

    async def send_chunk(self, units: Sequence[Unit]) -> list[Result]:
        """Takes units of one entity and action from the plan to the CRM; what became of each is not settled yet."""
        room = self.room(units[0].intent.entity)
        action = units[0].intent.action
        ended = {**await self._before(room, action, units), **_held_back(room, units)}
        ready = [place for place in range(len(units)) if place not in ended]
        ended |= await self._look_up(room, action, units, ready)
        ready = [place for place in ready if place not in ended]
        for place in ready:
            problem = self._prepare(room, units[place])
            if problem is not None:
                ended[place] = problem
        ready = [place for place in ready if place not in ended]
        if action == "create" and ready:
            twins = await room.creator.find_twins([units[place] for place in ready])
            ended |= {ready[place]: result for place, result in twins.items()}
            ready = [place for place in ready if place not in ended]
        await self._intend(room, units, ended)
        sent = await self._send(room, action, [units[place] for place in ready])
        ended |= dict(zip(ready, sent, strict=True))
        return [ended[place] for place in range(len(units))]

    async def settle(self, units: Sequence[Unit], results: Sequence[Result]) -> None:
        """Writes outcomes to the ledger: one chunk's at a time, so that other chunks' intents do not wait for many."""
        room = self.room(units[0].intent.entity)
        try:
            outcomes = await outcomes_of(room.reading, self.state, units, results)
        except CrmError as problem:  # the read-back failed: the intents stay open and are settled later
            room.sender.refused(problem, None)
            return
        async with self.one_settler, self.one_writer:
            await asyncio.to_thread(ledger.settle, self.state, outcomes)
        self._note(room.reading.name, outcomes)

    def _note(self, entity: str, outcomes: Sequence[ledger.Outcome]) -> None:
        """Counts them, and remembers what was created for those that point at it."""
        fresh = Counter([one.status for one in outcomes])
        self.counts.setdefault(entity, Counter()).update({**fresh, "sent": fresh["done"]})
        for one in outcomes:
            if one.intent.action == "create" and one.record_key is not None and one.status in ledger.SUCCEEDED:
                self.references.learn(one.intent.entity, one.intent.golden_id, one.record_key.partition(":")[2])
        if self.progress is not None:
            for status, number in fresh.items():
                self.progress(entity, status, number)

    async def _before(self, room: Room, action: str, units: Sequence[Unit]) -> dict[int, Result]:
        """What need not be sent at all: records that have changed, or were made, since the plan."""
        if action == "link":
            for unit in units:
                unit.source_id = unit.source_id or self.references.known.get(
                    (unit.intent.entity, unit.intent.golden_id)
                )
            missing = Result("skipped", error="the record is not in the CRM yet")
            return {place: missing for place, unit in enumerate(units) if unit.source_id is None}
        if action == "create":
            name, ids = room.reading.name, [unit.intent.golden_id for unit in units]
            told = await asyncio.to_thread(made.since, self.state, self.connection.name, name, ids)
            return {place: Result("skipped", error=told[id]) for place, id in enumerate(ids) if id in told}
        if action == "unlink":
            return {}
        try:
            return await stale_units(room.reading, units, _tells_plain(room))
        except CrmError as problem:
            return {place: room.sender.refused(problem, unit.source_id) for place, unit in enumerate(units)}

    async def _look_up(self, room: Room, action: str, units: Sequence[Unit], ready: list[int]) -> dict[int, Result]:
        """Asks for the ids that values stand for; what could not be asked is tried again."""
        if action not in {"create", "update"}:
            return {}
        try:
            await room.look_ups.complete([units[place] for place in ready])
        except CrmError as problem:
            return {place: room.sender.refused(problem, units[place].source_id) for place in ready}
        return {}

    def _prepare(self, room: Room, unit: Unit) -> Result | None:
        """Makes the body; says why where it cannot be made."""
        try:
            self.references.resolve(unit)
            if unit.intent.action in {"create", "update"}:
                unit.body = self._body(room, unit)
        except UnwritableError as problem:
            return Result("failed", unit.source_id, error=f"cannot be written: {problem}")
        return None

    def _body(self, room: Room, unit: Unit) -> dict[str, Any]:
        values = room.look_ups.written(unit, {**unit.values, **unit.resolved})
        if unit.intent.action == "update" and unit.current is None and room.writer.needs_current(values):
            raise UnwritableError("a list is written by read, change, write, and the mapping has no get")
        has_list = list in map(type, values.values())
        already = self.references.already(unit, values_of(unit.before)) if has_list or unit.holds else None
        body = room.writer.body(values, unit.current, already, exact=bool(unit.holds))
        room.look_ups.put_into(body, unit)
        defaults = room.sender.push.defaults if unit.intent.action == "create" else {}
        return {**defaults, **body} if defaults else body

    async def _intend(self, room: Room, units: Sequence[Unit], ended: Mapping[int, Result]) -> None:
        """Puts the intents on disk, with the end of those that are not sent; from here on the calls may go out.

        A creation that is passed over leaves none: an earlier one of the same record may be uncertain, and stays.
        """
        pairs = [(unit, ended.get(place)) for place, unit in enumerate(units)]
        kept = [(unit, end) for unit, end in pairs if unit.intent.action != "create" or not _is_skipped(end)]
        for unit, end in kept:
            extra = {"key": room.reading.key_of(unit)} if unit.intent.action == "create" else {}
            if end is not None:
                said = self.client.redact.text(end.error or "") or None
                extra[intents.ENDED] = end._replace(record=None, error=said)._asdict()
            if extra:
                unit.intent = replace(unit.intent, extra={**unit.intent.extra, **extra})
        sent = [unit for unit, end in kept if end is None]
        async with self.one_writer:
            await asyncio.to_thread(self._write_intents, [unit for unit, _ in kept], sent)

    def _write_intents(self, units: Sequence[Unit], sent: Sequence[Unit]) -> None:
        held = [
            pins.Hold(
                unit.intent.record_key or "", unit.intent.entity, name, golden, None, f"reverted by {self.run_id}"
            )
            for unit in sent
            for name, golden in unit.holds.items()
        ]
        if held:
            with self.state.write() as connection:
                pins.hold(connection, self.run_id, held)
        if units:
            intents.open_all(self.state, [unit.intent for unit in units])

    async def _send(self, room: Room, action: str, units: Sequence[Unit]) -> list[Result]:
        if not units:
            return []
        if action in {"link", "unlink"}:
            try:
                room.sender.constants = await room.look_ups.constants()
            except CrmError as problem:
                return [room.sender.refused(problem, unit.source_id) for unit in units]
            return await (send_links if action == "link" else send_unlinks)(room.sender, units)
        return await (room.creator.create(units) if action == "create" else room.sender.send(units))


def _tells_plain(room: Room) -> Callable[[Unit], bool]:
    """Tells whether an update can be made without the record as it is now."""
    looked_up = {name for one in room.look_ups.all.values() for name in one.fields}

    def is_plain(unit: Unit) -> bool:
        is_update = unit.intent.action == "update" and not unit.holds
        return is_update and looked_up.isdisjoint(unit.values) and room.writer.is_plain(unit.values)

    return is_plain


def _is_skipped(end: Result | None) -> bool:
    return end is not None and end.status == "skipped"


def _held_back(room: Room, units: Sequence[Unit]) -> dict[int, Result]:
    """Records that were put on the list of those that are never synced after the plan was made."""
    found = ((place, unit.source_id) for place, unit in enumerate(units) if unit.source_id in room.never)
    return {place: Result("skipped", id, error=f"never synced: {room.never[str(id)]}") for place, id in found}
