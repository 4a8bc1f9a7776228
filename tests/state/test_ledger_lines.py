"""A ledger's row is one record, its line one field: read by Python, read by DuckDB, and as older states had them."""

from __future__ import annotations

from typing import Any

import duckdb
import old_ledger
from echo_lines import echo_lines
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.connections.owner import Owner
from pipelines.state import echoes, intents, ledger, ledger_lines, snapshot
from pipelines.state.database import State, open_state
from pipelines.state.intents import Change, Intent
from pipelines.state.ledger import Outcome

VALUES = st.none() | st.text().map(repr)
FIELDS = ["phone", "email", "tags"]
CHANGES = st.lists(
    st.builds(Change, st.sampled_from(FIELDS), VALUES, VALUES, st.none() | st.integers(1, 4_000_000_000_000_000)),
    unique_by=lambda change: change.field,
)
TOLD = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, VALUES))
WHY = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, st.text()))


def published(state: State) -> list[dict[str, Any]]:
    """The lines as an analyst has them, moments as microseconds."""
    con = duckdb.connect()
    snapshot.snapshot(state, con)
    moments = ", ".join(f"epoch_us({name}) AS {name}" for name in ("since", "planned_at", "sent_at", "settled_at"))
    table = con.sql(f"SELECT * REPLACE ({moments}) FROM sync.ledger").to_arrow_table()
    assert table.column_names == [column.name for column in ledger_lines.COLUMNS]
    return table.to_pylist()  # type: ignore[no-any-return]


@given(st.lists(st.tuples(CHANGES, TOLD, WHY, st.sampled_from(["done", "failed"])), max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_analysts_and_the_program_see_the_same_lines(state: State, told: list[Any]) -> None:
    with state.write() as connection:
        for table in (ledger.ledger, intents.intents, echoes.echoes):
            connection.execute(table.delete())
    made = [
        Intent(f"i{n}", "r1", "north", "contacts", "update", f"g{n}", f"north:{n}", tuple(told[n][0]))
        for n in range(len(told))
    ]
    intents.open_all(state, made)
    ledger.settle(state, [
        Outcome(intent, status, intent.record_key, 200, read_back=kept, has_read_back=True, left_out=why)
        for intent, (_, kept, why, status) in zip(made, told, strict=True)
    ])  # fmt: skip
    lines = ledger.of_run(state, "r1")
    assert published(state) == lines
    assert len(lines) == sum(max(1, len(changes)) for changes, *_ in told), "also a line of what has no fields"
    for line in lines:
        changes, kept, why, status = told[int(line["golden_id"][1:])]
        is_left_out = status == "done" and line["field"] in why and changes
        assert line["status"] == ("skipped" if is_left_out else status)
        assert line["error"] == (why[line["field"]] if is_left_out else None)
        assert line["http_status"] == (None if is_left_out else 200)
        for change in changes:
            if change.field == line["field"]:
                assert (line["old"], line["new"], line["since"]) == change[1:]
                assert line["read_back"] == kept.get(change.field)


def test_an_older_state_keeps_its_lines(state: State, owner: Owner) -> None:
    old_ledger.make(state)
    with open_state(owner) as upgraded:
        kept = [tuple(line[name] for name in old_ledger.COLUMNS[1:]) for line in ledger.of_run(upgraded, "r1")]
        assert sorted(kept, key=repr) == sorted((line[1:] for line in old_ledger.LINES), key=repr)
        assert echo_lines(upgraded, "contacts") == old_ledger.echoes_as_lines()
        intents.open_all(upgraded, [intent := Intent("i9", "r2", "north", "contacts", "update", "g1", "north:1", ())])
        ledger.settle(upgraded, [Outcome(intent, "done", "north:1")])
        assert [line["intent_id"] for line in ledger.of_run(upgraded, "r2")] == ["i9"]
