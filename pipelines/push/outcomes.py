"""From the results of calls to the ledger: read-backs, delays of the next try, dead letters, twins that are adopted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelines.push.reading import GONE, Reading
from pipelines.push.units import MICROSECONDS, Result, Unit
from pipelines.state import registry
from pipelines.state.database import State, now_us
from pipelines.state.ledger import Outcome

RETRY_SECONDS = (0, 60, 600, 3600, 6 * 3600)
"""Before the second, third, ... try; after the last one the intent is a dead letter."""
DEAD_AFTER = len(RETRY_SECONDS) + 1


async def outcomes_of(
    reading: Reading, state: State, units: Sequence[Unit], results: Sequence[Result]
) -> list[Outcome]:
    """What is to be written down; a result that is still open is left out."""
    pairs = [(unit, result) for unit, result in zip(units, results, strict=True) if result.status != "open"]
    kept = {**await _kept(reading, pairs), **_linked(pairs)}
    taken = _taken(reading, state, pairs)
    return [_outcome(reading, unit, result, kept.get(place), taken) for place, (unit, result) in enumerate(pairs)]


def _outcome(
    reading: Reading, unit: Unit, result: Result, kept: dict[str, str | None] | None, taken: dict[str, str]
) -> Outcome:
    connection = unit.intent.connection
    key = f"{connection}:{result.source_id}" if result.source_id is not None else unit.intent.record_key
    status, error = result.status, reading.client.redact.text(result.error) if result.error else None
    if unit.intent.action == "create" and status in {"done", "adopted"}:
        belongs_to = taken.get(key or "", unit.intent.golden_id)
        if belongs_to != unit.intent.golden_id:
            # said to people in the end, not tried at every run: the CRM may know somebody by more than we ask for
            said = f"the CRM's {key} has the same key, but belongs to {belongs_to}"
            return Outcome(
                unit.intent, "dead" if unit.intent.attempt >= DEAD_AFTER else "failed", None, result.http_status, said,
                result.request_id, now_us() + _delay(unit),
            )  # fmt: skip
    if status == "failed" and unit.intent.attempt >= DEAD_AFTER and not result.again_at_once:
        status = "dead"
    return Outcome(
        unit.intent, status, key, result.http_status, error, result.request_id, _next_try(unit, result),
        unit.intent.attempt - 1 if result.again_at_once else None, kept or {}, kept is not None, unit.unknown,
    )  # fmt: skip


def _next_try(unit: Unit, result: Result) -> int | None:
    if result.status != "failed":
        return None
    return now_us() + (0 if result.again_at_once else _delay(unit))


def _delay(unit: Unit) -> int:
    """How long to wait before the next try, in microseconds."""
    return RETRY_SECONDS[min(unit.intent.attempt, len(RETRY_SECONDS)) - 1] * MICROSECONDS


def _taken(reading: Reading, state: State, pairs: Sequence[tuple[Unit, Result]]) -> dict[str, str]:
    """Which golden records the records that were created or adopted belong to already."""
    made = [(unit, result) for unit, result in pairs if unit.intent.action == "create" and result.source_id is not None]
    keys = [f"{unit.intent.connection}:{result.source_id}" for unit, result in made]
    return registry.golden_of(state, reading.name, keys) if keys else {}


async def _kept(reading: Reading, pairs: Sequence[tuple[Unit, Result]]) -> dict[int, dict[str, str | None]]:
    """By place: what the CRM made of each value that was sent; from its answer, or else read again."""
    places = [
        place
        for place, (unit, result) in enumerate(pairs)
        if _is_written(result) and unit.intent.action in {"create", "update"} and unit.intent.changes
    ]
    fields = {change.field for place in places for change in pairs[place][0].intent.changes}
    shown = await reading.meaning([pairs[place][1].record for place in places], fields)
    kept = {place: found for place, row in zip(places, shown, strict=True) if (found := _told(pairs[place][0], row))}
    missing = [place for place in places if place not in kept]
    if missing and reading.can_read:
        ids = [str(pairs[place][1].source_id) for place in missing]
        now = await reading.now(ids)
        rows = await reading.meaning([None if now.get(id) is GONE else now.get(id) for id in ids], fields)
        for place, row in zip(missing, rows, strict=True):
            if found := _told(pairs[place][0], row, is_whole=True):
                kept[place] = found
    sent = {place: pairs[place][0].intent.changes for place in places if pairs[place][1].status == "adopted"}
    return {**{place: {one.field: one.new for one in changes} for place, changes in sent.items()}, **kept}


def _is_written(result: Result) -> bool:
    """Whether the CRM's record has what was sent."""
    return result.status == "done" or (result.status == "adopted" and result.is_written)


def _linked(pairs: Sequence[tuple[Unit, Result]]) -> dict[int, dict[str, str | None]]:
    """By place: what a record showed before a relation was made; where it shows no more after, that is its way."""
    return {
        place: {change.field: change.old for change in unit.intent.changes}
        for place, (unit, result) in enumerate(pairs)
        if result.status == "done" and unit.intent.action == "link"
    }


def _told(unit: Unit, row: dict[str, Any] | None, *, is_whole: bool = False) -> dict[str, str | None] | None:
    """The values of the fields that were sent; None where a part of a record does not show them all."""
    if row is None:
        return None
    sent, absent = {name: new for name, _, new, _ in unit.intent.changes}, row["absent_fields"]
    if not absent and None not in sent.values() and row.keys() >= sent.keys():
        return {name: row[name] for name in sent}
    # a field that was cleared may still be read from another of its places, which a part need not show
    if not is_whole and (sent.keys() & set(absent) or None in sent.values()):
        return None
    return {name: new if name in absent or name not in row else row[name] for name, new in sent.items()}
