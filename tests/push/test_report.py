"""A plan as text, JSON, CSV and HTML."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from typing import Any

import pytest

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.push import report
from pipelines.push.plan import plan
from pipelines.push.planned import Plan
from pipelines.state.database import State


@pytest.fixture
def made(warehouse: Any, state: State, schemas: dict[str, CanonicalEntity], connect: Any) -> Plan:
    warehouse.record("g1", "north", "contacts", "1", first_name="<b>Ann</b>", _unreadable_fields=["email"])
    warehouse.golden("contacts", "g1", first_name="=cmd()", email="a@x.org", tags=["a", "b"])
    warehouse.record("g2", "north", "contacts", "2")
    warehouse.golden("contacts", "g2")
    return plan(connect(), warehouse.con, state, schemas)


def test_the_summary_says_it_in_one_line_each(made: Plan) -> None:
    assert report.headline(made) == "Plan for north: 1 to update"
    text = report.as_text(made, with_details=True)
    assert "  contacts: 2 records, 1 unchanged, 1 to update, 1 fields left alone" in text.splitlines()
    assert "update   contacts north:1 first_name: <b>Ann</b> -> =cmd() [differs]" in text.splitlines()
    assert "update   contacts north:1 tags: (empty) -> a, b [empty there]" in text.splitlines()


def test_json_holds_everything(made: Plan) -> None:
    said = json.loads(json.dumps(report.as_json(made)))
    assert said["summary"][0]["update"] == 1
    assert {(row["field"], row["new"], row["why"]) for row in said["details"]} == {
        ("first_name", "=cmd()", "differs"),
        ("tags", "a, b", "empty there"),
        ("email", "a@x.org", "its value cannot be read"),
    }


def test_csv_runs_no_formulas(made: Plan) -> None:
    rows = list(csv.DictReader(io.StringIO(report.as_csv(made))))
    assert [row["new"] for row in rows if row["field"] == "first_name"] == ["'=cmd()"]
    assert list(rows[0]) == list(report.SHOWN)


def test_the_page_stands_alone_and_escapes(made: Plan) -> None:
    page = report.as_html(made)
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, _: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(page)
    assert "&lt;b&gt;Ann&lt;/b&gt;" in page
    assert not {"script", "link", "img", "b"} & set(tags)
    assert "http" not in page.replace("http-equiv", "")


def test_an_empty_plan_says_so(warehouse: Any, state: State, schemas: dict[str, CanonicalEntity], connect: Any) -> None:
    empty = plan(connect(), warehouse.con, state, schemas)
    assert report.headline(empty) == "Plan for north: nothing to write"
    assert "nothing" in report.as_html(empty)
