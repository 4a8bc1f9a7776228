"""Values that a CRM takes as the id of something it knows, such as a suburb: searched for, and remembered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.mapping.language import LookUp
from pipelines.push.inverse import UnwritableError
from pipelines.push.paths import MISSING, get, put
from pipelines.push.reading import Reading
from pipelines.push.template import filled
from pipelines.push.units import Unit
from pipelines.state import looked_up
from pipelines.state.database import State


@dataclass
class LookUps:
    """The look-ups of one entity of one connection."""

    reading: Reading
    state: State
    connection: str
    known: dict[tuple[str, str], Any] = field(default_factory=dict)
    is_loaded: bool = False
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def all(self) -> Mapping[str, LookUp]:
        """By name, as the mapping says."""
        push = self.reading.entity.push
        return push.look_ups if push is not None else {}

    def written(self, unit: Unit, values: dict[str, Any]) -> dict[str, Any]:
        """The values that are written as they are: not those that a look-up stands for, or that found nothing.

        Raises:
            UnwritableError: nothing is left to write.
        """
        if not self.all:
            return values
        stand_in = {name for one in self.all.values() for name in one.match} | unit.unknown.keys()
        left = {name: value for name, value in values.items() if name not in stand_in}
        push = self.reading.entity.push
        if unit.intent.action == "create" and push is not None:
            for name in unit.unknown.keys() & set(push.requires):
                raise UnwritableError(f"{name}: {unit.unknown[name]}")
        if values and not left and not unit.looked_up:
            raise UnwritableError(f"{', '.join(sorted(values))}: the CRM knows nothing by that name")
        return left

    def put_into(self, body: dict[str, Any], unit: Unit) -> None:
        """Puts what was found into a body, with what must be written beside it as it is now."""
        for name, found in unit.looked_up.items():
            for path in self.all[name].along:
                if get(body, path) is MISSING and (now := get(unit.current, path)) is not MISSING:
                    put(body, path, now)
            into = self.all[name].into or name
            if not self.all[name].is_for_new or get(body, into) is MISSING:
                put(body, into, found)

    async def complete(self, units: Sequence[Unit]) -> None:
        """Sets `looked_up` and `unknown` of the units that write one of the fields, and of all that are created.

        Raises:
            CrmError: the CRM cannot be asked.
        """
        for name, one in self.all.items():
            if one.is_for_new:
                found = await self._find(name, one, {})
                for unit in units:
                    if unit.intent.action == "create" and found is not None:
                        unit.looked_up[name] = found
            concerned = [unit for unit in units if unit.values.keys() & set(one.fields)]
            if concerned:
                rows = await self.reading.meaning([unit.current for unit in concerned], one.match)
                for unit, row in zip(concerned, rows, strict=True):
                    await self._complete(name, one, unit, row or {})

    async def constants(self) -> dict[str, Any]:
        """By name: what look-ups found that depend on no record, such as the role that a relation needs."""
        found = {
            name: await self._find(name, one, {})
            for name, one in self.all.items()
            if not one.fields and not one.is_for_new
        }
        return {name: answer for name, answer in found.items() if answer is not None}

    async def _complete(self, name: str, one: LookUp, unit: Unit, row: Mapping[str, Any]) -> None:
        now = {field: json.loads(row[field]) for field in one.match if row.get(field) is not None}
        wanted = {**now, **{field: value for field, value in unit.values.items() if field in one.match}}
        wanted = {field: value for field, value in wanted.items() if value is not None}
        found = await self._find(name, one, wanted) if wanted else None
        if found is None:
            unit.unknown |= dict.fromkeys(one.fields, f"cannot be written: the CRM knows no {name} of that name")
        else:
            unit.looked_up[name] = found

    async def _find(self, name: str, one: LookUp, wanted: Mapping[str, Any]) -> Any:
        key = f"{self.reading.name}.{name}", json.dumps(wanted, sort_keys=True, default=str).casefold()
        async with self.one_at_a_time:  # many records ask for the same
            if not self.is_loaded:
                kept = await asyncio.to_thread(looked_up.load, self.state, self.connection)
                self.known |= {asked: json.loads(answer) for asked, answer in kept.items()}
                self.is_loaded = True
            if key not in self.known:
                self.known[key] = await self._ask(name, one, wanted)
                if self.known[key] is not None:
                    text = json.dumps(self.known[key])
                    await asyncio.to_thread(looked_up.save, self.state, self.connection, *key, text)
            return self.known[key]

    async def _ask(self, name: str, one: LookUp, wanted: Mapping[str, Any]) -> Any:
        answer = await self.reading.client.send(filled(one.request, dict(wanted)), f"look up {name}")
        found = get(answer.data, one.request.data_selector)
        records = found if isinstance(found, list) else [found]
        fitting = [record for record in records if isinstance(record, dict) and _fits(record, one, wanted)]
        result = get(fitting[0], one.result) if fitting else MISSING
        return None if result is MISSING else result


def _fits(record: Any, one: LookUp, wanted: Mapping[str, Any]) -> bool:
    return all(_plain(get(record, one.match[field])) == _plain(value) for field, value in wanted.items())


def _plain(value: Any) -> str:
    return "" if value is MISSING or value is None else str(value).strip().casefold()
