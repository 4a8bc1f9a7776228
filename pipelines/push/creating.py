"""Creating records once: the CRM is searched before, and again wherever nobody knows whether a call was carried out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.push.reading import Reading, id_of
from pipelines.push.sending import UNKNOWN, Sender
from pipelines.push.units import Result, Unit, same_json
from pipelines.wire.errors import CrmError

ROUNDS = 3


@dataclass
class Creator:
    """Creates the records of one entity."""

    reading: Reading
    sender: Sender
    reserved: dict[str, str] = field(default_factory=dict)

    async def find_twins(self, units: Sequence[Unit]) -> dict[int, Result]:
        """By place: units that need not, or must not, be created."""
        found: dict[int, Result] = {}
        try:
            twins = await self.reading.twins(units)
        except CrmError as problem:
            return {place: self.sender.refused(problem, None) for place in range(len(units))}
        for place, (unit, records) in enumerate(zip(units, twins, strict=True)):
            if records:
                found[place] = Result("adopted", await self._best(unit, records))
            elif (other := self._reserve(unit)) is not None:
                found[place] = Result("skipped", error=f"{other} has the same key and is created in this run")
        return found

    def _reserve(self, unit: Unit) -> str | None:
        """Another golden record of this run with the same key, which an index may not show yet."""
        key = json.dumps(self.reading.key_of(unit), sort_keys=True, default=str).casefold()
        if key == "{}":
            return None
        owner = self.reserved.setdefault(key, unit.intent.golden_id)
        return None if owner == unit.intent.golden_id else owner

    async def create(self, units: Sequence[Unit]) -> list[Result]:
        """Sends new records; what may or may not have been done is looked for, and only then sent again."""
        results: list[Result] = [Result(UNKNOWN)] * len(units)
        waiting = list(range(len(units)))
        for _ in range(ROUNDS):
            for place, result in zip(waiting, await self.sender.send([units[place] for place in waiting]), strict=True):
                results[place] = result
            doubtful = [place for place in waiting if results[place].status == UNKNOWN]
            if not doubtful:
                break
            settled = await self.settle([units[place] for place in doubtful], [results[place] for place in doubtful])
            for place, result in zip(doubtful, settled, strict=True):
                results[place] = result
            waiting = [place for place in doubtful if results[place].again_at_once]
            if not waiting or self.sender.stopped is not None:
                break
        return results

    async def settle(self, units: Sequence[Unit], unknown: Sequence[Result], waited: float = 0) -> list[Result]:
        """What became of calls whose answer nobody saw: found, not there, or uncertain for want of a key."""
        find = self.reading.entity.push.find if self.reading.entity.push else None
        if find is not None and find.lag > waited:
            await asyncio.sleep(find.lag - waited)
        try:
            twins = await self.reading.twins(units)
        except CrmError as problem:
            self.sender.refused(problem, None)
            return [Result("open", error=str(problem)) for _ in units]
        return [
            await self._settled(unit, result, records)
            for unit, result, records in zip(units, unknown, twins, strict=True)
        ]

    async def _settled(self, unit: Unit, unknown: Result, records: list[Any]) -> Result:
        said = {"http_status": unknown.http_status, "error": unknown.error, "request_id": unknown.request_id}
        if records:
            id = await self._best(unit, records)
            record = next(record for record in records if id_of(self.reading.entity, record) == id)
            return Result("done", id, record, unknown.http_status, request_id=unknown.request_id)
        if self.reading.key_of(unit) or self.sender.key_of(unit) is not None:
            return Result("failed", again_at_once=True, **said)  # type: ignore[arg-type]
        return Result("uncertain", **said)  # type: ignore[arg-type]

    async def _best(self, unit: Unit, records: list[Any]) -> str | None:
        """The id of the record that agrees most with what was sent; of equals the first."""
        rows = await self.reading.meaning(records)
        sent = {change.field: change.new for change in unit.intent.changes}
        agree = [sum(same_json(sent[name], (row or {}).get(name)) for name in sent) for row in rows]
        return id_of(self.reading.entity, records[agree.index(max(agree))])
