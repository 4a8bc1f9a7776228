"""An office with two to five CRMs in memory, whose towns are the examples of the laws of push.

A *town* is an example: people of its own, in CRMs of its own choice, with edits of its own; nothing of it touches
another. Many towns share an office because a run costs nearly the same for one as for twenty.
"""

from __future__ import annotations

import atexit
import itertools
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import md5
from pathlib import Path
from typing import Any

import duckdb
import push_memory_crm as memory
import pyarrow as pa
import sqlalchemy as sa
import staged_world
from law_settings import MEMORY

from pipelines.connections.connection import Connection, Settings
from pipelines.connections.owner import Owner
from pipelines.mapping import language
from pipelines.push.apply import Applied, apply, recover
from pipelines.push.plan import plan
from pipelines.push.planned import Plan
from pipelines.staging.echoes import load_echoes
from pipelines.staging.read_back import RecordReader
from pipelines.staging.stage import stage
from pipelines.state.database import State, open_state
from pipelines.unify.run import unify
from pipelines.unify.sources import source_of
from pipelines.warehouse.connect import SCHEMAS as ROOMS
from pipelines.wire.limiter import Limiter

THEIRS = {
    "nickname": "nick",
    "company": "town",
    "first_name": "first",
    "email": "email",
    "phone": "phone",
    "notes": "notes",
    "tags": "tags",
}


SCHEMAS = staged_world.only("contacts", *THEIRS)


@dataclass(frozen=True)
class Spec:
    """One CRM: how it rewrites what it gets, whether it says when, who owns which field, what its connection says."""

    way: Any = memory.as_it_is
    has_times: bool = True
    owners: Mapping[str, str] = field(default_factory=dict)
    is_batched: bool = False
    passes_deletions_on: bool = False


class Crm(memory.MemoryCrm):  # type: ignore[misc,name-defined]
    """Notes whom we create though somebody of that name is there, unless a person put him there a moment ago."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.doubled: list[str] = []
        self.touched: set[str] = set()

    def _create(self, entity: str, body: dict[str, Any]) -> dict[str, Any]:
        there = [id for id, one in self.records.get(entity, {}).items() if one.get("nick") == body.get("nick")]
        if there and not self.touched.intersection(there):
            self.doubled.append(str(body.get("nick")))
        return dict(super()._create(entity, body))

    def _batch_search(self, entity: str, body: Any) -> tuple[int, Any]:
        found = [one for one in self.records.get(entity, {}).values() if one.get("nick") in body["nicks"]]
        return 200, {"results": json.loads(json.dumps(found))}


def mapping(name: str, spec: Spec) -> language.Mapping:
    """The CRM's mapping. Who is created where, says the town: `7:abc:ab` is in a, b and c, and created in a and b."""
    fields: dict[str, Any] = {
        ours: {"path": theirs, "owner": spec.owners.get(ours, "latest")} for ours, theirs in THEIRS.items()
    }
    fields["notes"]["write"] = "if_empty"
    fields["tags"] = {"each": "tags", "owner": spec.owners.get("tags", "latest")}
    push: dict[str, Any] = {
        "create": f"contains(split_part(company, ':', 3), '{name}')",
        "find": {"by": ["nickname"]},
        "fields": list(THEIRS),
        "delete_request": {"method": "DELETE", "path": "contacts/{id}"},
        "answer_record": "$",
    }
    search = {"path": "contacts", "params": {"nick": "{nickname}"}, "data_selector": "contacts"}
    if spec.is_batched:
        push["find"]["batch"] = _batch("search", "nicks", {"data_selector": "results"})
        push |= {f"{what}_batch": _batch(what, "rows", {}) for what in ("create", "update")}
        push["create_batch"]["item"] = {"values": "$fields"}
        push["update_batch"]["item"] = {"id": "$id", "values": "$fields"}
    else:
        push["find"]["request"] = search
        push["create_request"] = {"method": "POST", "path": "contacts"}
        push["update_request"] = {"method": "PATCH", "path": "contacts/{id}"}
    contacts = {
        "extract": {"path": "contacts"}, "get": {"path": "contacts/{id}"}, "id": "id", "fields": fields, "push": push,
        **({"modified": "updated"} if spec.has_times else {}),
    }  # fmt: skip
    spoken = {"base_url": "http://crm.test", "concurrency": 4}
    return language.Mapping.model_validate(
        {"crm": name, "label": name, "connection": spoken, "entities": {"contacts": contacts}}
    )


def _batch(what: str, items: str, request: Mapping[str, Any]) -> dict[str, Any]:
    call = {"method": "POST", "path": f"contacts/batch/{what}", **request}
    reader = "records" if what == "search" else "row_success"
    return {"request": call, "size": 7, "items": items, "reader": reader}


def state_of(owner: Owner) -> State:
    """A state that is a copy of an empty one, and does not wait for the disk: no test of these pulls the plug."""
    owner.root.mkdir(parents=True, exist_ok=True)
    shutil.copy(_empty_state(), owner.state)
    state = open_state(owner)
    sa.event.listen(state.engine, "connect", lambda dbapi, _: dbapi.execute("PRAGMA synchronous=OFF"))
    state.engine.dispose()
    return state


