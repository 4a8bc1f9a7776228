"""One list tells which of many records were changed since the plan; only those are read one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from push_memory_crm import MemoryCrm, Record

SIZE = 5


class Listing(MemoryCrm):
    """Lists what changed since a moment, in pages; `honours`: whether it minds the filter."""

    honours = True

    def _search(self, entity: str, params: dict[str, str]) -> Iterator[Record]:
        if "since" not in params:
            yield from super()._search(entity, params)
            return
        since = params["since"] if self.honours else ""
        found = [r for r in self.records[entity].values() if r["updated"] >= since]
        start = (int(params["page"]) - 1) * SIZE
        yield from found[start : start + SIZE]


@pytest.fixture
def crm() -> Listing:
    return Listing()


def by_a_list(mapping: Any) -> None:
    contacts = mapping["entities"]["contacts"]
    contacts["extract"] |= {
        "data_selector": "contacts", "incremental": {"start_param": "since", "lag": 0},
        "paginator": {"type": "page_number", "base_page": 1, "page_size": SIZE, "total_path": None},
    }  # fmt: skip
    contacts["push"]["freshness"] = "list"


def test_records_that_the_list_does_not_show_are_not_read(room: Any) -> None:
    for number in range(20):
        room.differing(number)
    room.crm.edit("contacts", "3", first="Edited")
    done = room.push(room.connect(by_a_list))
    assert done.counts["contacts"] == {"done": 19, "sent": 19, "skipped": 1}
    assert room.crm.records["contacts"]["3"]["first"] == "Edited"
    # the last one that was read is at the very moment from which the list begins
    assert sorted(call for call in room.crm.calls if "GET" in call) == [
        "GET /contacts", "GET /contacts/19", "GET /contacts/3",
    ]  # fmt: skip


def test_what_is_not_a_plain_text_is_read(room: Any) -> None:
    for number in range(20):
        room.differing(number, **({"tags": ["vip"]} if number < 4 else {}))
    room.push(room.connect(by_a_list))
    read = {call for call in room.crm.calls if call.startswith("GET /contacts/")}
    assert read == {f"GET /contacts/{number}" for number in (0, 1, 2, 3, 19)}


@pytest.mark.parametrize("number", [5, 20])
def test_a_list_that_is_too_long_is_given_up(room: Any, number: int) -> None:
    """It would take more calls than it spares; so would one for a handful of records."""
    room.crm.honours = False
    for n in range(number):
        room.differing(n)
    for n in range(100, 200):
        room.crm.put("contacts", str(n), first="Other")
    done = room.push(room.connect(by_a_list))
    assert done.counts["contacts"]["done"] == number
    assert room.crm.count("GET /contacts/") == number
    assert room.crm.calls.count("GET /contacts") == (number // 4 if number > 8 else 0)
