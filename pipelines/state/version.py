"""The version of the state's tables: brings an older one up, refuses a newer one.

Alembic is imported only when there is something to migrate: it would cost every run a tenth of a second.
"""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy as sa

MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 4_201_733_115


class NewerStateError(Exception):
    """The state was written by a newer version of this program."""

    def __init__(self, owner: str, found: str, known: str) -> None:
        super().__init__(
            f"the state of owner '{owner}' has version {found}; this program knows versions up to {known}. "
            "Update the program, or restore a copy of the state that was made before the update. Nothing was changed."
        )


def head() -> str:
    """The newest version this program knows, such as '0001'."""
    return max(m[0] for f in (MIGRATIONS / "versions").iterdir() if (m := re.match(r"\d{4}(?=_.*\.py$)", f.name)))


def stamped(connection: sa.Connection) -> str | None:
    """The version of an open database; None where it is empty."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(sa.text("SELECT version_num FROM alembic_version")).first()
    return None if row is None else str(row[0])


def bring_up_to_date(engine: sa.Engine, owner: str) -> None:
    """Migrates to `head()`; does nothing where the stamp is already there.

    Raises:
        NewerStateError: the stamp is one that this program does not know.
    """
    with engine.connect() as connection:
        if _is_current(stamped(connection), owner):
            return
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        if not _is_current(stamped(connection), owner):  # another process may have migrated while we waited
            _migrate(connection)


def _is_current(found: str | None, owner: str) -> bool:
    if found is not None and found > head():
        raise NewerStateError(owner, found, head())
    return found == head()


def _migrate(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
