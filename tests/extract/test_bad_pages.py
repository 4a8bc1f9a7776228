"""Pages and records that cannot be read, texts that nearly cannot, and refusals: all others go through (law L9)."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from extract_memory import SINCE, filled, run

from pipelines.wire.errors import CrmRefused, CrmUnreachable


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
    crm, connection = filled(9, has_total=True), memory.connection(tmp_path, extract=SINCE)
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
    crm, connection = filled(), memory.connection(tmp_path)
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
    crm, connection = filled(), memory.connection(tmp_path)
    run(crm, connection)
    crm.faults = {1: (403, b'{"message": "no scope", "access_token": "s3cr3t-token"}')}
    with pytest.raises(CrmRefused, match=r"Failed to fetch contacts \(GET /v1/contacts, status 403\)") as refused:
        run(crm, connection)
    assert "s3cr3t" not in str(refused.value)
    assert len(memory.current(connection)) == 7


def test_a_source_of_which_no_page_can_be_read_is_unreachable(memory: ModuleType, tmp_path: Path) -> None:
    crm, connection = filled(), memory.connection(tmp_path)
    crm.faults = dict.fromkeys(range(1, 20), b"<html>maintenance</html>")
    with pytest.raises(CrmUnreachable, match="HTML instead of JSON"):
        run(crm, connection)
