"""Reading records of a CRM for push: as they are now, and whether there is a twin of what is to be created."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Protocol

from pipelines.mapping.language import Entity
from pipelines.mapping.wanted import plain_fields
from pipelines.push.client import Client
from pipelines.push.paths import MISSING, get
from pipelines.push.template import batch_call, filled, search_values
from pipelines.push.units import Unit
from pipelines.wire.answers import READERS, Reader, Sent
from pipelines.wire.answers import records as records_of
from pipelines.wire.errors import CrmRefused

GONE = object()
"""Stands for a record that the CRM says is not there."""
NOT_THERE = (404, 410)


class Canonical(Protocol):
    """Reads raw records as staging does: one row a record with `place`, `modified_at` (us), `is_deleted`,
    `is_in_scope`, `absent_fields`, `unreadable_fields` and the mapped fields as JSON text."""

    def __call__(
        self, entity: str, records: Sequence[Any], fields: Collection[str] | None = None
    ) -> list[dict[str, Any]]:
        """Reads the records of an entity; with `fields` these alone are surely told."""
        ...


@dataclass
class Reading:
    """Reads one entity of one connection."""

    client: Client
    name: str
    entity: Entity
    canonical: Canonical
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    asked: frozenset[str] = frozenset()

    @property
    def can_read(self) -> bool:
        """Whether the CRM gives single records."""
        return self.entity.get is not None or self.entity.get_batch is not None

    @cached_property
    def fields(self) -> list[str]:
        """The CRM's names of what the mapping reads: what `{fields}` stands for."""
        return plain_fields(self.entity)

    async def now(self, ids: Sequence[str]) -> dict[str, Any]:
        """The records as they are now; GONE for one that is not there. Empty where single records cannot be read."""
        batch = self.entity.get_batch
        if batch is not None:
            parts = [list(ids[start : start + batch.size]) for start in range(0, len(ids), batch.size)]
            found: dict[str, Any] = {}
            for part in await asyncio.gather(*(self._many(part) for part in parts)):
                found |= part
            return found
        if self.entity.get is None:
            return {}
        return dict(zip(ids, await asyncio.gather(*(self._one(id) for id in ids)), strict=True))

    async def _one(self, id: str) -> Any:
        request = self.entity.get
        assert request is not None
        try:
            answer = await self.client.send(filled(request, {"id": id, "fields": self.fields}), f"read {self.name}")
        except CrmRefused as refused:
            if refused.status in NOT_THERE:
                return GONE
            raise
        found = get(answer.data, request.data_selector)
        found = found[0] if isinstance(found, list) and found else found
        return found if isinstance(found, dict) else GONE

    async def _many(self, ids: list[str]) -> dict[str, Any]:
        batch = self.entity.get_batch
        assert batch is not None
        members = [{"id": id, "value": id, "index": str(place)} for place, id in enumerate(ids)]
        call = batch_call(batch, members, {"ids": ids, "fields": self.fields, **search_values(list(ids))})
        answer = await self.client.send(call, f"read {self.name}")
        selected = get(answer.data, batch.request.data_selector) if batch.request.data_selector else answer.data
        sent = [Sent(id, {"id": id}) for id in ids]
        readers: dict[str, Reader] = {**READERS, "records": partial(records_of, id_of=partial(id_of, self.entity))}
        found = readers[batch.reader](selected, sent)
        return {id: member.record if member.ok else GONE for id, member in zip(ids, found, strict=True)}

    async def meaning(
        self, records: Sequence[Any], fields: Collection[str] | None = None
    ) -> list[dict[str, Any] | None]:
        """The records in canonical terms, in their order; None for one that cannot be read.

        With `fields` only these, which is much faster; without any of them times and deletion alone.
        """
        read: list[dict[str, Any] | None] = [None] * len(records)
        places = [place for place, record in enumerate(records) if isinstance(record, dict)]
        if not places:
            return read
        if fields:
            self.asked |= set(fields)  # all that was ever asked for: each new choice of fields costs a new query
            fields = self.asked
        async with self.one_at_a_time:
            rows = await asyncio.to_thread(self.canonical, self.name, [records[place] for place in places], fields)
        for row in rows:
            read[places[row["place"]]] = row
        return read

    async def twins(self, units: Sequence[Unit]) -> list[list[Any]]:
        """For each unit the records in the CRM that have its key; none where it has no key or nothing can be asked."""
        find = self.entity.push.find if self.entity.push else None
        if find is None:
            return [[] for _ in units]
        if find.batch is not None:
            return await self._search_many(units, find.by[0])
        return list(await asyncio.gather(*(self._search(unit, find.by) for unit in units)))

    def key_of(self, unit: Unit) -> dict[str, Any]:
        """The values by which the unit's record can be found; empty where it cannot."""
        find = self.entity.push.find if self.entity.push else None
        if find is None:
            return {}
        values = {**unit.intent.extra.get("key", {}), **unit.values, **unit.resolved}
        wanted = find.by[:1] if find.batch is not None else find.by
        key = {name: values[name] for name in wanted if values.get(name) not in (None, "", [])}
        return key if find.batch is None or key else {}

    async def _search(self, unit: Unit, by: Sequence[str]) -> list[Any]:
        """By each key field in turn, until one finds something; a key of several fields goes into one search."""
        find = self.entity.push.find if self.entity.push else None
        key = self.key_of(unit)
        if find is None or find.request is None or not key:
            return []
        named = set(_names_in(find.request.model_dump(by_alias=True)))
        together = [by] if len(named & set(by)) > 1 else [[name] for name in by]
        for names in together:
            if not all(name in key for name in names):
                continue
            for one in _each_of(key[names[0]]) if len(names) == 1 else [key[names[0]]]:
                values = {**key, names[0]: one, "value": one, "fields": self.fields}
                answer = await self.client.send(filled(find.request, values), f"search {self.name}")
                wanted = {**{n: key[n] for n in names}, names[0]: one}
                found = await self._same(_listed(answer.data, find.request.data_selector), wanted)
                if found:
                    return found
        return []

    async def _search_many(self, units: Sequence[Unit], by: str) -> list[list[Any]]:
        find = self.entity.push.find if self.entity.push else None
        assert find is not None
        assert find.batch is not None
        batch = find.batch
        keys = [self.key_of(unit).get(by) for unit in units]
        wanted = list(dict.fromkeys(key for key in keys if key is not None))
        parts = [wanted[start : start + batch.size] for start in range(0, len(wanted), batch.size)]
        answers = await asyncio.gather(*(self._search_part(part) for part in parts))
        records = [record for answer in answers for record in answer]
        by_value: dict[str, list[Any]] = {}
        for record, row in zip(records, await self.meaning(records), strict=True):
            if row is not None and not row["is_deleted"] and row.get(by) is not None:
                by_value.setdefault(_plain(json.loads(row[by])), []).append(record)
        return [by_value.get(_plain(key), []) if key is not None else [] for key in keys]

    async def _search_part(self, values: list[Any]) -> list[Any]:
        find = self.entity.push.find if self.entity.push else None
        assert find is not None
        assert find.batch is not None
        members = [{"value": value, "id": value, "index": str(place)} for place, value in enumerate(values)]
        call = batch_call(find.batch, members, {"fields": self.fields, **search_values(values)})
        try:
            answer = await self.client.send(call, f"search {self.name}")
        except CrmRefused as refused:
            if refused.status in NOT_THERE:
                return []
            raise
        return _listed(answer.data, find.batch.request.data_selector)

    async def _same(self, records: list[Any], key: Mapping[str, Any]) -> list[Any]:
        """Those records that have the key in canonical terms: a CRM's search may be generous, or ignore the filter."""
        read = await self.meaning(records)
        return [
            record
            for record, row in zip(records, read, strict=True)
            if row is not None
            and not row["is_deleted"]
            and all(row.get(name) is not None and _fits(json.loads(row[name]), value) for name, value in key.items())
        ]


