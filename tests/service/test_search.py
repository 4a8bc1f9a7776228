"""Search as one types: what is found, and that the index keeps up with what is published."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from published_world import publish_world

from pipelines.connections.owner import Owner
from pipelines.mapping.load import load_schemas
from pipelines.service.search import store
from pipelines.service.search.build import is_current, refresh
from pipelines.service.search.find import Searcher, _is_slip, folded

HERE = Path(__file__).parent


SCHEMAS = load_schemas(HERE.parents[1] / "schemas")

PEOPLE = [
    {"connection": "west", "source_id": "1", "golden": "c_1", "first_name": "John", "last_name": "Smith",
     "email": "john.smith@acme.example", "phone": "+15551234567", "company": "Acme Corp", "city": "Springfield",
     "street": "742 Evergreen Terrace", "postal_code": "49007"},
    {"connection": "east", "source_id": "7", "golden": "c_1", "first_name": "Jon", "last_name": "Smith",
     "phones": ["+61412345678", "+15550001111"]},
    {"connection": "west", "source_id": "2", "golden": "c_2", "first_name": "José", "last_name": "O'Brien-Núñez",
     "email": "jose@example.com"},
    {"connection": "west", "source_id": "3", "golden": "c_3", "first_name": "Zachary", "last_name": "Macleod",
     "phone": "+447911123456", "company": "Smithson & Sons"},
    {"connection": "west", "source_id": "4", "golden": "c_4", "first_name": "Gone", "last_name": "Person",
     "is_deleted": True},
]  # fmt: skip
DEALS = [
    {"connection": "west", "source_id": "d1", "golden": "d_1", "name": "Hall - 7112 Seventh Avenue", "amount": 10,
     "property_address": "7112 N 7th Avenue", "contact_ids": ["west:1", "east:7", "west:nobody"]},
]  # fmt: skip


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Owner:
    owner = Owner("ann", tmp_path_factory.mktemp("data"))
    publish_world(owner, SCHEMAS, contacts=PEOPLE, deals=DEALS)
    assert refresh(owner) == "whole"
    return owner


def found(owner: Owner, query: str, entity: str = "contacts") -> list[str]:
    hits = Searcher().find(owner, query, entity)
    assert hits is not None
    return [hit.key for hit in hits]


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("John", ["west:1"]), ("joh", ["west:1"]), ("jo smi", ["east:7", "west:1"]), ("smith john", ["west:1"]),
        ("jose", ["west:2"]), ("JOSÉ", ["west:2"]),
        ("obrien", ["west:2"]), ("o'brien", ["west:2"]), ("nunez", ["west:2"]),
        ("Jhon Smith", ["west:1"]), ("zacary", ["west:3"]), ("zachery macloud", ["west:3"]), ("achar", ["west:3"]),
        ("john.smith@acme", ["west:1"]), ("jose@example.com", ["west:2"]),
        ("(555) 123-4567", ["west:1"]), ("+1 555.123.4567", ["west:1"]), ("001 555 1234567", ["west:1"]),
        ("5551234", ["west:1"]), ("4567", ["west:1"]), ("0412 345 678", ["east:7"]), ("+61 412", ["east:7"]),
        ("07911 123456", ["west:3"]), ("acme corp", ["west:1"]), ("smithson", ["west:3"]),
        ("742 evergreen", ["west:1"]), ("evergreen terrace 742 springfield", ["west:1"]), ("49007", ["west:1"]),
        ("nobody at all", []), ("gone person", []), ("!!", []), ('"', []), ("a" * 400, []),
        ("OR AND NOT", []), ("*", []),
    ],
)  # fmt: skip
def test_what_one_types_is_found(owner: Owner, query: str, keys: list[str]) -> None:
    assert sorted(found(owner, query)) == keys


def test_whole_words_come_first(owner: Owner) -> None:
    assert found(owner, "smith")[:2] == ["east:7", "west:1"]
    assert found(owner, "smith")[2] == "west:3"


def test_deals_are_found_with_the_golden_ids_of_their_people(owner: Owner) -> None:
    (hit,) = Searcher().find(owner, "seventh", "deals") or []
    assert '"contact_ids":["c_1"]' in hit.row
    assert hit.original is not None
    assert found(owner, "7112 n 7th", "deals") == ["west:d1"]
    assert found(owner, "john", "deals") == []


@settings(max_examples=60)
@given(st.text(max_size=60))
def test_no_text_breaks_it(owner: Owner, query: str) -> None:
    for entity in store.ENTITIES:
        assert set(found(owner, query, entity)) <= {"west:1", "east:7", "west:2", "west:3", "west:d1"}


words = st.text(st.sampled_from("abcdef"), min_size=1, max_size=8)


@given(words, st.integers(0, 8), st.sampled_from(["left out", "wrong", "too many", "exchanged"]))
def test_one_slip_is_a_slip(word: str, at: int, kind: str) -> None:
    at %= len(word)
    made = {
        "left out": word[:at] + word[at + 1 :], "wrong": word[:at] + "z" + word[at + 1 :],
        "too many": word[:at] + "z" + word[at:], "exchanged": word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
    }[kind]  # fmt: skip
    assert _is_slip(word, made)
    assert not _is_slip(word + "xyz", made)


def test_folding() -> None:
    assert folded("ÅNGSTRÖM Núñez") == "angstrom nunez"


def test_the_index_follows_what_changes(tmp_path: Path) -> None:
    """The same answers whether the index was made anew or brought up to date."""
    owner = Owner("bob", tmp_path)
    assert refresh(owner) == "nothing"
    assert Searcher().find(owner, "john", "contacts") is None
    publish_world(owner, SCHEMAS, contacts=PEOPLE, deals=DEALS)
    assert (refresh(owner), refresh(owner), is_current(owner)) == ("whole", "same", True)
    changed = [{**PEOPLE[0], "last_name": "Smythe", "phone": "+15559998888"}, PEOPLE[2], {**PEOPLE[3], "golden": "c_9"},
               {"connection": "west", "source_id": "8", "golden": "c_8", "first_name": "Newton",
                "last_name": "Quill"}]  # fmt: skip
    publish_world(owner, SCHEMAS, contacts=changed, deals=[{**DEALS[0], "name": "Lake House"}])
    assert not is_current(owner)
    assert refresh(owner) == "partly"
    queries = ["john", "smith", "smythe", "5551234567", "5559998888", "newtn", "quill", "jon", "zach", "jose", "4567"]
    partly = {q: found(owner, q) for q in queries}
    golden = [h.row for h in Searcher().find(owner, "zachary", "contacts") or []]
    assert '"id":"c_9"' in golden[0]
    assert found(owner, "lake", "deals") == ["west:d1"]
    assert found(owner, "seventh avenue hall", "deals") == []
    for file in owner.published_dir.glob("search*"):
        file.unlink()
    assert refresh(owner) == "whole"
    assert {q: found(owner, q) for q in queries} == partly
    assert partly["smythe"] == partly["john"] == ["west:1"]
    assert partly["5551234567"] == partly["jon"] == []
    assert partly["newtn"] == ["west:8"]


people = st.lists(
    st.fixed_dictionaries(
        {"first_name": st.sampled_from(["Ann", "Bob", "Cara"]),
         "last_name": st.sampled_from(["Hill", "Hull", "Stone", None]),
         "phone": st.sampled_from([None, "+15551110000", "+15551112222"]), "source_id": st.integers(1, 6).map(str)}
    ),
    unique_by=lambda r: r["source_id"], max_size=6,
)  # fmt: skip


@settings(max_examples=5)
@given(st.lists(people, min_size=2, max_size=3))
def test_brought_up_to_date_is_as_made_anew(tmp_path_factory: pytest.TempPathFactory, worlds: list[Any]) -> None:
    data = tmp_path_factory.mktemp("data")
    one, other = Owner("one", data), Owner("other", data)
    for world in worlds:
        records = [{"connection": "west", "golden": f"c_{r['source_id']}", **r} for r in world]
        publish_world(one, SCHEMAS, contacts=records)
        refresh(one)
    publish_world(other, SCHEMAS, contacts=records)
    refresh(other)
    for query in ("ann", "bob", "hil", "hull", "stne", "555111", "2222", "cara stone"):
        assert sorted(found(one, query)) == sorted(found(other, query))


def test_a_log_that_is_written_to_gives_its_records_later(tmp_path: Path) -> None:
    import subprocess

    owner = Owner("ann", tmp_path)
    publish_world(owner, SCHEMAS, contacts=PEOPLE[:1])
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(owner.raw("west"))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    refresh(owner)
    (hit,) = Searcher().find(owner, "john", "contacts") or []
    assert hit.original is None
    holder.communicate("")
    refresh(owner)
    (hit,) = Searcher().find(owner, "john", "contacts") or []
    assert hit.original is not None
