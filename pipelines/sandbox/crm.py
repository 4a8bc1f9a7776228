"""What every emulated CRM is: records, a clock, tokens, faults, limits and routes."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from starlette.responses import Response

from pipelines.sandbox.clock import Clock
from pipelines.sandbox.copies import Copy
from pipelines.sandbox.faults import Faults
from pipelines.sandbox.limits import Exceeded, Limit, Limiter
from pipelines.sandbox.store import Body, Record, Store
from pipelines.sandbox.tokens import Tokens
from pipelines.sandbox.wire import Call, Refused, Route, Router, answer, text
from pipelines.sandbox.world import World


class Crm(ABC):
    """One emulated CRM. A module of `crms/` has one subclass, named `Emulator`.

    Class attributes to set:
        name: the name of the module; it is mounted under /<name>.
        limits: the vendor's limits, enforced when asked.
        settings: switches with their defaults; `self.switches` holds what a test has set since.
        editable: per entity the top-level text field that a user of the CRM edits when a fault asks for an edit.
        share, duplicates: see `copies.Copy`.
    """

    name: ClassVar[str]
    limits: ClassVar[tuple[Limit, ...]] = ()
    settings: ClassVar[Mapping[str, Any]] = {}
    editable: ClassVar[Mapping[str, str]] = {}
    share: ClassVar[float] = 0.7
    duplicates: ClassVar[float] = 0.05

    def __init__(self, world: World, path: Path | None = None) -> None:
        self.world = world
        self.copy = Copy(world, self.name, self.share, self.duplicates)
        self.store = Store(path)
        self.clock = Clock()
        self.tokens = Tokens(self.clock)
        self.faults = Faults()
        self.limiter = Limiter(self.limits)
        self.is_limited = False
        self.latency = 0.0
        self.switches: dict[str, Any] = dict(self.settings)
        self.router = Router(self.routes())

    # What a CRM module says

    @abstractmethod
    def routes(self) -> list[Route]:
        """Returns who answers which call; handlers are plain methods `(Call) -> Response`."""

    @abstractmethod
    def seed(self) -> Iterator[Record]:
        """Yields the records the CRM starts with, made from `self.copy`."""

    @abstractmethod
    def environment(self, url: str) -> dict[str, str]:
        """Returns the environment variables of a connection to this CRM; `url` is its address with the mount."""

    @abstractmethod
    def authorize(self, call: Call) -> None:
        """Raises `Refused` unless the call may pass; sets `call.client`. Routes that are public skip it."""

    @abstractmethod
    def stamp(self, record: Record) -> None:
        """Writes the record's id, created and modified into its body, as the CRM shows them (if it does)."""

    def unknown(self, call: Call) -> Response:
        """Answers a path that does not exist; called after `authorize`."""
        return answer({"error": "Not found"}, 405 if self.router.knows(call.path) else 404)

    def too_many(self, call: Call, wait: float, exceeded: Exceeded | None = None) -> Response:  # noqa: ARG002
        """Answers a call over a limit (`exceeded`), or struck by the fault "throttle" (None)."""
        return answer({"error": "Too many requests"}, 429, {"Retry-After": str(max(1, round(wait)))})

    def finish(self, call: Call, response: Response) -> None:  # noqa: B027
        """Puts headers on every answer, where the vendor does (what is left of a limit, the id of the call)."""

    def failure(self, status: int) -> Response:
        """Answers a call struck by the faults "error" and "lost_error"."""
        return text("upstream error", status)

    def user_delete(self, record: Record) -> None:
        """Deletes a record as a user of the CRM would; override where that is a status rather than an end."""
        record.deleted = True

    # What the frame does with it

    def ready(self) -> None:
        """Fills an empty store from the world, once."""
        if self.store.fact("seeded") is None:
            with self.store.transaction():
                self.store.fill(self.seed())
                self.store.note("seeded", f"{self.world.seed}/{self.world.size}")

    def reset(self) -> None:
        """Puts everything back to the beginning."""
        self.store.clear()
        self.tokens.withdraw_all()
        self.faults.clear()
        self.limiter.forget()
        self.clock.reset()
        self.switches = dict(self.settings)
        self.ready()

    def respond(self, call: Call) -> Response:
        """Answers a call: route, login, limits, work; all it writes is committed on return, or undone."""
        self.ready()
        route = self.router.find(call)
        try:
            if route is None or not route.public:
                self.authorize(call)
            self._hold_to_limits(call)
            with self.store.transaction():
                response = route.handler(call) if route else self.unknown(call)
        except Refused as refused:
            response = refused.answer
        self.finish(call, response)
        return response

    def _hold_to_limits(self, call: Call) -> None:
        if self.is_limited and (exceeded := self.limiter.exceeded(call.client, call.method, call.path)):
            raise Refused(self.too_many(call, exceeded.wait, exceeded))

    def new(self, entity: str, id: str | int, body: Body) -> Record:
        """Adds a record to the CRM, stamped with its clock."""
        now = self.clock.now()
        record = Record(entity, str(id), body, now, now)
        self.stamp(record)
        return self.store.add(record)

    def edit(self, record: Record, changes: Mapping[str, Any]) -> Record:
        """Changes top-level fields of a record, stamped with the CRM's clock."""
        record.body |= changes
        return self.touch(record)

    def touch(self, record: Record) -> Record:
        """Writes back a record with the CRM's time as modification time."""
        record.modified = self.clock.now()
        self.stamp(record)
        self.store.save(record)
        return record

    def remove(self, record: Record) -> None:
        """Deletes a record as a user of the CRM would."""
        self.user_delete(record)
        self.touch(record)

    def same_time(self, entity: str, at: float) -> int:
        """Gives all records of an entity one modification time and returns how many there are."""
        records = self.store.select(entity)
        with self.store.transaction():
            for record in records:
                record.modified = at
                self.stamp(record)
                self.store.save(record)
        return len(records)

    def disturb(self, kind: str, dice: random.Random, records: int = 1) -> list[tuple[str, str]]:
        """Does what users do while we read: "change", "remove" or "insert"; returns (entity, id) of each record."""
        done: list[tuple[str, str]] = []
        with self.store.transaction():
            for _ in range(records):
                entity = dice.choice(sorted(self.editable))
                if found := self._somewhere(entity, dice, among_first=kind == "remove"):
                    done.append((entity, self._disturb(kind, found, dice)))
        return done

    def _disturb(self, kind: str, record: Record, dice: random.Random) -> str:
        if kind == "remove":
            self.remove(record)
            return record.id
        field = self.editable[record.entity]
        value = {field: f"{dice.choice(('Edited', 'Changed', 'Moved'))} {dice.randrange(10_000)}"}
        if kind == "change":
            return self.edit(record, value).id
        return self.new(record.entity, self.new_id(record.entity), record.body | value).id

    def _somewhere(self, entity: str, dice: random.Random, among_first: bool) -> Record | None:
        there = self.store.count(entity)
        place = dice.randrange(min(there, 20) if among_first else there) if there else 0
        return next(iter(self.store.select(entity, limit=1, offset=place)), None)

    def new_id(self, entity: str) -> str:
        """Returns an id that no record has had; override for CRMs whose ids are not numbers."""
        return str(self.store.next_number(entity, max(5_000_000, 4 * self.world.size)))
