"""Opens an owner's state: SQLite in the owner's folder, or PostgreSQL where DATABASE_URL says so.

In PostgreSQL each owner has a schema of its own, so that no query can see another owner's rows (law L13).
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pipelines.connections.owner import Owner
from pipelines.state import version

BUSY_SECONDS = 60


def now_us() -> int:
    """This moment in microseconds since 1970 (UTC), as the tables keep moments."""
    return time.time_ns() // 1000


@dataclass(frozen=True)
class State:
    """An open state. `read()` and `write()` give a connection for the length of one transaction."""

    owner: Owner
    engine: sa.Engine

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent view; never waits for a writer."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[sa.Connection]:
        """One transaction, on disk when the block ends without an error, undone when it ends with one.

        The write lock is taken at once, so that two writers queue up instead of failing half-way.

        Args:
            durable: False: on disk at the latest with the next durable one, for many small transactions in a row whose
                outcome nobody is told before that.
        """
        with self.engine.connect().execution_options(writes=True) as connection:
            is_sqlite = self.engine.dialect.name == "sqlite"
            if not durable and is_sqlite:
                _synchronous(connection, "NORMAL")
            try:
                with connection.begin():
                    if not durable and not is_sqlite:
                        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
                    yield connection
            finally:
                if not durable and is_sqlite and not connection.invalidated:
                    _synchronous(connection, "FULL")

    def close(self) -> None:
        """Closes all connections of this process."""
        self.engine.dispose()

    def __enter__(self) -> State:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_state(owner: Owner) -> State:
    """Opens the owner's state and brings its tables up to this program's version.

    Raises:
        NewerStateError: a newer program wrote it; nothing was touched.
    """
    url = os.environ.get("DATABASE_URL", "").strip()
    return _opened(State(owner, _postgres(url, owner) if url else _sqlite(owner)))


def open_file(owner: Owner) -> State:
    """Opens a state that is a file whatever DATABASE_URL says: one that is on its way from a backup.

    Raises:
        NewerStateError: a newer program wrote it; nothing was touched.
    """
    return _opened(State(owner, _sqlite(owner)))


def move_aside(owner: Owner, moment: str) -> None:
    """Where states lie in PostgreSQL: gives the owner's schema a name that nobody opens; else nothing.

    Args:
        owner: whose.
        moment: goes into the name.
    """
    url = os.environ.get("DATABASE_URL", "").strip()
    if not url:
        return
    engine = _postgres(url, owner)
    aside = f"before_{moment}_{schema_of(owner)}"[:63]
    with engine.begin() as connection:
        connection.exec_driver_sql(f'ALTER SCHEMA "{schema_of(owner)}" RENAME TO "{aside}"')
    engine.dispose()


def _opened(state: State) -> State:
    try:
        version.bring_up_to_date(state.engine, state.owner.name)
    except BaseException:
        state.close()
        raise
    return state


def _sqlite(owner: Owner) -> sa.Engine:
    owner.root.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(owner.state)),
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        hide_parameters=True,  # they are people's data, and an error's text goes to logs
    )
    sa.event.listen(engine, "connect", _set_up_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(dbapi: Any, _record: object) -> None:
    dbapi.isolation_level = None  # the driver must not begin transactions of its own: _begin_sqlite does
    cursor = dbapi.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # an intent must survive a power cut, not only a crash
    cursor.execute("PRAGMA wal_autocheckpoint=16000")  # pages: each time waits for the disk, and writes them once more
    cursor.execute("PRAGMA cache_size=-65536")
    cursor.execute("PRAGMA temp_store=MEMORY")
    cursor.close()


def _synchronous(connection: sa.Connection, level: str) -> None:
    """Between transactions, so past SQLAlchemy, which would begin one."""
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA synchronous={level}")


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def schema_of(owner: Owner) -> str:
    """PostgreSQL schema of an owner; names longer than PostgreSQL's 63 bytes get a hash instead."""
    name = f"owner_{owner.name}"
    return name if len(name) <= 63 else "owner_" + hashlib.sha256(owner.name.encode()).hexdigest()[:40]


def _postgres(url: str, owner: Owner) -> sa.Engine:
    owner.root.mkdir(parents=True, exist_ok=True)  # the folders tell which owners there are
    target = sa.make_url(url)
    if target.drivername in {"postgres", "postgresql"}:
        target = target.set(drivername="postgresql+psycopg")
    schema = schema_of(owner)
    engine = sa.create_engine(target, connect_args={"options": f'-csearch_path="{schema}"'}, hide_parameters=True)
    with engine.begin() as connection:
        # "if not exists" alone fails where two processes make the same schema at once
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": version.MIGRATION_LOCK})
        connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
    return engine
