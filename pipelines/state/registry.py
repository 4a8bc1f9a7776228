"""The registry of golden ids: which source record belongs to which golden record, and since when (law L11).

Unify computes what is to change in SQL and hands it over as Arrow; here it becomes lasting in one transaction, with an
event for each merge and split.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import sqlalchemy as sa

from pipelines.state import arrow, rows, stamps
from pipelines.state.database import State, now_us
from pipelines.state.tables import golden_events, golden_ids, redirects

_CHANGES = sa.Table(
    "registry_changes",
    sa.MetaData(),
    sa.Column("record_key", sa.Text, primary_key=True),
    sa.Column("golden_id", sa.Text),
    sa.Column("since", sa.BigInteger, nullable=False),
    prefixes=["TEMPORARY"],
)


def stamp(state: State, entity: str) -> str:
    """A word that changes whenever the entity's registry does; a mirror with the same word is up to date."""
    return stamps.read(state, f"registry:{entity}")


def load(state: State, entity: str) -> Iterator[pa.RecordBatch]:
    """The entity's registry as batches of (record_key, golden_id, since); moments in UTC."""
    columns = [golden_ids.c.record_key, golden_ids.c.golden_id, golden_ids.c.since]
    with state.read() as connection:
        yield from arrow.read_arrow(connection, columns, golden_ids.c.entity == entity)


def load_redirects(state: State, entity: str) -> Iterator[pa.RecordBatch]:
    """The entity's redirects as batches of (from_id, to_id, reason, at), each to the id that lives."""
    columns = [redirects.c.from_id, redirects.c.to_id, redirects.c.reason, redirects.c.at]
    with state.read() as connection:
        yield from arrow.read_arrow(connection, columns, redirects.c.entity == entity)


class Stamps(NamedTuple):
    """The registry's stamp before a change, and after it: nobody else's change lies between."""

    before: str
    after: str


def apply(state: State, entity: str, changes: pa.Table, redirected: pa.Table | None = None) -> Stamps:
    """Makes changes and redirects lasting: all of them or, after a crash, none.

    Args:
        state: the open state.
        entity: such as contacts.
        changes: (record_key, golden_id, since): the record's golden id from now on; NULL forgets the record.
        redirected: (from_id, to_id, reason, at): golden ids that were merged into another.
    """
    if changes.num_rows == 0 and (redirected is None or redirected.num_rows == 0):
        word = stamp(state, entity)
        return Stamps(word, word)
    with state.write() as connection:
        before = stamps.read_within(connection, f"registry:{entity}")
        if redirected is not None and redirected.num_rows:
            _redirect(connection, entity, redirected)
        if changes.num_rows:
            _change(connection, entity, changes)
        return Stamps(before, stamps.renew(connection, f"registry:{entity}"))


def golden_of(state: State, entity: str, record_keys: Sequence[str]) -> dict[str, str]:
    """The golden ids of some records; a record that is not registered is left out."""
    table = golden_ids.c
    found: dict[str, str] = {}
    with state.read() as connection:
        for start in range(0, len(record_keys), 500):
            some = (table.entity == entity, table.record_key.in_(list(record_keys[start : start + 500])))
            query = sa.select(table.record_key, table.golden_id).where(*some)
            found |= {str(key): str(golden) for key, golden in connection.execute(query)}
    return found


def is_known(state: State, one: str, connections: Sequence[str]) -> bool:
    """Whether it names a golden record, or a record of one of the connections: by its key, or by its id there."""
    keys = [one, *(f"{name}:{one}" for name in connections)]
    table = golden_ids.c
    with state.read() as connection:
        query = sa.select(table.entity).where(sa.or_(table.golden_id == one, table.record_key.in_(keys)))
        return connection.execute(query.limit(1)).first() is not None


def assign(connection: sa.Connection, entity: str, record_key: str, golden_id: str) -> None:
    """Within the caller's transaction: the record, just made in a CRM, belongs to the golden record."""
    rows.upsert(connection, golden_ids, [(entity, record_key, golden_id, now_us())])
    stamps.renew(connection, f"registry:{entity}")


def _redirect(connection: sa.Connection, entity: str, redirected: pa.Table) -> None:
    names = ("from_id", "to_id", "reason", "at")
    for chunk in arrow.tuples(redirected, names):
        rows.upsert(connection, redirects, [(entity, *row) for row in chunk])
        events = [(entity, source, "merged-into", target, reason, at) for source, target, reason, at in chunk]
        columns = ("entity", "golden_id", "event", "other_id", "reason", "at")
        rows.insert(connection, golden_events, events, columns)
    _shorten(connection, entity)


def _shorten(connection: sa.Connection, entity: str) -> None:
    """Points each redirect at the id that lives: A to B and B to C become A to C and B to C."""
    onward = redirects.alias("onward")
    link = sa.and_(onward.c.entity == entity, onward.c.from_id == redirects.c.to_id)
    step = sa.update(redirects).where(redirects.c.entity == entity, sa.exists(sa.select(onward.c.to_id).where(link)))
    step = step.values(to_id=sa.select(onward.c.to_id).where(link).scalar_subquery())
    loops = sa.delete(redirects).where(redirects.c.entity == entity, redirects.c.from_id == redirects.c.to_id)
    while connection.execute(step).rowcount:
        connection.execute(loops)


def _change(connection: sa.Connection, entity: str, changes: pa.Table) -> None:
    _CHANGES.create(connection, checkfirst=False)
    for chunk in arrow.tuples(changes, ("record_key", "golden_id", "since")):
        rows.insert(connection, _CHANGES, chunk, ("record_key", "golden_id", "since"))
    _note_splits(connection, entity)
    conflict = rows.conflict(connection, golden_ids, ["golden_id", "since"])
    connection.execute(
        sa.text(
            "INSERT INTO golden_ids (entity, record_key, golden_id, since) "
            "SELECT :entity, record_key, golden_id, since FROM registry_changes "
            f"WHERE golden_id IS NOT NULL ORDER BY record_key{conflict}"
        ),
        {"entity": entity},
    )
    forgotten = sa.select(_CHANGES.c.record_key).where(_CHANGES.c.golden_id.is_(None))
    connection.execute(
        sa.delete(golden_ids).where(golden_ids.c.entity == entity, golden_ids.c.record_key.in_(forgotten))
    )
    _CHANGES.drop(connection, checkfirst=False)


def _note_splits(connection: sa.Connection, entity: str) -> None:
    """A record that leaves a golden record which lives on was split from it."""
    connection.execute(
        sa.text(
            "INSERT INTO golden_events (entity, golden_id, event, other_id, record_key, at) "
            "SELECT :entity, c.golden_id, 'split-from', g.golden_id, c.record_key, :at "
            "FROM registry_changes c JOIN golden_ids g ON g.entity = :entity AND g.record_key = c.record_key "
            "WHERE c.golden_id <> g.golden_id AND NOT EXISTS (SELECT 1 FROM redirects r "
            "WHERE r.entity = :entity AND r.from_id = g.golden_id AND r.to_id = c.golden_id)"
        ),
        {"entity": entity, "at": now_us()},
    )
