"""After a crash: intents whose outcome nobody saw are settled before anything else (law L8).

An update is read back; a create is searched for, once the index had time to catch up; where a CRM has no key to search
by, the intent becomes uncertain, is shown, and is never sent again unasked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pipelines.push.engine import Engine, Room
from pipelines.push.reading import GONE
from pipelines.push.sending import UNKNOWN
from pipelines.push.units import MICROSECONDS, Result, Unit, same_json
from pipelines.state import intents
from pipelines.state.database import now_us
from pipelines.state.intents import ENDED, Intent
from pipelines.wire.errors import CrmError

INTERRUPTED = "interrupted; it was not carried out"


async def settle_open(engine: Engine) -> int:
    """Settles the connection's open intents; returns how many there were. What cannot be read yet stays open."""
    found = intents.unsettled(engine.state, engine.connection.name)
    for entity, action in sorted({(one.entity, one.action) for one in found}):
        mine = [_unit(one) for one in found if (one.entity, one.action) == (entity, action)]
        if entity not in engine.connection.entities:
            continue
        room = engine.room(entity)
        doubtful = await _settle_ended(engine, mine)
        if not doubtful:
            continue
        try:
            results = await _results(room, action, doubtful)
        except CrmError as problem:
            room.sender.refused(problem, None)
            continue
        await engine.settle(doubtful, results)
    return len(found)


async def _settle_ended(engine: Engine, units: Sequence[Unit]) -> list[Unit]:
    """Settles those that were not to be sent, as they ended: whatever the CRM shows is not their doing; the others."""
    ended = [unit for unit in units if ENDED in unit.intent.extra]
    if ended:
        await engine.settle(ended, [Result(**unit.intent.extra[ENDED]) for unit in ended])
    return [unit for unit in units if ENDED not in unit.intent.extra]


def _unit(intent: Intent) -> Unit:
    return Unit(intent, intent.record_key.partition(":")[2] if intent.record_key else None)


async def _results(room: Room, action: str, units: Sequence[Unit]) -> list[Result]:
    if action == "create":
        sent = max((unit.intent.sent_at or 0) for unit in units)
        waited = max(0.0, (now_us() - sent) / MICROSECONDS)
        return await room.creator.settle(units, [Result(UNKNOWN, error=INTERRUPTED)] * len(units), waited)
    if action in {"link", "unlink"} or not room.reading.can_read:  # to say it twice does no harm
        return [_not_done(unit) for unit in units]
    now = await room.reading.now([str(unit.source_id) for unit in units])
    records = [now.get(str(unit.source_id)) for unit in units]
    rows = await room.reading.meaning([None if record is GONE else record for record in records])
    return [
        _archived(unit, record, row) if action == "archive" else _updated(unit, record, row)
        for unit, record, row in zip(units, records, rows, strict=True)
    ]


def _archived(unit: Unit, record: Any, row: dict[str, Any] | None) -> Result:
    is_gone = record is GONE or (row is not None and row["is_deleted"])
    return Result("done", unit.source_id) if is_gone else _not_done(unit)


def _updated(unit: Unit, record: Any, row: dict[str, Any] | None) -> Result:
    if row is None:
        return _not_done(unit)
    readable = [one for one in unit.intent.changes if one.field not in row["absent_fields"] and one.field in row]
    has_new = [_alike(one.new, row[one.field]) for one in readable]
    if readable and all(has_new) and not all(same_json(one.old, row[one.field]) for one in readable):
        return Result("done", unit.source_id, record)
    return _not_done(unit)


def _not_done(unit: Unit) -> Result:
    return Result("failed", unit.source_id, error=INTERRUPTED, again_at_once=True)


def _alike(sent: str | None, kept: str | None) -> bool:
    """The same, or the same but for case, blanks and punctuation, which CRMs rewrite; of a list, all of its members."""
    if same_json(sent, kept):
        return True
    if sent is None or kept is None:
        return False
    ours, theirs = json.loads(sent), json.loads(kept)
    if isinstance(ours, list) and isinstance(theirs, list):
        return {_bare(one) for one in ours} <= {_bare(one) for one in theirs}
    return _bare(ours) == _bare(theirs)


def _bare(value: Any) -> str:
    said = "".join(letter for letter in str(value).casefold() if letter.isalnum())
    return said or str(value)
