"""Relations that a CRM keeps outside its records: written by calls of their own, once both sides are there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.mapping.language import Batch, Link
from pipelines.push.paths import get
from pipelines.push.reading import NOT_THERE
from pipelines.push.sending import Sender
from pipelines.push.template import batch_call, filled
from pipelines.push.units import Result, Unit
from pipelines.push.write import values_of
from pipelines.wire.answers import READERS, Sent
from pipelines.wire.errors import CrmError, CrmRefused


@dataclass(frozen=True)
class _Pair:
    """One relation to be made: place of its unit, link, both ids."""

    place: int
    link: Link
    id: str
    other: str


async def send_links(sender: Sender, units: Sequence[Unit]) -> list[Result]:
    """Makes the relations of units; a unit is done when all of its relations are."""
    pairs = list(_pairs(sender, units))
    singles = [pair for pair in pairs if pair.link.batch is None]
    outcomes = list(zip(singles, await asyncio.gather(*(_one(sender, pair) for pair in singles)), strict=True))
    for link in sender.push.links:
        if link.batch is not None:
            outcomes += await _batches(sender, link.batch, [pair for pair in pairs if pair.link is link])
    return [_joined(unit, [result for pair, result in outcomes if pair.place == n]) for n, unit in enumerate(units)]


async def send_unlinks(sender: Sender, units: Sequence[Unit]) -> list[Result]:
    """Takes relations back (undo): those in the unit's `gone`."""
    pairs = list(_pairs(sender, units))
    outcomes = list(zip(pairs, await asyncio.gather(*(_unlink(sender, pair) for pair in pairs)), strict=True))
    return [_joined(unit, [result for pair, result in outcomes if pair.place == n]) for n, unit in enumerate(units)]


def _pairs(sender: Sender, units: Sequence[Unit]) -> Iterator[_Pair]:
    """What is to be related, or not any more; a relation that is there already is not made once more."""
    links = {link.field: link for link in sender.push.links}
    for place, unit in enumerate(units):
        for name, others in unit.resolved.items():
            if unit.source_id is None or name not in links:
                continue
            had = values_of(unit.before).get(name) if unit.intent.action == "link" else None
            already = {str(one).partition(":")[2] for one in had} if isinstance(had, list) else set()
            for other in others if isinstance(others, list) else [others]:
                if str(other) not in already:
                    yield _Pair(place, links[name], unit.source_id, str(other))


async def _unlink(sender: Sender, pair: _Pair) -> Result:
    request = pair.link.remove
    if request is None:
        return Result("failed", pair.id, error="the mapping has no call that takes the relation back")
    try:
        link = await _found(sender, pair)
        if pair.link.find is not None and link is None:
            return Result("done", pair.id)
        values = {"id": pair.id, "value": pair.other, "link": link}
        answer = await sender.client.send(filled(request, values), f"unlink {sender.name}")
    except CrmError as problem:
        if problem.status in NOT_THERE:
            return Result("done", pair.id, http_status=problem.status)
        return sender.refused(problem, pair.id)
    return Result("done", pair.id, None, answer.status, request_id=answer.request_id)


async def _found(sender: Sender, pair: _Pair) -> str | None:
    """The relation's own id; None where it is not there, or has none."""
    if pair.link.find is None:
        return None
    call = filled(pair.link.find, {"id": pair.id, "value": pair.other})
    answer = await sender.client.send(call, f"search links of {sender.name}")
    found = get(answer.data, pair.link.find.data_selector)
    return str(found) if isinstance(found, str | int) else None


def _joined(unit: Unit, results: list[Result]) -> Result:
    bad = next((result for result in results if result.status != "done"), None)
    if bad is not None:
        return bad
    return results[0] if results else Result("failed", unit.source_id, error="there is nothing to point at yet")


async def _one(sender: Sender, pair: _Pair) -> Result:
    try:
        if await _found(sender, pair) is not None:
            return Result("done", pair.id)  # an earlier try made it
        call = filled(pair.link.add, {**sender.constants, "id": pair.id, "value": pair.other})
        answer = await sender.client.send(call, f"link {sender.name}")
    except CrmError as problem:
        return sender.refused(problem, pair.id)
    return Result("done", pair.id, None, answer.status, request_id=answer.request_id)


async def _batches(sender: Sender, batch: Batch, pairs: list[_Pair]) -> list[tuple[_Pair, Result]]:
    parts = [pairs[start : start + batch.size] for start in range(0, len(pairs), batch.size)]
    found = await asyncio.gather(*(_batch(sender, batch, part) for part in parts))
    return [one for part in found for one in part]


async def _batch(sender: Sender, batch: Batch, pairs: list[_Pair]) -> list[tuple[_Pair, Result]]:
    members: list[dict[str, Any]] = [
        {"id": pair.id, "value": pair.other, "index": str(place)} for place, pair in enumerate(pairs)
    ]
    try:
        answer = await sender.client.send(batch_call(batch, members, {}), f"link {sender.name}")
    except CrmError as problem:
        if len(pairs) == 1 or not isinstance(problem, CrmRefused):
            return [(pair, sender.refused(problem, pair.id)) for pair in pairs]
        half = len(pairs) // 2
        return [*await _batch(sender, batch, pairs[:half]), *await _batch(sender, batch, pairs[half:])]
    selected = get(answer.data, batch.request.data_selector) if batch.request.data_selector else answer.data
    found = READERS[batch.reader](selected, [Sent(None, member) for member in members])
    return [
        (pair, Result("done" if member.ok else "failed", pair.id, None, answer.status, member.error or None))
        for pair, member in zip(pairs, found, strict=True)
    ]
