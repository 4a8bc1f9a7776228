"""Reading one entity from a CRM in memory: versions, counts, calls, bookmarks, deletions, pilots, bad pages."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pipelines.extract.guard import SourceShrank
from pipelines.extract.run import extract
from pipelines.wire.errors import CrmRefused, CrmUnreachable

SINCE = {"incremental": {"start_param": "updated_since", "lag": 5, "convert": "iso_ms"}}


def filled(memory: ModuleType, count: int = 7, **settings: Any) -> Any:
    crm = memory.MemoryCrm(**settings)
    for i in range(count):
        crm.put(f"c{i}", name=f"Ada {i}")
    return crm


def run(crm: Any, connection: Any, **more: Any) -> Any:
    crm.calls.clear()
    return extract(connection, adapter=crm, **more)[0]


def test_first_read_takes_all_and_a_second_one_nothing(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(memory), memory.connection(tmp_path)
    first = run(crm, connection)
    assert (first.records, first.new, first.changed, first.unchanged, first.complete, first.full) == (
        7, 7, 0, 0, True, True,
    )  # fmt: skip
    assert crm.calls["list"] == 3
    assert memory.current(connection) == crm.records
    second = run(crm, connection)
    assert (second.new, second.changed, second.unchanged) == (0, 0, 7)
    assert memory.rows(connection, "select count(*) from raw.contacts") == [(7,)]


def test_an_edit_appends_one_version(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(memory), memory.connection(tmp_path)
    run(crm, connection)
    crm.put("c3", name="Grace")
    read = run(crm, connection)
    assert (read.new, read.changed, read.unchanged) == (0, 1, 6)
    assert memory.current(connection)["c3"]["name"] == "Grace"
    assert memory.rows(connection, "select count(*), count(distinct seen) from raw.contacts where id = 'c3'") == [
        (2, 2)
    ]


def test_from_the_bookmark_only_what_changed_is_asked_for(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(memory), memory.connection(tmp_path, extract=SINCE)
    first = run(crm, connection)
    assert first.bookmark is not None
    crm.now += timedelta(minutes=10)
    assert run(crm, connection).records == 6  # those of the last five seconds before the bookmark, and itself
    crm.put("c1", name="Grace")
    assert run(crm, connection).changed == 1
    quiet = run(crm, connection)
    assert (quiet.records, quiet.new, quiet.changed, quiet.full) == (1, 0, 0, False)
    assert crm.calls["list"] <= 2


def test_a_lost_raw_file_means_a_full_read(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(memory), memory.connection(tmp_path, extract=SINCE)
    run(crm, connection)
    connection.owner.raw("memory").unlink()
    assert run(crm, connection).new == 7
    assert memory.current(connection) == crm.records


def test_a_changed_extract_block_means_a_full_read(memory: ModuleType, tmp_path: Path) -> None:
    crm = filled(memory)
    run(crm, memory.connection(tmp_path, extract=SINCE))
    changed = memory.connection(tmp_path, extract={**SINCE, "params": {"fields": "all"}})
    assert run(crm, changed).full


def test_a_filter_that_is_ignored_makes_every_read_a_full_one(memory: ModuleType, tmp_path: Path) -> None:
    since = {"incremental": {**SINCE["incremental"], "honoured": False}}
    crm, connection = filled(memory, filters=False), memory.connection(tmp_path, extract=since)
    crm.put("c6", at=memory.START - timedelta(days=1))
    run(crm, connection)
    crm.remove("c2")
    crm.now += timedelta(minutes=10)
    read = run(crm, connection)
    assert (read.full, read.deleted, crm.calls["get"]) == (True, 1, 1)
    assert memory.current(connection) == crm.records


def test_a_filter_that_is_honoured_though_nobody_said_so_deletes_nothing(memory: ModuleType, tmp_path: Path) -> None:
    since = {"incremental": {**SINCE["incremental"], "honoured": False, "lag": 0}}
    crm, connection = filled(memory), memory.connection(tmp_path, extract=since)
    run(crm, connection)
    read = run(crm, connection)
    assert (read.full, read.deleted) == (False, 0)
    assert memory.current(connection) == crm.records


def test_missing_and_not_found_is_deleted(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(memory), memory.connection(tmp_path)
    run(crm, connection)
    crm.remove("c0")
    read = run(crm, connection)
    assert (read.deleted, read.unchanged, crm.calls["get"]) == (1, 6, 1)
    tombstone = memory.rows(connection, "select hash = md5('deleted'), record->>'name' from raw.contacts where deleted")
    assert tombstone == [(True, "Ada 0")]
    assert run(crm, connection).deleted == 0


def test_missing_but_found_is_not_deleted(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(memory, 7), memory.connection(tmp_path)
    run(crm, connection)
    # between the first and the second page a record of the first page goes: c3 moves up and is served by neither
    crm.hooks.append(lambda n: crm.remove("c0") if n == 2 else None)
    read = run(crm, connection)
    assert read.deleted == 0
    assert memory.current(connection)["c3"] == crm.records["c3"]


def test_without_a_call_for_one_record_two_reads_must_miss_it(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(memory), memory.connection(tmp_path, get=None)
    run(crm, connection)
    crm.remove("c0")
    first, second, third = (run(crm, connection) for _ in range(3))
    assert (first.deleted, second.deleted, third.deleted) == (0, 1, 0)
    assert "missing" in first.warnings[0]


def test_what_comes_back_is_current_again(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(memory), memory.connection(tmp_path)
    run(crm, connection)
    kept = dict(crm.records["c0"])
    crm.remove("c0")
    run(crm, connection)
    crm.records["c0"] = kept
    run(crm, connection)
    assert memory.current(connection) == crm.records


def test_a_record_that_says_it_is_deleted_need_not_be_listed(memory: ModuleType, tmp_path: Path) -> None:
    crm = filled(memory)
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
    crm = filled(memory)
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
    crm = filled(memory)
    connection = memory.connection(tmp_path, extract=SINCE, deleted={"reconcile": "1h"})
    run(crm, connection)
    crm.remove("c4")
    assert run(crm, connection).deleted == 0
    age(connection)
    read = run(crm, connection)
    assert (read.full, read.deleted) == (True, 1)
    assert memory.current(connection) == crm.records


def age(connection: Any) -> None:
    """Makes all reads two hours older."""
    import duckdb

    with duckdb.connect(str(connection.owner.raw(connection.name))) as con:
        con.execute("update raw._reads set read_at = read_at - interval 2 hour")


def test_an_empty_source_stops_the_connection(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(memory), memory.connection(tmp_path)
    run(crm, connection)
    crm.records.clear()
    with pytest.raises(SourceShrank, match="served 0 contacts where 7 were known") as stopped:
        run(crm, connection)
    assert stopped.value.exit_code == 5
    assert len(memory.current(connection)) == 7
    assert run(crm, connection, allow_shrink=True).deleted == 7


def test_a_much_smaller_source_stops_and_loads_nothing(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(memory, 30), memory.connection(tmp_path)
    run(crm, connection)
    for i in range(20):
        del crm.records[f"c{i}"]
    crm.put("new", name="New")
    with pytest.raises(SourceShrank):
        run(crm, connection)
    assert len(memory.current(connection)) == 30


def test_pilots_leave_bookmark_and_deletions_alone(memory: ModuleType, tmp_path: Path) -> None:
    crm = filled(memory)
    connection = memory.connection(tmp_path, extract=SINCE)
    limited = run(crm, connection, limit=2)
    assert (limited.records, limited.complete, limited.bookmark) == (2, False, None)
    full = run(crm, connection)
    assert (full.new, full.unchanged, full.full) == (5, 2, True)
    crm.put("c5", name="Grace")
    one = run(crm, connection, only="c5")
    assert (one.records, one.changed, one.deleted, crm.calls["list"]) == (1, 1, 0, 0)
    assert one.bookmark == full.bookmark
    assert run(crm, connection).bookmark != full.bookmark
    assert memory.current(connection) == crm.records


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"contacts": [{"id": "c3", "na', "truncated or broken JSON"),
        (b"<!DOCTYPE html><html>Bad gateway</html>", "with HTML instead of JSON"),
        (b'{"error": "try again later"}', "no records at contacts"),
        (b"Service temporarily unavailable", "no JSON"),
    ],
)
def test_a_bad_page_is_set_aside_and_the_others_go_through(
    memory: ModuleType, tmp_path: Path, body: bytes, reason: str
) -> None:
    crm, connection = filled(memory, 9, has_total=True), memory.connection(tmp_path, extract=SINCE)
    run(crm, connection)
    for i in range(9):
        crm.put(f"c{i}", name="Grace")
    crm.remove("c8")
    served = crm._list
    crm._list = lambda request, query: (
        crm.answer(request, 200, body) if query.get("offset") == "3" else served(request, query)
    )
    read = run(crm, connection)
    expected = 3 if "no records" in reason else 5  # an answer without records may be the end of the list
    assert (read.complete, read.changed, read.deleted) == (False, expected, 0)
    assert reason in memory.rows(connection, "select reason from raw._rejected_pages")[0][0]
    del crm._list
    again = run(crm, connection)
    assert again.complete
    crm.records.setdefault("c8", memory.current(connection)["c8"])
    assert memory.current(connection) == crm.records


def test_a_bad_page_that_heals_is_read_again_at_once(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(memory), memory.connection(tmp_path)
    crm.faults[2] = b'{"contacts": ['
    read = run(crm, connection)
    assert (read.complete, read.new, crm.calls["list"]) == (True, 7, 4)


def test_records_that_cannot_be_keyed_say_why(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = memory.MemoryCrm(), memory.connection(tmp_path)
    crm.faults[1] = (
        b'{"total": 9, "contacts": [null, 5, "x", [1], {"name": "no id"}, {"id": null}, {"id": ""}, {"id": true},'
        b' {"id": {"a": 1}}, {"id": 12345678901234567890123, "big": 98765432109876543210, "n": 1.5},'
        b' {"id": "{braces}"}, {"id": 0}]}'
    )
    crm.faults[2] = crm.faults[3] = b'{"total": 9, "contacts": []}'
    read = run(crm, connection)
    assert (read.records, read.rejected) == (12, 9)
    good = memory.rows(connection, "select id from raw.contacts where problem is null order by 1")
    assert good == [("0",), ("12345678901234567890123",), ("{braces}",)]
    kept = memory.rows(connection, "select record from raw.contacts where id like '123%'")
    assert kept == [('{"id":12345678901234567890123,"big":98765432109876543210,"n":1.5}',)]
    problems = memory.rows(connection, "select problem, count(*) from raw.contacts where id like '?%' group by all")
    assert dict(problems) == {"not an object": 4, "no id at id": 5}


def test_repeated_records_are_kept_once(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = memory.MemoryCrm(), memory.connection(tmp_path)
    crm.faults[1] = b'{"total": 6, "contacts": [{"id": 1, "a": 1}, {"id": 1, "a": 1}, {"id": 2}]}'
    crm.faults[2] = b'{"total": 6, "contacts": [{"id": 2}, {"id": 3}, {"id": 3, "a": 2}]}'
    read = run(crm, connection)
    assert (read.records, read.new) == (6, 3)
    assert memory.rows(connection, "select id, count(*) from raw.contacts group by 1 order by 1") == [
        ("1", 1), ("2", 1), ("3", 2),
    ]  # fmt: skip


def test_text_of_every_kind_survives(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = memory.MemoryCrm(), memory.connection(tmp_path)
    names = ["Zoë", "张伟", "👩‍👩‍👧", "a\u0000b", "\u202eabc", 'quo"te\\', "x" * 200_000, "line\nbreak", "\ufeffbom"]
    for i, name in enumerate(names):
        crm.put(f"c{i}", name=name)
    run(crm, connection)
    assert memory.current(connection) == crm.records


def test_half_a_surrogate_pair_does_not_cost_the_page(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = memory.MemoryCrm(), memory.connection(tmp_path)
    crm.faults[1] = rb'{"total": 2, "contacts": [{"id": "a", "name": "x\ud800y"}, {"id": "b", "name": "\ud83d\ude00"}]}'
    assert run(crm, connection).complete
    assert memory.current(connection)["a"]["name"] == "x\ufffdy"
    assert memory.current(connection)["b"]["name"] == "😀"


def test_a_refusal_names_the_call_and_leaves_the_log_alone(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(memory), memory.connection(tmp_path)
    run(crm, connection)
    crm.faults = {1: (403, b'{"message": "no scope", "access_token": "s3cr3t-token"}')}
    with pytest.raises(CrmRefused, match=r"Failed to fetch contacts \(GET /v1/contacts, status 403\)") as refused:
        run(crm, connection)
    assert "s3cr3t" not in str(refused.value)
    assert len(memory.current(connection)) == 7


def test_a_source_of_which_no_page_can_be_read_is_unreachable(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(memory), memory.connection(tmp_path)
    crm.faults = dict.fromkeys(range(1, 20), b"<html>maintenance</html>")
    with pytest.raises(CrmUnreachable, match="HTML instead of JSON"):
        run(crm, connection)


def test_progress_is_told_with_the_total(memory: ModuleType, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    run(filled(memory), memory.connection(tmp_path), progress=lambda *a: told.append(a))
    assert told[0] == ("contacts", 3, 7)
    assert told[-1][1] == 7


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
    crm, connection = filled(memory), memory.connection(tmp_path)
    run(crm, connection)
    crm.remove("c0")
    served = crm.send
    crm.send = lambda request, *a, **k: (
        crm.answer(request, *answer) if request.url.endswith("/c0") else served(request, *a, **k)
    )
    assert run(crm, connection, backoff=0.0).deleted == deleted
    assert len(memory.current(connection)) == 7 - deleted


def test_an_id_may_have_parts_and_a_part_several_places(memory: ModuleType, tmp_path: Path) -> None:
    connection = memory.connection(tmp_path, id=["a", {"first_of": ["b", "c"]}], get=None)
    crm = memory.MemoryCrm()
    crm.faults[1] = b'{"total": 3, "contacts": [{"a": 1, "b": 2}, {"a": 1, "c": 2}, {"a": 1, "b": "", "c": 3}]}'
    read = run(crm, connection)
    assert (read.records, read.new, read.rejected) == (3, 2, 0)
    assert set(memory.current(connection)) == {"1|2", "1|3"}


def test_nothing_of_the_data_stays_beside_the_raw_file(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(memory), memory.connection(tmp_path)
    crm.put("c1", name="Wilhelmina Unmistakable")
    run(crm, connection)
    beside = [p for p in connection.owner.dlt_dir.rglob("*") if p.is_file()]
    assert beside
    assert not [p for p in beside if p.suffix == ".parquet" or b"Unmistakable" in p.read_bytes()]


def test_no_secret_is_in_any_file(memory: ModuleType, tmp_path: Path) -> None:
    secret = "s3cr3t-Str1ng"
    wire = {"auth": {"type": "bearer", "token": secret}, "headers": {"X-Api-Key": secret}, "concurrency": 1}
    crm, connection = filled(memory), replace(memory.connection(tmp_path, wire=wire), secrets=frozenset({secret}))
    crm.faults[2] = crm.faults[3] = crm.faults[4] = f"<html>{secret}</html>".encode()
    run(crm, connection)
    assert memory.rows(connection, "select text from raw._rejected_pages") == [("<html>***</html>",)]
    crm.faults = dict.fromkeys(range(20), (403, secret.encode()))
    with pytest.raises(CrmRefused) as refused:
        run(crm, connection)
    assert secret not in str(refused.value)
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and secret.encode() in p.read_bytes()]


@pytest.mark.parametrize("skew", [timedelta(0), timedelta(hours=-1), timedelta(hours=1)])
def test_what_changes_behind_the_reader_is_asked_for_again(memory: ModuleType, tmp_path: Path, skew: timedelta) -> None:
    """The newest time seen is later than a change on a page that was read already: the start of the run counts."""
    crm = filled(memory, skew=skew)
    connection = memory.connection(tmp_path, extract=SINCE, wire={"concurrency": 1})

    def meanwhile(call: int) -> None:
        if call == 2:
            crm.now += timedelta(minutes=1)
            crm.put("c0", name="changed behind the reader")
            crm.now += timedelta(minutes=1)
            crm.put("c6", name="changed before its eyes")

    crm.hooks.append(meanwhile)
    run(crm, connection)
    crm.hooks.clear()
    assert memory.current(connection)["c0"]["name"] == "Ada 0"
    run(crm, connection)
    assert memory.current(connection) == crm.records


def test_what_a_shifting_list_hid_is_asked_for_again(memory: ModuleType, tmp_path: Path) -> None:
    """Sorted by time, an edited record moves to the end, and one behind it slips between two pages."""
    crm = filled(memory, 7, order="updated_at", has_total=False)
    extract_block = {**SINCE, "paginator": {"type": "offset", "limit": 3, "total_path": None}}
    connection = memory.connection(tmp_path, extract=extract_block, wire={"concurrency": 1})
    crm.hooks.append(lambda call: crm.put("c0", name="moved") if call == 2 else None)
    read = run(crm, connection)
    crm.hooks.clear()
    assert "c3" not in memory.current(connection)
    assert "moved while they were read" in read.warnings[0]
    crm.now += timedelta(hours=1)
    run(crm, connection)
    assert memory.current(connection) == crm.records


def test_a_record_that_comes_twice_with_two_contents_is_a_sign_of_movement(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(memory), memory.connection(tmp_path, extract=SINCE, wire={"concurrency": 1})
    first = run(crm, connection)
    rows = [{**crm.records["c6"], "name": name} for name in ("Ada 6", "changed", "changed")]
    crm.faults[1] = json.dumps({"total": 4, "contacts": rows}).encode()
    crm.faults[2] = json.dumps({"total": 4, "contacts": rows[:1]}).encode()
    read = run(crm, connection)
    assert (read.records, read.changed, read.unchanged) == (4, 1, 0)
    assert "moved" in read.warnings[0]
    assert read.bookmark == first.bookmark
