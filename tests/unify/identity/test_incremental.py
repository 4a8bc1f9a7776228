"""A run over what changed leaves exactly what a full run would."""

from __future__ import annotations

import random
from typing import Any

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.unify.identity.match import match

FEW = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def edited(rows: list[dict[str, Any]], chance: random.Random, edits: int) -> tuple[list[dict[str, Any]], set[str]]:
    """Some records gone, some with another's phone, mailbox or address, some new or without a name; and their keys."""
    after = [dict(row) for row in rows]
    changed = set()
    for number in range(edits):
        row = chance.choice(after)
        other = chance.choice(after)
        changed.add(row["record_key"])
        what = chance.choice(["gone", "phone", "email", "street", "new", "last_name", "nameless"])
        if what == "gone":
            after.remove(row)
        elif what == "new":
            after.append(row | {"record_key": f"n:{number}"})
            changed.add(f"n:{number}")
        elif what == "nameless":
            row |= {"first_name": None, "last_name": None}
        else:
            row[what] = other[what]
    return after, changed


def crowded(declaration: Any, at_most: int) -> Any:
    """The declaration, with keys that so few may share that in sixty people there are crowds."""
    candidates = {
        name: candidate.model_copy(update={"at_most": at_most, "wider": False})
        for name, candidate in declaration.candidates.items()
    }
    return declaration.model_copy(update={"candidates": candidates})


@FEW
@given(
    seed=st.integers(0, 1_000_000),
    edits=st.lists(st.integers(1, 12), min_size=1, max_size=2),
    office=st.booleans(),
    at_most=st.sampled_from([None, 2, 4]),
)
def test_what_changed_gives_what_everything_gives(
    declaration: Any, make_world: Any, put_rows: Any, seed: int, edits: list[int], office: bool, at_most: int | None
) -> None:
    chance = random.Random(seed)
    con = duckdb.connect()
    rows = make_world(60, seed=seed % 5)
    if at_most:
        declaration = crowded(declaration, at_most)
    if office:  # a phone at the very limit of how many may share it
        for row in rows[:60]:
            row["phone"] = "+12025559999"
    first = match(con, put_rows(con, rows), declaration)
    tables = first.tables

    def result() -> list[list[tuple[Any, ...]]]:
        return [
            con.execute(f"from {table} order by all").fetchall()
            for table in (tables.clusters, tables.matches, tables.known, tables.keys, tables.crowds)
        ]

    for number in edits:
        rows, changed = edited(rows, chance, number)
        put_rows(con, rows)
        put_rows(con, [{"record_key": key} for key in sorted(changed)], "changed")
        match(con, "people", declaration, model=first.model, changed="changed")
    partly = result()
    match(con, "people", declaration, model=first.model)
    assert partly == result()


def test_an_answer_counts_where_its_records_are_named(
    con: Any, declaration: Any, make_world: Any, put_rows: Any
) -> None:
    rows = make_world(60)
    first = match(con, put_rows(con, rows), declaration)
    put_rows(con, [{"record_key_a": "a:0000", "record_key_b": "b:0000", "answer": "different"}], "said")
    put_rows(con, [{"record_key": "a:0000"}, {"record_key": "b:0000"}], "changed")
    match(con, "people", declaration, model=first.model, answers="said", changed="changed")
    cluster = dict(con.execute(f"select record_key, cluster from {first.tables.clusters}").fetchall())
    assert cluster["a:0000"] != cluster["b:0000"]
    assert len(cluster) == len(rows)
