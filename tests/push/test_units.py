"""From a plan's rows to units: record by record, however many leave Arrow at once."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.push import units
from pipelines.push.planned import ROWS
from pipelines.state.intents import Change

TEXT = st.none() | st.sampled_from(['"a"', '"b"', "null"])
FIELD = st.tuples(st.sampled_from(["email", "phone", "city"]), TEXT, TEXT, st.none() | st.integers(0, 9_000_000), TEXT)
RECORD = st.tuples(
    st.booleans(), st.none() | st.integers(0, 9_000_000), st.integers(1, 5), st.lists(FIELD, min_size=1, max_size=4)
)


@given(st.lists(RECORD, min_size=1, max_size=12), st.integers(1, 5), st.integers(1, 7))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_record_is_one_unit_with_all_its_fields(
    monkeypatch: pytest.MonkeyPatch, records: list[tuple[bool, int | None, int, list[tuple]]], at_once: int, piece: int
) -> None:
    monkeypatch.setattr(units, "RECORDS", at_once)
    rows = [
        {
            "connection": "north", "entity": "contacts", "action": "update", "fingerprint": f"f{n}", "attempt": attempt,
            # two records of one golden record, and records that are not there yet, may stand side by side
            "golden_id": f"g{n // 2}", "record_key": f"north:{n}" if is_known or n % 2 else None,
            "source_id": f"{n}", "modified_at": modified, "field": field, "old": old, "new": new, "since": since,
            "golden": golden,
        }
        for n, (is_known, modified, attempt, fields) in enumerate(records)
        for field, old, new, since, golden in fields
    ]  # fmt: skip
    columns = [pa.array([row.get(kind.name) for row in rows], kind.type) for kind in ROWS]
    whole = pa.Table.from_arrays(columns, schema=ROWS)
    pieces = pa.concat_tables([whole.slice(start, piece) for start in range(0, whole.num_rows, piece)])
    made = list(units.units_of(pieces, "r1"))
    assert len({unit.intent.intent_id for unit in made}) == len(made) == len(records)
    for n, (unit, (is_known, modified, attempt, fields)) in enumerate(zip(made, records, strict=True)):
        key = f"north:{n}" if is_known or n % 2 else None
        assert (unit.intent.golden_id, unit.intent.record_key, unit.source_id) == (f"g{n // 2}", key, f"{n}")
        assert (unit.modified_at, unit.intent.attempt, unit.intent.fingerprint) == (modified, attempt, f"f{n}")
        assert unit.intent.changes == tuple(Change(*field[:4]) for field in fields)
        assert unit.holds == {field: golden for field, _, _, _, golden in fields if golden is not None}
    assert list(units.units_of(whole.slice(0, 0), "r1")) == []
