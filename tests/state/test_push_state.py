"""Intents, ledger, echoes, limits, switches and the snapshot for analysts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa
from echo_lines import echo_lines

from pipelines.state import (
    answers,
    baselines,
    checks,
    controls,
    echoes,
    intents,
    ledger,
    limiter,
    notices,
    pins,
    registry,
    runs,
    snapshot,
    written,
)
from pipelines.state.database import State, now_us
from pipelines.state.intents import Change, Intent
from pipelines.state.ledger import Outcome

PHONE = Change("phone", None, '"+12025550123"', 1_700_000_000_000_000)
UPDATE = Intent("i1", "r1", "north", "contacts", "update", "g1", "north:1", (PHONE,), "f1")
CREATE = Intent(
    "i2", "r1", "north", "contacts", "create", "g2", None, (PHONE,), "f2", extra={"keys": {"email": "a@b.c"}}
)


def status_of(state: State, intent_id: str) -> str:
    with state.read() as connection:
        query = sa.text("SELECT status FROM intents WHERE intent_id = :i")
        return str(connection.execute(query, {"i": intent_id}).scalar())


def test_an_intent_is_open_until_it_is_settled(state: State) -> None:
    intents.open_all(state, [UPDATE, CREATE])
    found = intents.unsettled(state, "north")
    assert found == [UPDATE, CREATE]
    assert all(one.sent_at is not None for one in found)
    ledger.settle(state, [Outcome(UPDATE, "done", "north:1"), Outcome(CREATE, "failed", error="timeout")])
    assert intents.unsettled(state, "north") == []


def test_no_question_about_intents_reads_all_of_them(state: State) -> None:
    asked: list[tuple[str, object]] = []

    def note(_connection: object, _cursor: object, said: str, values: object, *_: object) -> None:
        asked.append((said, values))

    sa.event.listen(state.engine, "before_cursor_execute", note)
    intents.open_all(state, [UPDATE])
    ledger.settle(state, [Outcome(UPDATE, "failed", "north:1")])
    intents.open_all(state, [replace(UPDATE, intent_id="i3")])
    intents.unsettled(state, "north")
    written.unsettled(state)
    intents.not_found(state, "north", "contacts")
    list(intents.unfinished(state, "north", "contacts"))
    intents.failures(state)
    intents.retry(state)
    questions = {said: values for said, values in asked if "intents" in said and not said.startswith("INSERT")}
    with state.read() as connection:
        plans = {
            said: str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", values).all())
            for said, values in questions.items()
        }
    assert len(plans) >= 9, plans
    assert not [said for said, plan in plans.items() if re.search("SCAN intents(?! USING)", plan)], plans


def test_a_settled_update_leaves_a_line_and_an_echo(state: State) -> None:
    intents.open_all(state, [UPDATE])
    kept = '"(202) 555-0123"'
    ledger.settle(state, [Outcome(UPDATE, "done", "north:1", 200, read_back={"phone": kept}, has_read_back=True)])
    (line,) = ledger.of_run(state, "r1")
    assert (line["field"], line["old"], line["new"], line["read_back"]) == ("phone", None, PHONE.new, kept)
    assert line["sent_at"] is not None
    assert (line["status"], line["http_status"], line["since"], line["attempt"]) == ("done", 200, PHONE.since, 1)
    (echo,) = echo_lines(state, "contacts")
    assert (echo["sent"], echo["read_back"]) == (PHONE.new, kept)


def test_a_failure_leaves_no_echo(state: State) -> None:
    intents.open_all(state, [UPDATE])
    before = echoes.stamp(state, "contacts")
    ledger.settle(state, [Outcome(UPDATE, "failed", "north:1", 422, "no such value")])
    assert echo_lines(state, "contacts") == []
    assert echoes.stamp(state, "contacts") == before
    assert [one["error"] for one in intents.failures(state)] == ["no such value"]


def test_a_created_record_belongs_to_its_golden_record_at_once(state: State) -> None:
    intents.open_all(state, [CREATE])
    ledger.settle(state, [Outcome(CREATE, "done", "north:9", 201)])
    assert next(registry.load(state, "contacts")).to_pydict()["golden_id"] == ["g2"]
    assert next(ledger.load_created(state, "contacts", "north")).to_pylist()[0]["record_key"] == "north:9"


def test_a_new_intent_supersedes_the_failed_one(state: State) -> None:
    intents.open_all(state, [UPDATE])
    ledger.settle(state, [Outcome(UPDATE, "failed", "north:1")])
    intents.open_all(state, [replace(UPDATE, intent_id="i3", attempt=2)])
    assert status_of(state, "i1") == "superseded"
    assert intents.failures(state) == []


def test_retry_releases_the_uncertain_only_by_name(state: State) -> None:
    intents.open_all(state, [UPDATE, CREATE])
    ledger.settle(state, [Outcome(UPDATE, "dead", "north:1"), Outcome(CREATE, "uncertain")])
    assert intents.retry(state) == 1
    assert status_of(state, "i2") == "uncertain"
    assert intents.retry(state, intent_ids=["i2"]) == 1
    rows = next(intents.unfinished(state, "north", "contacts")).to_pylist()
    assert {(row["status"], row["attempt"]) for row in rows} == {("failed", 0)}


def test_windows_add_up_and_begin_anew(state: State) -> None:
    assert limiter.use(state, "acme", "day", 100, 5) == 5
    assert limiter.use(state, "acme", "day", 100, 2) == 7
    assert limiter.load(state, "acme") == {"day": (100, 7)}
    assert limiter.use(state, "acme", "day", 200, 1) == 1
    assert limiter.use(state, "other", "day", 200, 0) == 0


def test_switches(state: State) -> None:
    controls.pause(state, "north", "audit", "ann")
    controls.never(state, "north", "contacts", "7", why="the boss", who="ann")
    assert controls.paused(state, "north") == "audit"
    assert controls.never_synced(state, "north", "contacts") == {"7": "the boss"}
    controls.resume(state, "north")
    controls.again(state, "north", "contacts", "7")
    assert controls.paused(state, "north") is None
    assert controls.all_never_synced(state) == []


def test_pins_run_out(state: State) -> None:
    pins.pin(state, "contacts", "g1", "phone", value="+1", who="ann", until=now_us() - 1)
    pins.pin(state, "contacts", "g1", "email", value="a@b.c", who="ann")
    assert next(pins.load(state, "contacts")).to_pydict()["field"] == ["email"]
    pins.unpin(state, "contacts", "g1", "email")
    assert list(pins.load(state, "contacts")) == []


def test_answers_know_no_order(state: State) -> None:
    answers.put(state, "contacts", ("b:2", "a:1"), "same", "ann")
    answers.put(state, "contacts", ("a:1", "b:2"), "different", "bob")
    (found,) = next(answers.load(state, "contacts")).to_pylist()
    assert (found["a"], found["b"], found["answer"], found["who"]) == ("a:1", "b:2", "different", "bob")
    with pytest.raises(ValueError, match="one record"):
        answers.put(state, "contacts", ("a:1", "a:1"), "same", "ann")


def test_a_notice_is_news_once(state: State) -> None:
    assert notices.raise_notice(state, "k", "error", "login refused", "north")
    assert not notices.raise_notice(state, "k", "error", "login refused", "north")
    assert notices.open_notices(state)[0]["times"] == 2
    assert notices.close(state, "k")
    assert not notices.close(state, "k")
    assert notices.raise_notice(state, "k", "error", "login refused", "north")


def test_a_conflict_is_recorded_once(state: State) -> None:
    conflict = ledger.Conflict("north", "contacts", "g1", "north:1", "phone", None, '"+2"', "theirs", "latest", None, 2)
    ledger.note_conflicts(state, "r1", [conflict])
    ledger.note_conflicts(state, "r2", [conflict])
    con = duckdb.connect()
    assert snapshot.snapshot(state, con)["sync.conflicts"] == 1


def test_runs_and_counts(state: State) -> None:
    run_id = runs.start(state, ["north"])
    runs.count(state, run_id, [runs.Count("north", "extract", "contacts", "new", 3)])
    runs.count(state, run_id, [runs.Count("north", "extract", "contacts", "new", 4)])
    assert runs.abandoned(state) == [run_id]
    runs.finish(state, run_id, 0, {"pushed": 1})
    assert [c.value for c in runs.counts(state, run_id)] == [4]
    (last,) = runs.last(state)
    assert (last["status"], last["summary"], last["connections"]) == ("done", {"pushed": 1}, ["north"])


def test_baselines_are_replaced(state: State) -> None:
    baselines.save(state, "north", "r1", {("contacts", "records"): 10})
    baselines.save(state, "north", "r2", {("contacts", "records"): 12})
    assert baselines.load(state, "north") == {("contacts", "records"): 12.0}


def test_the_snapshot_reads_new_ledger_lines_only(state: State, tmp_path: Path) -> None:
    checks.save(state, "r1", [checks.Result("contacts", "email", "be_unique", "error", False, 10, 2)])
    intents.open_all(state, [UPDATE])
    ledger.settle(state, [Outcome(UPDATE, "done", "north:1")])
    old = tmp_path / "old.duckdb"
    with duckdb.connect(str(old)) as con:
        assert snapshot.snapshot(state, con)["sync.ledger"] == 1
        con.execute("UPDATE sync.ledger SET error = 'from the old file'")
    intents.open_all(state, [CREATE])
    ledger.settle(state, [Outcome(CREATE, "done", "north:9")])
    con = duckdb.connect()
    con.execute(f"ATTACH '{old}' AS old (READ_ONLY)")
    assert snapshot.snapshot(state, con, known="old")["sync.ledger"] == 2
    lines = con.execute("SELECT intent_id, error, typeof(settled_at) FROM sync.ledger ORDER BY entry_id").fetchall()
    assert lines == [("i1", "from the old file", "TIMESTAMP WITH TIME ZONE"), ("i2", None, "TIMESTAMP WITH TIME ZONE")]
    assert con.execute("SELECT passed, failed FROM quality.check_results").fetchall() == [(0, 2)]
