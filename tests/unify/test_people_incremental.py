"""Unify looks only at the people who changed, and leaves what a look at everyone would."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.state import answers
from pipelines.unify.identity import finder, seen

FEW = settings(max_examples=3, deadline=None)
GIVEN = ["Alice", "Bruno", "Carla", "Dmitri", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Katya", "Leo"]
FAMILY = ["Abara", "Bianchi", "Castro", "Dvorak", "Eriksen", "Fischer", "Garcia", "Horvat", "Ivanov", "Jensen"]
FOUND = (
    "golden.contact_clusters",
    "golden.contact_matches",
    "golden.contact_comparable",
    "golden.contact_seen",
    "golden.contact_registry",
    "unified.contact_matches",
    "unified.contacts",
    "unified.contact_sources",
    "unified.contact_provenance",
    "unified.contact_differences",
)


def people(seed: int = 1) -> dict[str, dict[str, Any]]:
    """Sixty invented people; a third of them are in a second CRM, too, with a telephone or a mailbox less."""
    chance = random.Random(seed)
    rows = {}
    for number in range(60):
        one = {
            "first_name": chance.choice(GIVEN),
            "last_name": chance.choice(FAMILY),
            "email": f"mailbox{number}@mail{number % 7}.com",
            "phone": f"+1{2020000000 + number * 7919}",
            "street": f"{number + 1} High Street",
            "postal_code": f"{10000 + number % 9}",
        }
        rows[f"a:{number}"] = one
        if number % 3 == 0:
            rows[f"b:{number}"] = one | {chance.choice(["email", "phone"]): None}
    return rows


def new_world(helper: Any, folder: Path) -> Any:
    """A world of contacts alone, with the fields that these people have."""
    return helper.World(folder, helper.only("contacts", *people()["a:0"]))


def edited(rows: dict[str, dict[str, Any]], chance: random.Random, edits: int) -> dict[str, dict[str, Any]]:
    """Some records gone, some with another's telephone, mailbox or name, some new."""
    after = {key: dict(row) for key, row in rows.items()}
    for number in range(edits):
        key, other = chance.sample(sorted(after), 2)
        what = chance.choice(["gone", "new", "phone", "email", "last_name"])
        if what == "gone":
            del after[key]
        elif what == "new":
            after[f"c:{number}"] = dict(after[key])
        else:
            after[key][what] = after[other][what]
    return after


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """How many records each run looked at; None: at everyone."""
    counts: list[int | None] = []
    make_changed = seen.make_changed

    def counting(con: Any, entity: str, schema: str) -> str | None:
        table = make_changed(con, entity, schema)
        counts.append(con.execute(f"select count(*) from {table}").fetchall()[0][0] if table else None)
        return table

    monkeypatch.setattr(finder.seen, "make_changed", counting)
    return counts


@pytest.fixture
def world(tmp_path: Path, helper: Any) -> Iterator[Any]:
    world = new_world(helper, tmp_path)
    yield world
    world.close()


def put(world: Any, helper: Any, rows: dict[str, dict[str, Any]]) -> None:
    world.stage("contacts", [helper.contact(key, **row) for key, row in rows.items()])
    world.unify()


def found(world: Any) -> list[list[tuple[Any, ...]]]:
    return [world.rows(table) for table in FOUND]


def everyone(world: Any) -> None:
    """Unifies again, with everyone looked at; the model and the frequencies are those that are kept."""
    world.con.execute("drop table golden.contact_seen")
    world.con.execute("update meta.builds set fingerprint = '' where table_name = 'unified.contacts'")
    world.unify()


@FEW
@given(seed=st.integers(0, 10**6), edits=st.integers(1, 5), again=st.integers(1, 5), said=st.integers(0, 8))
def test_what_changed_gives_what_everyone_gives(helper: Any, seed: int, edits: int, again: int, said: int) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        world = new_world(helper, Path(folder))
        rows = people(seed % 3)
        for _ in range(said):  # also about records that come later
            pair = chance.sample([*sorted(rows)[:30], "c:0", "c:1", "c:2"], 2)
            answers.put(world.state, "contacts", (pair[0], pair[1]), chance.choice(["same", "different"]), "ann")
        put(world, helper, rows)
        model = world.rows("golden.contact_model")
        for number in (edits, again):
            rows = edited(rows, chance, number)
            put(world, helper, rows)
        assert world.rows("golden.contact_model") == model
        partly = found(world)
        everyone(world)
        assert world.rows("golden.contact_model") == model
        assert found(world) == partly
        world.close()


def test_only_what_changed_is_looked_at(world: Any, helper: Any, looked_at: list[int | None]) -> None:
    rows = people()
    put(world, helper, rows)
    rows["a:1"] = rows["a:1"] | {"phone": "+12025550100"}
    del rows["a:2"]
    put(world, helper, rows)
    assert looked_at == [2]
    put(world, helper, {key: row | {"email": None} for key, row in rows.items()})
    assert looked_at == [2, None], "where most changed, everyone is looked at"


def test_an_answer_is_heard_with_the_records_it_names(world: Any, helper: Any, looked_at: list[int | None]) -> None:
    rows = people()
    put(world, helper, rows)
    assert world.ids()["a:0"] == world.ids()["b:0"]
    answers.put(world.state, "contacts", ("a:0", "b:0"), "different", "ann")
    answers.put(world.state, "contacts", ("a:1", "c:9"), "same", "ann")
    put(world, helper, rows)
    assert world.ids()["a:0"] != world.ids()["b:0"]
    put(world, helper, rows | {"c:9": {"first_name": "Someone", "last_name": "Else"}})
    assert world.ids()["c:9"] == world.ids()["a:1"], "an answer waits for its record"
    assert looked_at == [4, 2]
    answers.forget(world.state, "contacts", ("a:0", "b:0"))
    world.unify()
    assert world.ids()["a:0"] == world.ids()["b:0"]


def test_weights_stay_until_the_data_move(world: Any, helper: Any) -> None:
    """Law of the rhythm: a few more people change neither model nor frequencies; a third more do."""
    rows = people()
    put(world, helper, rows)
    kept = [world.rows(f"golden.contact_{name}") for name in ("model", "frequencies")]
    more = {key.replace("a:", "c:"): row | {"last_name": "Quint"} for key, row in people(2).items() if key[0] == "a"}
    put(world, helper, rows | dict(list(more.items())[:5]))
    assert [world.rows(f"golden.contact_{name}") for name in ("model", "frequencies")] == kept
    put(world, helper, rows | more)
    model, frequencies = (world.rows(f"golden.contact_{name}") for name in ("model", "frequencies"))
    assert model != kept[0]
    assert frequencies != kept[1]


def test_what_operators_said_teaches_once(world: Any, helper: Any) -> None:
    """Answers that stay the same change no weight again; taken back, they leave none behind."""
    rows = people()
    put(world, helper, rows)
    untaught = world.rows("golden.contact_model")
    answers.put(world.state, "contacts", ("a:1", "a:4"), "same", "ann")
    world.unify()
    taught = world.rows("golden.contact_model")
    assert taught != untaught
    put(world, helper, rows | {"c:1": {"first_name": "Someone", "last_name": "Else"}})
    assert world.rows("golden.contact_model") == taught
    answers.forget(world.state, "contacts", ("a:1", "a:4"))
    world.unify()
    assert world.rows("golden.contact_model") == untaught
