"""A list that holds records of several kinds, known by keys in several places."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest

from pipelines.extract.pages import Layout, batch_sql, pages_sql

ID, DEAL = [["phone", "whatsapp_id"]], [["phone", "whatsapp_id"], ["event"]]


def taken(records: list[Any], layout: Layout) -> list[tuple[str, str | None]]:
    con = duckdb.connect(config={"threads": 1})
    page = json.dumps({"records": records})
    con.execute(batch_sql("it", layout, pages_sql(layout.selector)), [[page], [0]])
    return con.execute("select id, problem from batch_it").fetchall()


@pytest.mark.parametrize(
    ("record", "id"),
    [
        ({"phone": "1", "whatsapp_id": "2"}, "1"),
        ({"phone": "", "whatsapp_id": "2"}, "2"),
        ({"phone": None, "whatsapp_id": 2}, "2"),
        ({"whatsapp_id": "2"}, "2"),
    ],
)
def test_the_first_place_that_holds_something(record: Any, id: str) -> None:
    assert taken([record], Layout("records", ID, None)) == [(id, None)]


def test_only_records_that_hold_something_there() -> None:
    records: list[Any] = [
        {"phone": "1", "event": "Expo"},
        {"phone": "2"},
        {"phone": "3", "event": ""},
        {"phone": "4", "event": None},
        {"phone": "5", "event": []},
        {"event": "Expo"},
        "no object",
    ]
    found = taken(records, Layout("records", DEAL, None, "UTC", ["event"]))
    assert found[:2] == [("1|Expo", None), ("Expo", None)]
    assert [problem for _, problem in found[2:]] == ["not an object"]
    assert len(taken(records, Layout("records", DEAL, None))) == len(records)
