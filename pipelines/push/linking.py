"""Relations that a CRM keeps outside its records: written by calls of their own, once both sides are there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.mapping.language import Batch, Link
from pipelines.push.paths import get
from pipelines.push.sending import Sender
from pipelines.push.template import batch_call, filled
from pipelines.push.units import Result, Unit
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
    links = {link.field: link for link in sender.push.links}
    pairs = [
        _Pair(place, links[name], unit.source_id, str(other))
        for place, unit in enumerate(units)
        for name, others in unit.resolved.items()
        if unit.source_id is not None and name in links
        for other in (others if isinstance(others, list) else [others])
    ]
    singles = [pair for pair in pairs if pair.link.batch is None]
    outcomes = list(zip(singles, await asyncio.gather(*(_one(sender, pair) for pair in singles)), strict=True))
    for link in links.values():
        if link.batch is not None:
            outcomes += await _batches(sender, link.batch, [pair for pair in pairs if pair.link is link])
    return [_joined(unit, [result for pair, result in outcomes if pair.place == n]) for n, unit in enumerate(units)]


def _joined(unit: Unit, results: list[Result]) -> Result:
    bad = next((result for result in results if result.status != "done"), None)
    if bad is not None:
        return bad
    return results[0] if results else Result("failed", unit.source_id, error="there is nothing to point at yet")


async def _one(sender: Sender, pair: _Pair) -> Result:
    try:
        call = filled(pair.link.add, {"id": pair.id, "value": pair.other})
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
