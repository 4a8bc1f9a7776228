"""A state as one SQLite file, whichever database it lies in, and back: for backups, and to move between databases."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import sqlalchemy as sa

from pipelines.state import push_tables, rows, service_more, service_tables, source_settings, tables, version
from pipelines.state.columns import metadata
from pipelines.state.database import State

REGISTERED = (tables, push_tables, service_tables, service_more, source_settings)
"""Modules whose tables are copied: importing them is what puts the tables into the register."""


class NotEmpty(Exception):  # noqa: N818 - says a state
    """There is something already where a copy was to go."""


def dump(state: State, path: Path) -> None:
    """Writes the state, as it is at one moment, into a new SQLite file; nobody is held up."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if state.engine.dialect.name == "sqlite":
        with state.engine.connect() as connection, sqlite3.connect(path) as target:
            source = connection.connection.driver_connection
            assert isinstance(source, sqlite3.Connection), "an SQLite engine has SQLite connections"
            source.backup(target)
        target.close()
        return
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))
    metadata.create_all(engine)
    one_moment = state.engine.connect().execution_options(isolation_level="REPEATABLE READ")
    with one_moment as source_rows, engine.begin() as target_rows:
        target_rows.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        target_rows.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (version.head(),))
        _copy(source_rows, target_rows)
    engine.dispose()


def load(path: Path, state: State) -> None:
    """Brings a dumped state into an empty one.

    Raises:
        NotEmpty: the target holds rows.
    """
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))
    version.bring_up_to_date(engine, state.owner.name)
    try:
        with engine.connect() as source, state.write() as target:
            if filled := _filled(target):
                raise NotEmpty(f"the state of {state.owner.name} is not empty: it has rows in {filled}")
            _copy(source, target)
            _count_on(target)
    finally:
        engine.dispose()


def has_rows(state: State) -> bool:
    """Whether there is anything in a state."""
    with state.read() as connection:
        return _filled(connection) is not None


def _filled(connection: sa.Connection) -> str | None:
    """The first table that has rows."""
    for table in metadata.sorted_tables:
        if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None:
            return table.name
    return None


def _copy(source: sa.Connection, target: sa.Connection) -> None:
    for table in metadata.sorted_tables:
        with source.execution_options(yield_per=rows.CHUNK).execute(sa.select(table)) as found:
            for chunk in found.partitions():
                target.execute(sa.insert(table), [dict(row._mapping) for row in chunk])


def _count_on(target: sa.Connection) -> None:
    """Ids that count up go on where they were; PostgreSQL counts apart from the rows."""
    if target.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        for column in table.primary_key.columns:
            if column is table.autoincrement_column:
                last = target.execute(sa.select(sa.func.max(column))).scalar()
                sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
                if last is not None:
                    target.execute(sa.select(sa.func.setval(sequence, last)))
