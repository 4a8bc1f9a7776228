"""Laws of push over the real staging and unify: rest (L5), there and back (L4), nothing emptied (L7), once (L8),
one bad apple (L9).

Up to four CRMs in memory, each with its own way to rewrite what it gets; people edit, add and delete at random, also
while a push is under way, and calls fail in every way. After the edits stop, two runs reach rest: an empty plan, and
every CRM agrees with the golden record but for its own way of writing.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import md5
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.connections.connection import Connection, Settings
from pipelines.connections.owner import Owner
from pipelines.mapping.language import Mapping
from pipelines.push import outcomes
from pipelines.push.apply import Applied, apply, recover
from pipelines.push.plan import plan
from pipelines.push.planned import Plan
from pipelines.staging.echoes import load_echoes
from pipelines.staging.read_back import RecordReader
from pipelines.staging.stage import stage
from pipelines.state import intents
from pipelines.state.database import open_state
from pipelines.unify.run import unify
from pipelines.unify.sources import source_of
from pipelines.warehouse.connect import open_warehouse
from pipelines.wire.limiter import Limiter

TESTS = Path(__file__).resolve().parents[1]
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
THEIRS = {
    "nickname": "nick",
    "first_name": "first",
    "email": "email",
    "phone": "phone",
    "notes": "notes",
    "tags": "tags",
}
FAULTS = ("refuse", "lost", "error", "lost_error", "throttle", "html", "truncated")


def _module(path: str) -> Any:
    name = f"crosswalk_{Path(path).stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, TESTS / path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


memory, staged_world = _module("push/memory_crm.py"), _module("unify/staged_world.py")
SCHEMAS = staged_world.only("contacts", "nickname", "first_name", "email", "phone", "notes", "tags")


def shout(name: str, value: Any) -> Any:
    return value.upper() if name == "first" and isinstance(value, str) else value


def trim(name: str, value: Any) -> Any:
    return value[:3].strip() if name in {"first", "notes"} and isinstance(value, str) else value


def local(name: str, value: Any) -> Any:
    return f"({value[2:5]}) {value[5:8]}-{value[8:]}" if name == "phone" and str(value).startswith("+1") else value


def sort_tags(name: str, value: Any) -> Any:
    return sorted({tag.lower() for tag in value}) if name == "tags" and value else value


def drop_notes(name: str, value: Any) -> Any:
    return None if name == "notes" else value


WAYS = (memory.as_it_is, shout, trim, local, sort_tags, drop_notes)


def mapping(name: str, *, has_times: bool, create: str, owner: str) -> Mapping:
    fields: dict[str, Any] = {ours: {"path": theirs, "owner": owner} for ours, theirs in THEIRS.items()}
    fields["notes"]["write"] = "if_empty"
    fields["tags"] = {"each": "tags"}
    search = {"path": "contacts", "params": {"nick": "{nickname}"}, "data_selector": "contacts"}
    contacts = {
        "extract": {"path": "contacts"},
        "get": {"path": "contacts/{id}"},
        "id": "id",
        "fields": fields,
        "push": {
            "create": create,
            "find": {"by": ["nickname"], "request": search},
            "fields": list(THEIRS),
            "create_request": {"method": "POST", "path": "contacts"},
            "update_request": {"method": "PATCH", "path": "contacts/{id}"},
            "answer_record": "$",
        },
        **({"modified": "updated"} if has_times else {}),
    }
    spoken = {"base_url": "http://crm.test", "concurrency": 4}
    return Mapping.model_validate(
        {"crm": name, "label": name, "connection": spoken, "entities": {"contacts": contacts}}
    )


class Office:
    """An owner with several CRMs, and the run over all of them."""

    def __init__(self, folder: Path, crms: list[tuple[Any, bool, str, str]]) -> None:
        self.owner = Owner("office", folder)
        self.state = open_state(self.owner)
        self.clock = memory.Clock()
        self.crms: dict[str, Any] = {}
        self.connections: dict[str, Connection] = {}
        self.readers: dict[str, RecordReader] = {}
        self.known: dict[tuple[str, str], str] = {}
        self.runs = itertools.count(1)
        for name, (way, has_times, create, owner) in zip("abcd", crms, strict=False):
            made = mapping(name, has_times=has_times, create=create, owner=owner)
            self.crms[name] = memory.MemoryCrm(way, clock=self.clock)
            self.connections[name] = Connection(name, self.owner, made, Settings(), True, made.connection)
            self.readers[name] = RecordReader(self.connections[name], SCHEMAS)

    def close(self) -> None:
        self.state.close()
        for reader in self.readers.values():
            reader.close()

    def extract(self, name: str) -> None:
        """Appends to the raw log what is new, changed or gone; a CRM without times has no `updated` to go by."""
        has_times = self.connections[name].entities["contacts"].modified is not None
        rows = []
        there = self.crms[name].records.get("contacts", {})
        for id, record in there.items():
            shown = record if has_times else {k: v for k, v in record.items() if k != "updated"}
            text = json.dumps(shown, sort_keys=True)
            rows.append((id, text, record["updated"] if has_times else None, False))
        rows += [
            (id, self.known[name, id], None, True) for at, id in list(self.known) if at == name and id not in there
        ]
        fresh = [row for row in rows if self.known.get((name, row[0])) != row[1] or row[3]]
        for id, text, _, is_gone in fresh:
            if is_gone:
                del self.known[name, id]
            else:
                self.known[name, id] = text
        self._append(name, fresh)

    def _append(self, name: str, rows: list[tuple[str, str, str | None, bool]]) -> None:
        path = self.owner.raw(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        seen = datetime.now(UTC)
        with duckdb.connect(str(path)) as con:
            con.execute("create schema if not exists raw")
            con.execute(
                "create table if not exists raw.contacts (id varchar, hash varchar, modified varchar, deleted boolean, "
                "seen timestamptz, record json, problem varchar, _dlt_load_id varchar)"
            )
            if rows:
                table = pa.table(
                    {
                        "id": [row[0] for row in rows],
                        "hash": [md5(b"deleted" if row[3] else row[1].encode()).hexdigest() for row in rows],
                        "modified": pa.array([row[2] for row in rows], pa.string()),
                        "deleted": [row[3] for row in rows],
                        "seen": pa.array([seen] * len(rows), pa.timestamp("us", tz="UTC")),
                        "record": [row[1] for row in rows],
                        "problem": pa.nulls(len(rows), pa.string()),
                        "_dlt_load_id": ["1"] * len(rows),
                    }
                )
                con.register("given", table)
                con.execute("insert into raw.contacts from given")

    def build(self, con: duckdb.DuckDBPyConnection) -> None:
        for name in self.crms:
            self.extract(name)
        load_echoes(con, self.state, SCHEMAS)
        for connection in self.connections.values():
            stage(con, connection, SCHEMAS)
        sources = [source_of(connection) for connection in self.connections.values()]
        unify(con, self.state, SCHEMAS, sources, find=staged_world.by("nickname"))

    def run(self) -> list[Applied]:
        """Recover, extract, stage, unify, then plan and apply each CRM."""
        done = []
        for connection in self.connections.values():
            self._call(recover, connection)
        with open_warehouse(self.owner) as con:
            self.build(con)
            for connection in self.connections.values():
                made = plan(connection, con, self.state, SCHEMAS)
                done.append(self._call(apply, connection, made))
        return done

    def _call(self, what: Any, connection: Connection, *given: Any) -> Any:
        return what(
            *given, connection, self.state, SCHEMAS, self.readers[connection.name], run_id=f"r{next(self.runs)}",
            limiter=Limiter([]), transport=self.crms[connection.name], backoff=0.0001,
        )  # fmt: skip

    def plans(self) -> tuple[list[Plan], dict[str, dict[str, Any]]]:
        """The plans that a run would make now, and the golden records by nickname."""
        with open_warehouse(self.owner) as con:
            self.build(con)
            found = [plan(connection, con, self.state, SCHEMAS) for connection in self.connections.values()]
            names = list(THEIRS)
            rows = con.execute(f"SELECT {', '.join(names)} FROM unified.contacts").fetchall()
        return found, {row[0]: dict(zip(names, row, strict=True)) for row in rows}


def rested(office: Office) -> None:
    """The plans are empty, and what the CRMs hold is what the golden records say."""
    plans, golden = office.plans()
    assert [made.rows.to_pylist() for made in plans if not made.is_empty] == []
    for name in office.crms:
        assert list(disagreeing(office, name, golden)) == []


def disagreeing(office: Office, name: str, golden: dict[str, dict[str, Any]]) -> Iterator[Any]:
    """Fields that are neither the golden value nor what this CRM makes of it, but for those it owns or cannot say."""
    crm, reader, entity = office.crms[name], office.readers[name], office.connections[name].entities["contacts"]
    records = list(crm.records.get("contacts", {}).values())
    cases = []
    for record, row in zip(records, reader("contacts", records), strict=True):
        for field, theirs in THEIRS.items():
            want = golden[record["nick"]][field]
            is_free = entity.fields[field].owner == "latest" and field != "notes"
            if want is not None and is_free and field not in {*row["absent_fields"], *row["unreadable_fields"]}:
                cases.append((field, row[field], want, {**record, theirs: crm.normalise(theirs, want)}))
    for (field, has, want, _), other in zip(cases, reader("contacts", [case[3] for case in cases]), strict=True):
        found, may = json.loads(has or "null"), json.loads(other[field] or "null")
        agrees = found in (want, may)
        if field == "tags":
            there = {tag.casefold() for tag in found or []}  # a tag that differs in case only is not added beside
            agrees = {tag.casefold() for tag in want} <= there or {tag.casefold() for tag in may or []} <= there
        if not agrees:
            yield name, field, found, want, may


PEOPLE = 40
VALUES: dict[str, Callable[[random.Random], Any]] = {
    "first": lambda dice: dice.choice(["Ann", "ann", "Björn", "Zoë Marie", "李", "Émile", ""]),
    "email": lambda dice: dice.choice(["a@x.org", "b@x.org", "c@x.org", None, ""]),
    "phone": lambda dice: dice.choice(["+12025550101", "(202) 555-0102", "202.555.0103", None, "none"]),
    "notes": lambda dice: dice.choice(["long note", "x", None, ""]),
    "tags": lambda dice: dice.choice([["a"], ["B", "c"], [], None, ["a", "b"]]),
}


def populate(office: Office, dice: random.Random) -> None:
    for name, crm in office.crms.items():
        for person in range(PEOPLE):
            if dice.random() < 0.7:
                values = {field: draw(dice) for field, draw in VALUES.items() if dice.random() < 0.9}
                crm.put("contacts", f"{name}{person}", nick=f"p{person}", **values)


def disturb(office: Office, dice: random.Random) -> None:
    """One thing that a user does in one CRM."""
    crm = office.crms[dice.choice(sorted(office.crms))]
    ids = sorted(crm.records.get("contacts", {}))
    if not ids or dice.random() < 0.1:
        person = f"p{dice.randrange(PEOPLE * 2)}"
        if all(record["nick"] != person for record in crm.records.get("contacts", {}).values()):
            crm.put(
                "contacts",
                f"n{dice.randrange(10**9)}",
                nick=person,
                first="New",
                email=None,
                phone=None,
                notes=None,
                tags=[],
            )
    elif dice.random() < 0.1:
        del crm.records["contacts"][dice.choice(ids)]
    else:
        field = dice.choice(sorted(VALUES))
        crm.edit("contacts", dice.choice(ids), **{field: VALUES[field](dice)})


def busy(office: Office, dice: random.Random, faults: float, edits: float) -> Callable[[httpx.Request], str | None]:
    def strike(_: httpx.Request) -> str | None:
        if dice.random() < edits:
            disturb(office, dice)
        return dice.choice(FAULTS) if dice.random() < faults else None

    return strike


@pytest.fixture(autouse=True)
def retry_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are due at the next run, and there are tries enough for every fault."""
    monkeypatch.setattr(outcomes, "RETRY_SECONDS", (0,) * 50)
    monkeypatch.setattr(outcomes, "DEAD_AFTER", 50)


