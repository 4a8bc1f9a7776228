"""The registry of golden ids."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import sqlalchemy as sa

from pipelines.state import registry
from pipelines.state.database import State

NOW = datetime(2026, 11, 20, tzinfo=UTC)
MOMENT = pa.timestamp("us", tz="UTC")


def changes(**golden: str | None) -> pa.Table:
    keys = [key.replace("_", ":") for key in golden]
    return pa.table(
        {
            "record_key": keys,
            "golden_id": pa.array(golden.values(), pa.string()),
            "since": pa.array([NOW] * len(keys), MOMENT),
        }
    )


def redirected(**to: str) -> pa.Table:
    return pa.table(
        {
            "from_id": list(to),
            "to_id": list(to.values()),
            "reason": ["same"] * len(to),
            "at": pa.array([NOW] * len(to), MOMENT),
        }
    )


def known(state: State) -> dict[str, str]:
    batches = list(registry.load(state, "contacts"))
    return {row["record_key"]: row["golden_id"] for batch in batches for row in batch.to_pylist()}


def test_what_is_applied_is_read_back(state: State) -> None:
    registry.apply(state, "contacts", changes(a_1="g1", a_2="g2"))
    registry.apply(state, "deals", changes(a_1="d1"))
    assert known(state) == {"a:1": "g1", "a:2": "g2"}
    assert next(iter(registry.load(state, "contacts"))).to_pylist()[0]["since"] == NOW


def test_the_stamp_changes_with_the_registry_and_only_then(state: State) -> None:
    seen = [registry.stamp(state, "contacts")]
    registry.apply(state, "contacts", changes(a_1="g1"))
    seen.append(registry.stamp(state, "contacts"))
    registry.apply(state, "contacts", changes(), redirected())
    registry.apply(state, "deals", changes(a_1="d1"))
    assert registry.stamp(state, "contacts") == seen[1] != seen[0]


def test_a_null_forgets_the_record(state: State) -> None:
    registry.apply(state, "contacts", changes(a_1="g1", a_2="g1"))
    registry.apply(state, "contacts", changes(a_1=None))
    assert known(state) == {"a:2": "g1"}


def test_redirects_point_at_the_id_that_lives(state: State) -> None:
    registry.apply(state, "contacts", changes(), redirected(g1="g2"))
    registry.apply(state, "contacts", changes(), redirected(g2="g3"))
    found = {row["from_id"]: row["to_id"] for b in registry.load_redirects(state, "contacts") for row in b.to_pylist()}
    assert found == {"g1": "g3", "g2": "g3"}


def test_merges_and_splits_are_events(state: State) -> None:
    registry.apply(state, "contacts", changes(a_1="g1", b_1="g2", c_1="g3"))
    registry.apply(state, "contacts", changes(b_1="g1"), redirected(g2="g1"))
    registry.apply(state, "contacts", changes(b_1="g9"))
    with state.read() as connection:
        found = connection.execute(
            sa.text("SELECT golden_id, event, other_id FROM golden_events ORDER BY event_id")
        ).all()
    assert [tuple(row) for row in found] == [("g2", "merged-into", "g1"), ("g9", "split-from", "g1")]


def test_a_hundred_thousand_ids_there_and_back(state: State) -> None:
    keys = pa.array([f"brivity:{n}" for n in range(100_000)])
    table = pa.table({"record_key": keys, "golden_id": keys, "since": pa.array([NOW] * 100_000, MOMENT)})
    registry.apply(state, "contacts", table)
    assert sum(batch.num_rows for batch in registry.load(state, "contacts")) == 100_000
