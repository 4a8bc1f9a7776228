"""Who was forgotten since a backup was made is taken out of it before it is put back.

The keyed hashes of the data that is there now are carried over; records of the backup that they mean go from its raw
logs, states and inbox. Where any went, its published file goes, too: the next run publishes again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from pipelines.connections.owner import SERVICE_OWNER, Owner
from pipelines.extract.erasing import erase_records
from pipelines.extract.shape import literal
from pipelines.state import arrow, erasing, forgotten
from pipelines.state.database import State, open_file, open_state
from pipelines.state.erasing import LOCAL, Person
from pipelines.state.service_tables import local_records
from pipelines.state.tables import golden_ids

MATCHED = "matched_ids"


def forget_again(owners: Sequence[Owner], unpacked: Path) -> int:
    """Takes them out of the unpacked owners of a backup; how many records.

    Args:
        owners: as they are now, whose hashes are read.
        unpacked: holds a folder for each of them, as the backup has it.
    """
    number = 0
    for owner in owners:
        if owner.name == SERVICE_OWNER:
            continue
        number += _of_owner(owner, Owner(owner.name, unpacked))
    return number


def _of_owner(now: Owner, then: Owner) -> int:
    with open_file(then) as state:
        if now.state.exists() or os.environ.get("DATABASE_URL", "").strip():
            with open_state(now) as current:
                forgotten.take_over(state, forgotten.kept(current))
        people = list(_people(state))
        for person in people:
            for name in sorted({connection for connection, _ in person.records}):
                erase_records(then, name, person.entity, [i for other, i in sorted(person.records) if other == name])
            erasing.erase(state, person)
            _erase_webhooks(then, person)
            erasing.forget_identity(state, person)
    shutil.rmtree(then.dlt_dir, ignore_errors=True)
    if people:
        shutil.rmtree(then.published_dir, ignore_errors=True)
    return sum(len(person.records) for person in people)


def _erase_webhooks(then: Owner, person: Person) -> None:
    service = Owner(SERVICE_OWNER, then.data_dir)
    if service.state.exists():
        with open_file(service) as store:
            erasing.erase_webhooks(store, then.name, person)


def _people(state: State) -> Iterator[Person]:
    """Whom the hashes mean, of those that this state and its raw logs know; one for each entity."""
    found: dict[str, set[tuple[str, str]]] = {}
    for name, entity in forgotten.places(state):
        ids = _known_ids(state, name, entity)
        if ids:
            found.setdefault(entity, set()).update((name, source_id) for source_id in ids)
    for entity, records in found.items():
        yield Person(entity, _theirs_alone(state, entity, records), frozenset(records))


def _known_ids(state: State, name: str, entity: str) -> set[str]:
    is_forgotten = forgotten.left_out_sql(state, name, entity, "id")
    with duckdb.connect() as con:
        con.execute(f"create table {MATCHED} (id varchar)")
        path = state.owner.raw(name)
        if path.exists():
            con.execute(f"attach {literal(str(path))} as log (read_only)")
            query = "from duckdb_tables() where database_name = 'log' and schema_name = 'raw' and table_name = ?"
            if con.execute(query, [entity]).fetchall():
                con.execute(f"insert into {MATCHED} select distinct id from log.raw.{entity} where {is_forgotten}")
        for batch in _listed_ids(state, name, entity):
            con.register("batch", batch)
            con.execute(f"insert into {MATCHED} select id from batch where {is_forgotten}")
        return {str(row[0]) for row in con.execute(f"select distinct id from {MATCHED}").fetchall()}


def _listed_ids(state: State, name: str, entity: str) -> Iterator[pa.RecordBatch]:
    """Ids of the connection's records that the state itself names, a batch at a time."""
    g, r = golden_ids.c, local_records.c
    prefix = f"{name}:"
    with state.read() as connection:
        where = sa.and_(g.entity == entity, g.record_key.startswith(prefix, autoescape=True))
        for batch in arrow.read_arrow(connection, [g.record_key], where):
            yield _without(batch, len(prefix))
        if name == LOCAL:
            for batch in arrow.read_arrow(connection, [r.record_id], r.entity == entity):
                yield batch.rename_columns(["id"])


def _without(keys: pa.RecordBatch, length: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pc.utf8_slice_codeunits(keys.column(0), start=length)], names=["id"])


def _theirs_alone(state: State, entity: str, records: set[tuple[str, str]]) -> frozenset[str]:
    """Golden ids that no other record bears."""
    keys = [f"{name}:{source_id}" for name, source_id in sorted(records)]
    g = golden_ids.c
    with state.read() as connection:
        mine = sa.select(g.golden_id).where(g.entity == entity, g.record_key.in_(keys))
        ids = {str(golden) for golden in connection.execute(mine).scalars()}
        others = sa.select(g.golden_id).where(
            g.entity == entity, g.golden_id.in_(sorted(ids)), g.record_key.not_in(keys)
        )
        return frozenset(ids - {str(golden) for golden in connection.execute(others).scalars()})
