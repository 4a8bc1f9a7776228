"""One record to be written: what the plan wants of it, and what became of it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import pyarrow as pa

from pipelines.push.write import values_of
from pipelines.state.intents import Change, Intent

MICROSECONDS = 1_000_000


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
            self._values = values_of({change.field: change.new for change in self.intent.changes})
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


class _Row(NamedTuple):
    """What of a plan's row goes into a unit; moments in microseconds."""

    golden_id: str
    record_key: str | None
    source_id: str | None
    field: str | None
    old: str | None
    new: str | None
    since: int | None
    modified_at: int | None
    fingerprint: str
    attempt: int
    golden: str | None


def units_of(rows: pa.Table, run_id: str) -> Iterator[Unit]:
    """The units of a plan's rows, which are of one entity and action and stand record by record.

    The rows leave Arrow column by column: a dictionary for each would take longer than all the rest of a push.
    """
    if rows.num_rows == 0:
        return
    what = tuple(rows[name][0].as_py() for name in ("connection", "entity", "action"))
    prefix = f"{run_id}-{secrets.token_hex(8)}"
    for number, (_, group) in enumerate(groupby(_rows(rows), key=itemgetter(0, 1))):
        yield _unit(list(group), run_id, f"{prefix}-{number:x}", what)


def _rows(rows: pa.Table) -> Iterator[_Row]:
    for batch in rows.select(list(_Row._fields)).to_batches(max_chunksize=3_000):
        plain = (c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in batch.columns)
        yield from map(_Row._make, zip(*(column.to_pylist() for column in plain), strict=True))


def _unit(rows: list[_Row], run_id: str, name: str, what: tuple[str, str, str]) -> Unit:
    first = rows[0]
    changes = tuple([Change(row.field, row.old, row.new, row.since) for row in rows if row.field])
    intent = Intent(
        name, run_id, *what, first.golden_id, first.record_key, changes, first.fingerprint, first.attempt,
    )  # fmt: skip
    held = {row.field: row.golden for row in rows if row.field and row.golden is not None}
    return Unit(intent, first.source_id, first.modified_at, holds=held)


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