crms = st.lists(
    st.tuples(
        st.sampled_from(WAYS), st.booleans(), st.sampled_from(["none", "all"]),
        st.sampled_from(["latest", "latest", "there"]),
    ),
    min_size=2, max_size=4,
)  # fmt: skip


def play(seed: int, made: list[Any], rounds: int, faults: float, edits: float) -> None:
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        office = Office(Path(folder), made)
        try:
            populate(office, dice)
            for _ in range(rounds):
                for crm in office.crms.values():
                    crm.strike = busy(office, dice, faults, edits)
                office.run()
                for _ in range(dice.randrange(20)):
                    disturb(office, dice)
            for crm in office.crms.values():
                crm.strike = None
            runs = 2
            office.run()
            while intents.failures(office.state) and runs < 6:  # outstanding retries are settled first
                office.run()
                runs += 1
            office.run()
            rested(office)
            doubles = [key for crm in office.crms.values() for key, times in twins(crm).items() if times > 1]
            assert doubles == []
        finally:
            office.close()


def twins(crm: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for record in crm.records.get("contacts", {}).values():
        found[record["nick"]] = found.get(record["nick"], 0) + 1
    return found


@settings(max_examples=5)
@given(seed=st.integers(0, 2**32), made=crms)
def test_after_the_edits_two_runs_reach_rest(seed: int, made: list[Any]) -> None:
    play(seed, made, rounds=2, faults=0, edits=0.03)


@settings(max_examples=3)
@given(seed=st.integers(0, 2**32), made=crms)
def test_failing_calls_lead_to_the_same_rest(seed: int, made: list[Any]) -> None:
    play(seed, made, rounds=2, faults=0.2, edits=0)


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=13)
@given(seed=st.integers(0, 2**32), made=crms)
def test_more_of_the_same(seed: int, made: list[Any]) -> None:
    """13 offices of 40 people each: 520 people."""
    play(seed, made, rounds=2, faults=0.1, edits=0.03)
