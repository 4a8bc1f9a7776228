"""Takes a person out of the state: registry, ledger, intents, answers, what was entered, what webhooks brought.

SQLite keeps the bytes of deleted rows, so the file is packed afterwards.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import sqlalchemy as sa

from pipelines.state import forgotten, stamps
from pipelines.state.database import State
from pipelines.state.push_tables import conflicts, created, echoes, holds, intents, ledger, never_sync
from pipelines.state.service_more import webhook_latest
from pipelines.state.service_tables import local_records, webhook_inbox
from pipelines.state.tables import check_results, golden_events, golden_ids, match_answers, pins, redirects

LOCAL = "local"


@dataclass(frozen=True)
class Person:
    """Who is to be erased: golden ids, former ones among them, and source records as (connection, source id)."""

    entity: str
    golden_ids: frozenset[str]
    records: frozenset[tuple[str, str]]

    @property
    def record_keys(self) -> list[str]:
        """`<connection>:<source id>` of each record."""
        return sorted(f"{connection}:{source_id}" for connection, source_id in self.records)


def find(state: State, entity: str, which: str) -> Person | None:
    """The person that a golden id (a former one, too) or a record key means; None where nobody is."""
    with state.read() as connection:
        golden = _golden(connection, entity, which)
        if golden is None:
            return None
        r, g = redirects.c, golden_ids.c
        former = connection.execute(sa.select(r.from_id).where(r.entity == entity, r.to_id == golden)).scalars().all()
        keys = connection.execute(sa.select(g.record_key).where(g.entity == entity, g.golden_id == golden)).scalars()
        pairs = frozenset((str(k).partition(":")[0], str(k).partition(":")[2]) for k in keys)
    return Person(entity, frozenset({golden, *map(str, former)}), pairs)


def _golden(connection: sa.Connection, entity: str, which: str) -> str | None:
    g, r = golden_ids.c, redirects.c
    is_meant = sa.or_(g.golden_id == which, g.record_key == which)
    found = connection.execute(sa.select(g.golden_id).where(g.entity == entity, is_meant).limit(1)).scalar()
    if found is None:
        found = connection.execute(sa.select(r.to_id).where(r.entity == entity, r.from_id == which)).scalar()
    return None if found is None else str(found)


def remember(state: State, person: Person) -> None:
    """From now on no pull takes the person's records in."""
    with state.write() as connection:
        records = [(name, person.entity, source_id) for name, source_id in sorted(person.records)]
        forgotten.remember(connection, records)


def erase(state: State, person: Person) -> int:
    """Deletes all that the owner's state holds of a person but which records they had; rows deleted."""
    keys, golden, entity = person.record_keys, list(person.golden_ids), person.entity
    deleted = 0
    with state.write() as connection:
        for table in (echoes, created, holds):
            deleted += _delete(connection, table, table.c.entity == entity, table.c.record_key.in_(keys))
        for table in (intents, ledger, conflicts):
            is_theirs = sa.or_(table.c.record_key.in_(keys), table.c.golden_id.in_(golden))
            deleted += _delete(connection, table, table.c.entity == entity, is_theirs)
        answered = sa.or_(match_answers.c.a.in_([*keys, *golden]), match_answers.c.b.in_([*keys, *golden]))
        deleted += _delete(connection, match_answers, match_answers.c.entity == entity, answered)
        deleted += _delete(connection, pins, pins.c.entity == entity, pins.c.golden_id.in_(golden))
        deleted += _records(connection, person)
        # the examples of failed checks quote values
        connection.execute(sa.update(check_results).where(check_results.c.entity == entity).values(detail=None))
        for name in (f"pins:{entity}", f"answers:{entity}"):
            stamps.renew(connection, name)
    return deleted


def forget_identity(state: State, person: Person) -> int:
    """Deletes which records belonged to the person: the last that is known of them. Rows deleted."""
    keys, golden, entity = person.record_keys, list(person.golden_ids), person.entity
    deleted = 0
    with state.write() as connection:
        g, r, e = golden_ids.c, redirects.c, golden_events.c
        theirs = sa.or_(g.record_key.in_(keys), g.golden_id.in_(golden))
        deleted += _delete(connection, golden_ids, g.entity == entity, theirs)
        moved = sa.or_(r.from_id.in_(golden), r.to_id.in_(golden))
        deleted += _delete(connection, redirects, r.entity == entity, moved)
        told = sa.or_(e.record_key.in_(keys), e.golden_id.in_(golden))
        deleted += _delete(connection, golden_events, e.entity == entity, told)
        stamps.renew(connection, f"registry:{entity}")
    pack(state)
    return deleted


def _records(connection: sa.Connection, person: Person) -> int:
    deleted = 0
    for name, source_id in person.records:
        n = never_sync.c
        theirs = (n.connection == name, n.entity == person.entity, n.source_id == source_id)
        deleted += _delete(connection, never_sync, *theirs)
        if name == LOCAL:
            mine = (local_records.c.entity == person.entity, local_records.c.record_id == source_id)
            deleted += _delete(connection, local_records, *mine)
    return deleted


def erase_webhooks(store: State, owner: str, person: Person) -> int:
    """Deletes what webhooks told of a person, from the store of the service."""
    deleted = 0
    with store.write() as connection:
        for name, source_id in sorted(person.records):
            w, i = webhook_latest.c, webhook_inbox.c
            told = (w.owner == owner, w.connection == name, w.source_id == source_id)
            deleted += _delete(connection, webhook_latest, *told)
            quoted = json.dumps(source_id)  # as the inbox writes it
            if name != LOCAL:
                named = sa.or_(i.body.contains(quoted, autoescape=True), _as_number(source_id))
                deleted += _delete(connection, webhook_inbox, i.owner == owner, i.connection == name, named)
    pack(store)
    return deleted


def _as_number(source_id: str) -> sa.ColumnElement[bool]:
    """An id that stands in the body as a number, followed by what may follow one."""
    body = webhook_inbox.c.body
    if not source_id.isdigit():
        return sa.false()
    starts, ends = (":", "[", ","), (",", "]", "}")
    return sa.or_(*(body.contains(f"{a}{source_id}{b}", autoescape=True) for a in starts for b in ends))


def _delete(connection: sa.Connection, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    return int(connection.execute(sa.delete(table).where(*where)).rowcount)


def pack(state: State) -> None:
    """Rewrites an SQLite file, so that deleted rows leave nothing behind in it or in its log."""
    if state.engine.dialect.name != "sqlite":
        return
    with state.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None, "an open connection has a driver's"
        driver.execute("VACUUM")
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
