"""What changes while it is read is asked for again (law L3)."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest
from extract_memory import SINCE, filled, run


@pytest.mark.parametrize("skew", [timedelta(0), timedelta(hours=-1), timedelta(hours=1)])
def test_what_changes_behind_the_reader_is_asked_for_again(memory: ModuleType, tmp_path: Path, skew: timedelta) -> None:
    """The newest time seen is later than a change on a page that was read already: the start of the run counts."""
    crm = filled(skew=skew)
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
    crm = filled(7, order="updated_at", has_total=False)
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
    crm, connection = filled(), memory.connection(tmp_path, extract=SINCE, wire={"concurrency": 1})
    first = run(crm, connection)
    rows = [{**crm.records["c6"], "name": name} for name in ("Ada 6", "changed", "changed")]
    crm.faults[1] = json.dumps({"total": 4, "contacts": rows}).encode()
    crm.faults[2] = json.dumps({"total": 4, "contacts": rows[:1]}).encode()
    read = run(crm, connection)
    assert (read.records, read.changed, read.unchanged) == (4, 1, 0)
    assert "moved" in read.warnings[0]
    assert read.bookmark == first.bookmark