def _each_of(value: Any) -> list[Any]:
    """A list is searched for member by member."""
    return list(value) if isinstance(value, list) else [value]


def _fits(found: Any, wanted: Any) -> bool:
    members = {_plain(member) for member in (found if isinstance(found, list) else [found])}
    members |= {member.partition(":")[2] for member in members}  # a reference reads as connection:id
    return bool(members & {_plain(one) for one in (wanted if isinstance(wanted, list) else [wanted])})


def _plain(value: Any) -> str:
    return str(value).strip().casefold()


def _listed(answer: Any, selector: str | None) -> list[Any]:
    """The records of an answer; without a selector the only list in it, or the answer itself."""
    found = get(answer, selector)
    if selector is None and isinstance(found, dict):
        lists = [value for value in found.values() if isinstance(value, list)]
        found = lists[0] if len(lists) == 1 else found
    if found is MISSING or found is None:
        return []
    return found if isinstance(found, list) else [found]


def _names_in(value: Any) -> list[str]:
    if isinstance(value, str):
        return [part.partition("}")[0] for part in value.split("{")[1:]]
    if isinstance(value, dict):
        return [name for member in value.values() for name in _names_in(member)]
    return [name for member in value for name in _names_in(member)] if isinstance(value, list) else []


def id_of(entity: Entity, record: Any) -> str | None:
    """The record's id as text: its parts that hold something, of each the first that does."""
    parts = [next(filter(None, (_key_text(get(record, path)) for path in ways)), "") for ways in entity.key]
    return "|".join(filter(None, parts)) or None


def _key_text(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
