"""A PostgreSQL server for the tests: from Debian's packages, on a port and in a folder of its own, by a plain user."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

USERS = ("postgres", "nobody")
SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "300"}


class NotHere(Exception):  # noqa: N818 - says a state
    """There is no PostgreSQL on this machine, or nobody who may run it; the text says what to install."""


def programs() -> Path:
    """The folder of `initdb` and `postgres`.

    Raises:
        NotHere: there is none.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    on_path = shutil.which("postgres")
    folders = [*([Path(on_path).resolve().parent] if on_path else []), *(path.parent for path in found)]
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NotHere("PostgreSQL is not installed: apt-get install postgresql")


def _as_whom() -> dict[str, Any]:
    """PostgreSQL refuses to be run by root."""
    if os.geteuid() != 0:
        return {}
    for name in USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise NotHere(f"PostgreSQL is not run by root, and there is no user {' or '.join(USERS)}")


@contextmanager
def server() -> Iterator[str]:
    """The address of a server of our own, as a URL without a database.

    Raises:
        NotHere: it cannot be had.
    """
    folder, whom = programs(), _as_whom()
    with tempfile.TemporaryDirectory(prefix="crosswalk-postgres-") as name:
        home = Path(name)
        if whom:
            os.chown(home, whom["user"], whom["group"])
        home.chmod(0o700)
        made = [folder / "initdb", "-D", home / "data", "-U", "tests", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"]
        subprocess.run(made, check=True, capture_output=True, cwd=home, timeout=250, **whom)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        said = [word for key, value in SETTINGS.items() for word in ("-c", f"{key}={value}")]
        started = [folder / "postgres", "-D", home / "data", "-p", str(port), "-k", str(home), "-h", "127.0.0.1", *said]
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(started, stdout=log, stderr=log, cwd=home, **whom)
        try:
            url = f"postgresql+psycopg://tests@127.0.0.1:{port}"
            _wait(url, process, home / "log")
            yield url
        finally:
            process.send_signal(signal.SIGINT)  # ends at once; SIGTERM would wait for who is still connected
            process.wait(120)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    engine = sa.create_engine(f"{url}/postgres", poolclass=sa.NullPool)
    for _ in range(1200):
        try:
            engine.connect().close()
            return
        except sa.exc.OperationalError:
            if process.poll() is not None:
                raise NotHere(log.read_text(errors="replace")) from None
            time.sleep(0.1)
    raise NotHere(f"no answer: {log.read_text(errors='replace')}")


_EMPTY = """
do $$ declare t record; begin
    for t in select schemaname, tablename from pg_tables
        where starts_with(schemaname, 'owner_') and tablename <> 'alembic_version'
    loop execute 'delete from ' || quote_ident(t.schemaname) || '.' || quote_ident(t.tablename); end loop;
end $$"""


def empty(url: str) -> None:
    """Deletes every row; the tables stay, because making them takes longer than a test."""
    engine = sa.create_engine(f"{url}/postgres", poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(_EMPTY)
