"""The laws as far as staging keeps them: L1 conservation, L2 replay, L7 nothing is emptied, L9 one bad apple."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from law_settings import MEMORY, TOGETHER, builds, together
from raw_log import Version, connect, log, rows, schema

from pipelines.connections.connection import Connection
from pipelines.connections.owner import Owner
from pipelines.staging.stage import stage
from pipelines.warehouse.connect import open_warehouse

PEOPLE = {
    "contacts": schema(
        name="text",
        email="email",
        phone="phone",
        phones={"type": "list", "of": "phone", "survivorship": "union"},
        amount="money",
        born="date",
        seen_on="timestamp",
        status={"type": "enum", "values": ["lead", "client"]},
        wanted="boolean",
        rooms="integer",
        share="decimal",
        tags={"type": "list", "of": "text"},
        owner_id={"type": "reference", "to": "users"},
    )
}
FIELDS: dict[str, Any] = {
    "name": {"join": ["N", "O.N"]},
    "email": {"first_of": ["E", "L.0.E"]},
    "phone": "P",
    "phones": {"each": "L", "path": "P"},
    "amount": {"path": "A", "unit": 0.01},
    "born": "B",
    "seen_on": {"path": "S", "time_format": "epoch_ms"},
    "status": {"path": "T", "values": {"New": "lead"}},
    "wanted": "W",
    "rooms": "R",
    "share": "H",
    "tags": {"each": "G", "separator": ";"},
    "owner_id": "O.I",
}
KEYS = ["N", "O", "E", "L", "P", "A", "B", "S", "T", "W", "R", "H", "G", "I", "other", "", "a.b", "~/", '"', "0"]
SERIAL = itertools.count()
TABLES = ["staging.crm__contacts", "staging.crm__contacts_edits", "quality.rejected_records", "quality.rejected_values"]

texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", " ", "\u0000", "2024-01-31", "2024-01-31T10:00:00Z", "+1 202 555 0123", "a@b.org", "$1,200"]),
    st.sampled_from(
        ["99999999999999999999", "1e999", "NaN", "-infinity", "0000-00-00", "\U0001f600", "e\u0301", "\u202e"]
    ),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(10**25), 10**25), st.floats(allow_nan=False), texts)
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(KEYS), v, max_size=4), max_leaves=8
)
records = st.dictionaries(st.sampled_from(KEYS), values, max_size=10)


FEW = {name: FIELDS[name] for name in ("name", "email", "phones", "tags")}
FEWER_PEOPLE = {
    "contacts": PEOPLE["contacts"].model_copy(update={"fields": {n: PEOPLE["contacts"].fields[n] for n in FEW}})
}


@contextmanager
def office(fields: dict[str, Any] | None = None) -> Iterator[tuple[duckdb.DuckDBPyConnection, Owner, Connection]]:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        owner = Owner("law", Path(folder))
        with open_warehouse(owner) as con:
            con.execute("set threads = 1")
            con.execute("set disabled_optimizers = 'common_subexpressions,statistics_propagation,join_order'")
            yield con, owner, connect(owner, fields or FIELDS)


def tables(con: duckdb.DuckDBPyConnection) -> dict[str, list[dict[str, Any]]]:
    return {name: rows(con, name) for name in TABLES}


@st.composite
def histories(draw: st.DrawFn) -> list[Version]:
    """Loads of versions of a few records, in the order in which they were seen; some are deleted or cannot be keyed."""
    world = next(SERIAL)
    load_of = st.lists(st.tuples(st.integers(0, 3), values | records), min_size=1, max_size=3)
    loads = draw(st.lists(load_of, min_size=1, max_size=3))
    versions = []
    for number, load in enumerate(loads):
        for place, (who, drawn) in enumerate(load):
            fate = draw(st.sampled_from(["", "", "", "", "deleted", "problem", "undated"]))
            record: Any = drawn if isinstance(drawn, dict) else {"N": drawn}
            if fate == "deleted":  # two tombstones of one moment bear the same record, the last that was known
                record = {"N": "Gone", "E": f"{number}@b.org"}
            elif fate == "problem":  # a text of its own is JSON, too
                record = json.dumps(drawn) if isinstance(drawn, str) else drawn
            versions.append(
                Version(
                    id=f"?{world}{who}{number}{place}" if fate == "problem" else f"{world}-{who}",
                    record=record,
                    seen=number * 10 + draw(st.integers(0, 2)),
                    modified=None if fate == "undated" else f"2024-01-{1 + number:02d}T00:00:00Z",
                    deleted=fate == "deleted",
                    problem="no id" if fate == "problem" else None,
                    load=f"load-{number}",
                )
            )
    return versions


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=builds(300))
@given(together(st.lists(values | records, max_size=6)))
def test_l1_each_record_is_staged_or_rejected_whatever_is_in_it(found: list[Any]) -> None:
    with office() as (con, owner, connection):
        log(owner, "crm", "contacts", [Version(str(i), json.dumps(record)) for i, record in enumerate(found)])
        counts = stage(con, connection, PEOPLE)[0]
        kept = {row["source_id"]: row for row in rows(con, "staging.contacts")}
        refused = {row["source_id"] for row in rows(con, "quality.rejected_records")}
        assert kept.keys() | refused == {str(i) for i in range(len(found))}
        assert kept.keys() == {str(i) for i, record in enumerate(found) if isinstance(record, dict)}
        assert (counts.records, counts.staged, counts.rejected_records) == (len(found), len(kept), len(refused))
        rejected = {(row["source_id"], row["field"]) for row in rows(con, "quality.rejected_values")}
        assert rejected == {(key, name) for key, row in kept.items() for name in row["unreadable_fields"]}


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=builds(100))
@given(together(histories()), st.randoms(use_true_random=False))
def test_l2_steps_and_order_do_not_matter(versions: list[Version], chance: Any) -> None:
    with office(FEW) as (con, owner, connection):
        for load in dict.fromkeys(version.load for version in versions):
            log(owner, "crm", "contacts", [version for version in versions if version.load == load])
            stage(con, connection, FEWER_PEOPLE)
        in_steps = tables(con)
    shuffled = list(versions)
    chance.shuffle(shuffled)
    with office(FEW) as (con, owner, connection):
        log(owner, "crm", "contacts", shuffled)
        stage(con, connection, FEWER_PEOPLE)
        at_once = tables(con)
    assert in_steps == at_once


nothings = st.one_of(st.just("absent"), st.sampled_from([None, "", " ", [], {"x": 1}, "\u0000"]))


@settings(max_examples=builds(40))
@given(st.lists(st.lists(nothings, min_size=1, max_size=4), min_size=TOGETHER, max_size=TOGETHER))
def test_l7_what_is_no_value_is_neither_a_value_nor_an_edit(found: list[list[Any]]) -> None:
    with office({"name": "N"}) as (con, owner, connection):
        first, then = [], []
        for world, nothing in enumerate(found):
            bad = [{} if one == "absent" else {"N": one} for one in nothing]
            history = [{"N": "Ann"}, *bad, {"N": "Ann"}]
            versions = [Version(str(world), r, n, f"2024-01-{n + 1:02d}") for n, r in enumerate(history)]
            first += versions[:-1]
            then.append(replace(versions[-1], load="load-2"))
        log(owner, "crm", "contacts", first)
        stage(con, connection, FEWER_PEOPLE)
        held = {row["source_id"]: row for row in rows(con, "staging.contacts")}
        for world, nothing in enumerate(found):
            row = held.pop(str(world))
            assert row["name"] is None
            assert ("name" in row["absent_fields"]) == (nothing[-1] == "absent")
            assert ("name" in row["unreadable_fields"]) == (nothing[-1] == {"x": 1})
        assert held == {}
        assert rows(con, "staging.contacts_edits") == []
        log(owner, "crm", "contacts", then)
        stage(con, connection, FEWER_PEOPLE)
        assert [r["name"] for r in rows(con, "staging.contacts")] == ["Ann"] * TOGETHER
        assert rows(con, "staging.contacts_edits") == []


APPLES = {
    "ten megabytes": json.dumps({"N": "x" * 10_000_000, "A": "y" * 10_000_000}),
    "deep": '{"N":' + "[" * 500 + "]" * 500 + "}",
    "no JSON": "<html>busy</html>",
    "cut off": '{"N": "An',
    "half a character": '{"N": "\\ud83d", "E": "a@b.org"}',
    "a list": "[]",
    "nulls everywhere": json.dumps(dict.fromkeys(KEYS)),
    "wrong types": '{"N": [1], "E": {"x": 1}, "P": true, "A": "much", "B": 5, "S": "soon", "W": "may be", "R": []}',
    "twice the same key": '{"N": "a", "N": {"x": 1}}',
    "numbers as text": '{"P": 2025550123, "A": "12,345", "R": "1e3", "H": " 0.5 ", "W": "1", "S": "1704067200000"}',
    "twenty digits": '{"O": {"I": 12345678901234567890}, "A": 12345678901234567890, "R": 12345678901234567890}',
}


@pytest.mark.parametrize("apple", APPLES, ids=list(APPLES))
def test_l9_one_bad_apple_is_set_aside_and_all_others_go_through(apple: str) -> None:
    with office() as (con, owner, connection):
        log(owner, "crm", "contacts", [Version(str(i), {"N": f"n{i}", "E": "a@b.org"}) for i in range(3000)])
        text = APPLES[apple]
        with duckdb.connect(str(owner.raw("crm"))) as raw:
            raw.execute("create table plain as select * replace (record::varchar as record) from raw.contacts")
            raw.execute("insert into plain values ('bad', 'h', null, false, now(), $1, null, 'load-1')", [text])
            raw.execute("drop table raw.contacts")
            raw.execute("create table raw.contacts as select * from plain")
        counts = stage(con, connection, PEOPLE)[0]
        assert (counts.records, counts.staged + counts.rejected_records) == (3001, 3001)
        assert con.execute("select count(*) from staging.contacts where email = 'a@b.org'").fetchall()[0][0] >= 3000
        bad = [row for row in rows(con, "staging.contacts") if row["source_id"] == "bad"]
        refused = [row for row in rows(con, "quality.rejected_records") if row["source_id"] == "bad"]
        assert len(bad) + len(refused) == 1
        if apple == "twenty digits":
            assert bad[0]["owner_id"] == "crm:12345678901234567890"
            assert bad[0]["unreadable_fields"] == ["amount", "rooms"]
        if apple == "nulls everywhere":
            assert (bad[0]["unreadable_fields"], bad[0]["name"], bad[0]["tags"]) == ([], None, None)
        if apple == "numbers as text":
            assert (bad[0]["rooms"], bad[0]["share"], bad[0]["wanted"]) == (1000, 0.5, True)