@cache
def _empty_state() -> Path:
    folder = tempfile.TemporaryDirectory(dir=MEMORY)
    atexit.register(folder.cleanup)
    owner = Owner("empty", Path(folder.name))
    open_state(owner).close()
    return owner.state


class Office:
    """An owner with several CRMs, and the run over all of them."""

    def __init__(self, folder: Path, specs: list[Spec]) -> None:
        self.owner = Owner("office", folder)
        self.state = state_of(self.owner)
        self.clock = memory.Clock()
        self.specs = dict(zip("abcde", specs, strict=False))
        self.crms = {name: Crm(spec.way, clock=self.clock) for name, spec in self.specs.items()}
        self.connections = {name: self._connection(name, spec) for name, spec in self.specs.items()}
        self.readers = {name: RecordReader(one, SCHEMAS) for name, one in self.connections.items()}
        self.known: dict[tuple[str, str], str] = {}
        self.runs = itertools.count(1)
        # One thread: a hundred records are not worth a second one.
        self.con = duckdb.connect(config={"threads": 1, "autoinstall_known_extensions": False})
        self.con.execute("SET TimeZone = 'UTC'")
        for room in ROOMS:
            self.con.execute(f"CREATE SCHEMA IF NOT EXISTS {room}")

    def _connection(self, name: str, spec: Spec) -> Connection:
        made = mapping(name, spec)
        settings = Settings(deletions="pass_on" if spec.passes_deletions_on else "unlink")
        return Connection(name, self.owner, made, settings, True, made.connection)

    def close(self) -> None:
        self.con.close()
        self.state.close()
        for reader in self.readers.values():
            reader.close()

    def extract(self, name: str) -> None:
        """Appends to the raw log what is new, changed or gone; a CRM without times has no `updated` to go by."""
        has_times = self.connections[name].entities["contacts"].modified is not None
        there = self.crms[name].records.get("contacts", {})
        rows = []
        for id, record in there.items():
            shown = record if has_times else {k: v for k, v in record.items() if k != "updated"}
            text = json.dumps(shown, sort_keys=True)
            if self.known.get((name, id)) != text:
                self.known[name, id] = text
                rows.append((id, text, record["updated"] if has_times else None, False))
        for at, id in [key for key in self.known if key[0] == name and key[1] not in there]:
            rows.append((id, self.known.pop((at, id)), None, True))
        self._append(name, rows)

    def _append(self, name: str, rows: list[tuple[str, str, str | None, bool]]) -> None:
        path = self.owner.raw(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        seen = datetime.now(UTC)
        with duckdb.connect(str(path), config={"threads": 1}) as con:
            con.execute("create schema if not exists raw")
            con.execute(
                "create table if not exists raw.contacts (id varchar, hash varchar, modified varchar, deleted boolean, "
                "seen timestamptz, record json, problem varchar, _dlt_load_id varchar)"
            )
            if rows:
                hashes = [md5(b"deleted" if row[3] else row[1].encode()).hexdigest() for row in rows]
                table = pa.table(
                    {
                        "id": [row[0] for row in rows], "hash": hashes,
                        "modified": pa.array([row[2] for row in rows], pa.string()),
                        "deleted": [row[3] for row in rows],
                        "seen": pa.array([seen] * len(rows), pa.timestamp("us", tz="UTC")),
                        "record": [row[1] for row in rows], "problem": pa.nulls(len(rows), pa.string()),
                        "_dlt_load_id": ["1"] * len(rows),
                    }
                )  # fmt: skip
                con.register("given", table)
                con.execute("insert into raw.contacts from given")

    def build(self) -> None:
        """Extract, stage and unify."""
        for name, crm in self.crms.items():
            crm.touched.clear()
            self.extract(name)
        load_echoes(self.con, self.state, SCHEMAS)
        for connection in self.connections.values():
            stage(self.con, connection, SCHEMAS)
        sources = [source_of(connection) for connection in self.connections.values()]
        unify(self.con, self.state, SCHEMAS, sources, find=staged_world.by("nickname"))

    def run(self) -> list[Applied]:
        """Recover, build, then plan and apply each CRM."""
        for connection in self.connections.values():
            self._call(recover, connection)
        self.build()
        return [self._call(apply, one, self.plan(one)) for one in self.connections.values()]

    def plan(self, connection: Connection) -> Plan:
        return plan(connection, self.con, self.state, SCHEMAS)

    def _call(self, what: Any, connection: Connection, *given: Any) -> Any:
        return what(
            *given, connection, self.state, SCHEMAS, self.readers[connection.name], run_id=f"r{next(self.runs)}",
            limiter=Limiter([]), transport=self.crms[connection.name], backoff=0.0001,
        )  # fmt: skip

    def golden(self) -> dict[str, dict[str, Any]]:
        """The golden records by nickname."""
        names = list(THEIRS)
        rows = self.con.execute(f"SELECT {', '.join(names)} FROM unified.contacts").fetchall()
        return {row[0]: dict(zip(names, row, strict=True)) for row in rows}


@contextmanager
def office_of(specs: list[Spec]) -> Iterator[Office]:
    """An office in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        made = Office(Path(folder), specs)
        try:
            yield made
        finally:
            made.close()
