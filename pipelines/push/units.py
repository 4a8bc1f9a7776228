"""One record to be written: what the plan wants of it, and what became of it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.push.write import value_of
from pipelines.state.intents import Change, Intent

MICROSECONDS = 1_000_000
RECORDS = 1_000
"""Records that leave Arrow at once."""


@dataclass(slots=True)
class Unit:
    """One record on its way.

    Attributes:
        intent: what is written down before the call.
        source_id: the record's id in the CRM; None until it is created.
        modified_at: of an update: the record's modification time (us) when it was read for the plan.
        resolved: values of references, as the CRM's own ids.
        body: the CRM's fields, once they are made.
        looked_up: by look-up: what the CRM knows the record's values by.
        unknown: by field: why it is left out, where a look-up found nothing.
        current: the record as it is now, where it was read.
        holds: of a revert: golden values (JSON) by field that are not to be pushed again.
    """

    intent: Intent
    source_id: str | None
    modified_at: int | None = None
    resolved: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    looked_up: dict[str, Any] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    current: Any = None
    holds: Mapping[str, str | None] = field(default_factory=dict)
    _values: dict[str, Any] | None = None

    @property
    def values(self) -> dict[str, Any]:
        """Canonical values to be written, by field."""
        if self._values is None:
            self._values = {name: None if new is None else value_of(new) for name, _, new, _ in self.intent.changes}
        return self._values

    @property
    def before(self) -> dict[str, str | None]:
        """Canonical values (JSON) that the plan saw, by field."""
        return {change.field: change.old for change in self.intent.changes}


class Result(NamedTuple):
    """What became of a unit. `status` as in state; `open` leaves the intent to be settled later.

    `record` is the CRM's record after the write, or the part of it that was shown; `again_at_once` does not count as
    a try; `is_written` says of an adopted record that it has the values that were sent.
    """

    status: str
    source_id: str | None = None
    record: Any = None
    http_status: int | None = None
    error: str | None = None
    request_id: str | None = None
    again_at_once: bool = False
    is_written: bool = False


class _Record(NamedTuple):
    """What a plan's rows say of a record as a whole; moments in microseconds."""

    golden_id: str
    record_key: str | None
    source_id: str | None
    modified_at: int | None
    fingerprint: str
    attempt: int


def units_of(rows: pa.Table, run_id: str) -> Iterator[Unit]:
    """The units of a plan's rows, which are of one entity and action and stand record by record.

    The rows leave Arrow column by column, and what all rows of a record say alike leaves it once: a dictionary for each
    row would take longer than all the rest of a push.
    """
    if rows.num_rows == 0:
        return
    what = tuple(rows[name][0].as_py() for name in ("connection", "entity", "action"))
    prefix = f"{run_id}-{secrets.token_hex(8)}"
    starts = [*_starts(rows), rows.num_rows]
    for first in range(0, len(starts) - 1, RECORDS):
        some = starts[first : first + RECORDS + 1]
        records = map(_Record, *_columns(rows.select(_Record._fields).take(some[:-1])))
        fields = rows.slice(some[0], some[-1] - some[0])
        changes = list(map(Change, *_columns(fields.select(Change._fields))))
        held = fields["golden"].to_pylist() if fields["golden"].null_count < fields.num_rows else []
        for number, (record, (start, end)) in enumerate(zip(records, pairwise(some), strict=True), first):
            mine = slice(start - some[0], end - some[0])
            yield _unit(record, changes[mine], held[mine], run_id, f"{prefix}-{number:x}", what)


def _starts(rows: pa.Table) -> list[int]:
    """The places of the rows at which another record begins."""
    same = pa.array([False])
    for name in ("golden_id", "record_key"):
        texts = rows[name].combine_chunks().fill_null("")
        alike = pc.equal(texts[1:], texts[:-1])
        same = alike if name == "golden_id" else pc.and_(same, alike)
    return [0, *(place + 1 for place in pc.indices_nonzero(pc.invert(same)).to_pylist())]


def _columns(rows: pa.Table) -> Iterator[list[Any]]:
    plain = (c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in rows.columns)
    return (column.to_pylist() for column in plain)


def _unit(
    record: _Record, changes: list[Change], held: list[str | None], run_id: str, name: str, what: tuple[str, str, str]
) -> Unit:
    fields = tuple([change for change in changes if change.field])  # what is deleted names none
    intent = Intent(
        name, run_id, *what, record.golden_id, record.record_key, fields, record.fingerprint, record.attempt,
    )  # fmt: skip
    unit = Unit(intent, record.source_id, record.modified_at)
    if held:
        unit.holds = {one.field: golden for one, golden in zip(changes, held, strict=True) if golden is not None}
    return unit


def micros(moment: Any) -> int | None:
    """A datetime as microseconds since 1970."""
    return None if moment is None else round(moment.timestamp() * MICROSECONDS)


def same_json(one: str | None, other: str | None) -> bool:
    """Whether two JSON texts say the same; the order of a list of texts does not count."""
    if one == other:
        return True
    if one is None or other is None:
        return False
    first, second = json.loads(one), json.loads(other)
    if isinstance(first, list) and isinstance(second, list):
        return sorted(map(str, first)) == sorted(map(str, second))
    return bool(first == second)
