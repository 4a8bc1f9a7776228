"""Reading one entity from a CRM in memory: versions, counts, calls, bookmarks, pilots, and what is left behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest
from extract_memory import SINCE, filled, run

from pipelines.wire.errors import CrmRefused


def test_first_read_takes_all_and_a_second_one_nothing(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(), memory.connection(tmp_path)
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
    crm, connection = filled(), memory.connection(tmp_path)
    run(crm, connection)
    crm.put("c3", name="Grace")
    read = run(crm, connection)
    assert (read.new, read.changed, read.unchanged) == (0, 1, 6)
    assert memory.current(connection)["c3"]["name"] == "Grace"
    assert memory.rows(connection, "select count(*), count(distinct seen) from raw.contacts where id = 'c3'") == [
        (2, 2)
    ]


def test_from_the_bookmark_only_what_changed_is_asked_for(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(), memory.connection(tmp_path, extract=SINCE)
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
    crm, connection = filled(), memory.connection(tmp_path, extract=SINCE)
    run(crm, connection)
    connection.owner.raw("memory").unlink()
    assert run(crm, connection).new == 7
    assert memory.current(connection) == crm.records


def test_a_changed_extract_block_means_a_full_read(memory: ModuleType, tmp_path: Path) -> None:
    crm = filled()
    run(crm, memory.connection(tmp_path, extract=SINCE))
    changed = memory.connection(tmp_path, extract={**SINCE, "params": {"fields": "all"}})
    assert run(crm, changed).full


def test_a_filter_that_is_ignored_makes_every_read_a_full_one(memory: ModuleType, tmp_path: Path) -> None:
    since = {"incremental": {**SINCE["incremental"], "honoured": False}}
    crm, connection = filled(filters=False), memory.connection(tmp_path, extract=since)
    crm.put("c6", at=memory.START - timedelta(days=1))
    run(crm, connection)
    crm.remove("c2")
    crm.now += timedelta(minutes=10)
    read = run(crm, connection)
    assert (read.full, read.deleted, crm.calls["get"]) == (True, 1, 1)
    assert memory.current(connection) == crm.records


def test_a_filter_that_is_honoured_though_nobody_said_so_deletes_nothing(memory: ModuleType, tmp_path: Path) -> None:
    since = {"incremental": {**SINCE["incremental"], "honoured": False, "lag": 0}}
    crm, connection = filled(), memory.connection(tmp_path, extract=since)
    run(crm, connection)
    read = run(crm, connection)
    assert (read.full, read.deleted) == (False, 0)
    assert memory.current(connection) == crm.records


def test_pilots_leave_bookmark_and_deletions_alone(memory: ModuleType, tmp_path: Path) -> None:
    crm = filled()
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


def test_progress_is_told_with_the_total(memory: ModuleType, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    run(filled(), memory.connection(tmp_path), progress=lambda *a: told.append(a))
    assert told[0] == ("contacts", 3, 7)
    assert told[-1][1] == 7


def test_an_id_may_have_parts_and_a_part_several_places(memory: ModuleType, tmp_path: Path) -> None:
    connection = memory.connection(tmp_path, id=["a", {"first_of": ["b", "c"]}], get=None)
    crm = memory.MemoryCrm()
    crm.faults[1] = b'{"total": 3, "contacts": [{"a": 1, "b": 2}, {"a": 1, "c": 2}, {"a": 1, "b": "", "c": 3}]}'
    read = run(crm, connection)
    assert (read.records, read.new, read.rejected) == (3, 2, 0)
    assert set(memory.current(connection)) == {"1|2", "1|3"}


def test_nothing_of_the_data_stays_beside_the_raw_file(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(), memory.connection(tmp_path)
    crm.put("c1", name="Wilhelmina Unmistakable")
    run(crm, connection)
    beside = [p for p in connection.owner.dlt_dir.rglob("*") if p.is_file()]
    assert beside
    assert not [p for p in beside if p.suffix == ".parquet" or b"Unmistakable" in p.read_bytes()]


def test_no_secret_is_in_any_file(memory: ModuleType, tmp_path: Path) -> None:
    secret = "s3cr3t-Str1ng"
    wire = {"auth": {"type": "bearer", "token": secret}, "headers": {"X-Api-Key": secret}, "concurrency": 1}
    crm, connection = filled(), replace(memory.connection(tmp_path, wire=wire), secrets=frozenset({secret}))
    crm.faults[2] = crm.faults[3] = crm.faults[4] = f"<html>{secret}</html>".encode()
    run(crm, connection)
    assert memory.rows(connection, "select text from raw._rejected_pages") == [("<html>***</html>",)]
    crm.faults = dict.fromkeys(range(20), (403, secret.encode()))
    with pytest.raises(CrmRefused) as refused:
        run(crm, connection)
    assert secret not in str(refused.value)
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and secret.encode() in p.read_bytes()]
