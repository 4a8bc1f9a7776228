"""What is gone: missing and confirmed, named by a feed, said by the record itself; guards against too much of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from extract_memory import SINCE, filled, run

from pipelines.extract.guard import SourceShrank
from pipelines.state import intents, ledger
from pipelines.state.database import open_state
from pipelines.state.intents import Change, Intent


def test_missing_and_not_found_is_deleted(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(), memory.connection(tmp_path)
    run(crm, connection)
    crm.remove("c0")
    read = run(crm, connection)
    assert (read.deleted, read.unchanged, crm.calls["get"]) == (1, 6, 1)
    tombstone = memory.rows(connection, "select hash = md5('deleted'), record->>'name' from raw.contacts where deleted")
    assert tombstone == [(True, "Ada 0")]
    assert run(crm, connection).deleted == 0


def test_missing_but_found_is_not_deleted(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(7), memory.connection(tmp_path)
    run(crm, connection)
    # between the first and the second page a record of the first page goes: c3 moves up and is served by neither
    crm.hooks.append(lambda n: crm.remove("c0") if n == 2 else None)
    read = run(crm, connection)
    assert read.deleted == 0
    assert memory.current(connection)["c3"] == crm.records["c3"]


def test_without_a_call_for_one_record_two_reads_must_miss_it(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(), memory.connection(tmp_path, get=None)
    run(crm, connection)
    crm.remove("c0")
    first, second, third = (run(crm, connection) for _ in range(3))
    assert (first.deleted, second.deleted, third.deleted) == (0, 1, 0)
    assert "missing" in first.warnings[0]


def test_what_comes_back_is_current_again(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(), memory.connection(tmp_path)
    run(crm, connection)
    kept = dict(crm.records["c0"])
    crm.remove("c0")
    run(crm, connection)
    crm.records["c0"] = kept
    run(crm, connection)
    assert memory.current(connection) == crm.records


def test_a_record_that_says_it_is_deleted_need_not_be_listed(memory: ModuleType, tmp_path: Path) -> None:
    crm = filled()
    connection = memory.connection(tmp_path, deleted={"when": {"status": ["gone"]}})
    run(crm, connection)
    crm.put("c1", status="gone")
    run(crm, connection)
    del crm.records["c1"]
    read = run(crm, connection)
    assert (read.deleted, crm.calls["get"]) == (0, 0)


def test_a_list_of_deleted_records_is_believed_once(memory: ModuleType, tmp_path: Path) -> None:
    feed = {"path": "deleted", "data_selector": "contacts"}
    connection = memory.connection(tmp_path, extract=SINCE, deleted={"feed": feed, "feed_id": "id"})
    crm = filled()
    run(crm, connection)
    crm.remove("c1")
    assert run(crm, connection).deleted == 1
    gone_at = crm.deleted["c1"]
    crm.put("c1", name="Back")
    crm.deleted["c1"] = gone_at  # the list goes on naming a record that was restored
    run(crm, connection)
    for _ in range(2):
        crm.now += timedelta(minutes=1)
        assert run(crm, connection).deleted == 0
    assert memory.current(connection) == crm.records


def test_reconcile_reads_everything_when_it_is_due(memory: ModuleType, tmp_path: Path) -> None:
    crm = filled()
    connection = memory.connection(tmp_path, extract=SINCE, deleted={"reconcile": "1h"})
    run(crm, connection)
    crm.remove("c4")
    assert run(crm, connection).deleted == 0
    age(connection)
    read = run(crm, connection)
    assert (read.full, read.deleted) == (True, 1)
    assert memory.current(connection) == crm.records


def test_what_a_push_did_not_find_is_asked_for_before_everything_is_read_again(
    memory: ModuleType, tmp_path: Path
) -> None:
    """Else it would be planned, and passed over, at every run until the next full read."""
    crm = filled()
    connection = memory.connection(tmp_path, extract=SINCE, deleted={"reconcile": "24h"})
    with open_state(connection.owner) as state:
        run(crm, connection, state=state)
        crm.remove("c4")
        name = connection.name
        tried = [
            Intent(f"i{id}", "r1", name, "contacts", "update", "g", f"{name}:{id}", (Change("name", None, '"x"'),))
            for id in ("c2", "c4")
        ]
        intents.open_all(state, tried)
        ledger.settle(state, [ledger.Outcome(one, "skipped", one.record_key, error=intents.NOT_FOUND) for one in tried])
        read = run(crm, connection, state=state)
        assert (read.full, read.deleted, crm.calls["get"]) == (False, 1, 2)
        assert memory.current(connection) == crm.records
        assert run(crm, connection, state=state).deleted == 0


def age(connection: Any) -> None:
    """Makes all reads two hours older."""
    import duckdb

    with duckdb.connect(str(connection.owner.raw(connection.name))) as con:
        con.execute("update raw._reads set read_at = read_at - interval 2 hour")


def test_an_empty_source_stops_the_connection(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(), memory.connection(tmp_path)
    run(crm, connection)
    crm.records.clear()
    with pytest.raises(SourceShrank, match="served 0 contacts where 7 were known") as stopped:
        run(crm, connection)
    assert stopped.value.exit_code == 5
    assert len(memory.current(connection)) == 7
    assert run(crm, connection, allow_shrink=True).deleted == 7


def test_a_much_smaller_source_stops_and_loads_nothing(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(30), memory.connection(tmp_path)
    run(crm, connection)
    for i in range(20):
        del crm.records[f"c{i}"]
    crm.put("new", name="New")
    with pytest.raises(SourceShrank):
        run(crm, connection)
    assert len(memory.current(connection)) == 30


@pytest.mark.parametrize(
    ("answer", "deleted"),
    [
        ((200, b"<html>login</html>"), 0),
        ((200, b""), 0),
        ((200, b'{"id": "winner", "name": "merged"}'), 1),
        ((200, b'"gone"'), 0),
        ((200, b"null"), 1),
        ((403, b"{}"), 0),
        ((404, b"{}"), 1),
        ((410, b"{}"), 1),
        ((500, b"{}"), 0),
    ],
)
def test_only_a_clear_answer_says_that_a_record_is_gone(
    memory: ModuleType, tmp_path: Path, answer: tuple[int, bytes], deleted: int
) -> None:
    crm, connection = filled(), memory.connection(tmp_path)
    run(crm, connection)
    crm.remove("c0")
    served = crm.send
    crm.send = lambda request, *a, **k: (
        crm.answer(request, *answer) if request.url.endswith("/c0") else served(request, *a, **k)
    )
    assert run(crm, connection, backoff=0.0).deleted == deleted
    assert len(memory.current(connection)) == 7 - deleted
