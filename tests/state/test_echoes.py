"""An echo is the last that was written to a field of a record, whatever was written to other fields after it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from echo_lines import echo_lines
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.state import echoes, intents, ledger
from pipelines.state.database import State
from pipelines.state.intents import Change, Intent
from pipelines.state.ledger import Outcome

UPDATE = Intent("i", "r1", "north", "contacts", "update", "g1", "north:1", ())
VALUES = st.none() | st.text().map(repr)
FIELDS = ["phone", "email", "tags"]
CHANGES = st.lists(
    st.builds(Change, st.sampled_from(FIELDS), VALUES, VALUES, st.none() | st.integers(1, 4_000_000_000_000_000)),
    unique_by=lambda change: change.field,
)
WRITES = st.tuples(
    st.sampled_from(["north:1", "north:2"]), CHANGES, st.none() | st.fixed_dictionaries(dict.fromkeys(FIELDS, VALUES)),
    st.sampled_from(["done", "failed"]),
)  # fmt: skip


@given(st.lists(st.lists(WRITES, max_size=3, unique_by=lambda write: write[0]), max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_echo_is_the_last_that_was_written(state: State, told: list[list[Any]]) -> None:
    with state.write() as connection:
        for table in (intents.intents, ledger.ledger, echoes.echoes):
            connection.execute(table.delete())
    wanted: dict[tuple[str, str], tuple[Any, ...]] = {}
    for n, writes in enumerate(told):
        made = [
            replace(UPDATE, intent_id=f"i{n}{key}", record_key=key, changes=tuple(changes))
            for key, changes, *_ in writes
        ]
        intents.open_all(state, made)
        ledger.settle(state, [
            Outcome(intent, status, key, read_back=kept or {}, has_read_back=kept is not None)
            for intent, (key, _, kept, status) in zip(made, writes, strict=True)
        ])  # fmt: skip
        for key, changes, kept, status in writes:
            for one in changes if status == "done" else []:
                read_back = one.new if kept is None else kept[one.field]
                wanted[key, one.field] = (one.old, one.new, read_back, one.since)
    found = {
        (line["record_key"], line["field"]): (line["old"], line["sent"], line["read_back"], _us(line["since"]))
        for line in echo_lines(state, "contacts")
    }
    assert found == wanted
    rewritten = {(line["record_key"], line["field"]) for line in echo_lines(state, "contacts", rewritten=True)}
    assert rewritten >= {place for place, (_, sent, read_back, _) in wanted.items() if sent != read_back}


def test_what_a_crm_kept_as_it_was_sent_is_not_rewritten(state: State) -> None:
    one = replace(UPDATE, changes=(Change("phone", None, '"1"'),))
    intents.open_all(state, [one])
    ledger.settle(state, [Outcome(one, "done", "north:1", read_back={"phone": '"1"'}, has_read_back=True)])
    assert echo_lines(state, "contacts", rewritten=True) == []
    assert len(echo_lines(state, "contacts")) == 1


def _us(moment: Any) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1_000_000)
