"""Before an update: is the record still as it was when the plan was made?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pipelines.push.reading import GONE, Reading
from pipelines.push.units import MICROSECONDS, Result, Unit, same_json
from pipelines.push.untouched import untouched
from pipelines.state.intents import NOT_FOUND

CHANGED = "changed in the CRM since it was read; planned anew at the next run"


async def stale_units(
    reading: Reading, units: Sequence[Unit], needs_no_reading: Callable[[Unit], bool]
) -> dict[int, Result]:
    """By place: why a unit is skipped; sets `current` of units that are read. Nothing where single records cannot be.

    Args:
        reading: of the units' entity.
        units: updates, or deletions.
        needs_no_reading: whether it is enough to know that nobody touched the record.
    """
    if not reading.can_read:
        return {}
    spared = await untouched(reading, units, needs_no_reading)
    places = [place for place, unit in enumerate(units) if str(unit.source_id) not in spared]
    found = await _stale(reading, [units[place] for place in places])
    return {places[n]: result for n, result in found.items()}


async def _stale(reading: Reading, units: Sequence[Unit]) -> dict[int, Result]:
    ids = [str(unit.source_id) for unit in units]
    now = await reading.now(ids)
    for unit, id in zip(units, ids, strict=True):
        unit.current = None if now.get(id) is GONE else now.get(id)
    rows = await _told(reading, units)
    found = {place: _judged(unit, row) for place, (unit, row) in enumerate(zip(units, rows, strict=True))}
    return {place: result for place, result in found.items() if result is not None}


async def _told(reading: Reading, units: Sequence[Unit]) -> list[dict[str, Any] | None]:
    """What of the records has to be known: their times, and their values where there is no time to compare."""
    now = [unit.current for unit in units]
    if all(unit.modified_at is not None for unit in units):
        rows = await reading.meaning(now, ())
        if all(row is None or row["modified_at"] is not None for row in rows):
            return rows
    return await reading.meaning(now, {change.field for unit in units for change in unit.intent.changes})


def _judged(unit: Unit, row: dict[str, Any] | None) -> Result | None:
    if unit.current is None:
        return Result("skipped", unit.source_id, error=NOT_FOUND)
    if row is None:
        return Result("skipped", unit.source_id, error="the CRM's record cannot be read")
    if row["is_deleted"] or not row["is_in_scope"]:
        return Result("skipped", unit.source_id, error="deleted or out of scope in the CRM since it was read")
    if unit.modified_at is not None and row["modified_at"] is not None:
        return None if _same_time(unit.modified_at, row["modified_at"]) else _changed(unit)
    unknown = {*row["absent_fields"], *row["unreadable_fields"]}
    same = (name in unknown or same_json(old, row.get(name)) for name, old in unit.before.items())
    return None if all(same) else _changed(unit)


def _changed(unit: Unit) -> Result:
    return Result("skipped", unit.source_id, error=CHANGED)


def _same_time(one: int, other: int) -> bool:
    """Equal; to the second where one of the two has no fraction of it: lists and single records may differ in that."""
    if one % MICROSECONDS == 0 or other % MICROSECONDS == 0:
        return one // MICROSECONDS == other // MICROSECONDS
    return one == other
