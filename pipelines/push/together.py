"""Plans of several connections side by side: what they want of the golden records is read once, for all of them.

A plan is made in steps. It stops where it knows which golden records differ from its CRM's, and goes on when these lie
on the *shelf*, a database in memory beside the warehouse. To read a thousand of a million wide records takes nearly as
long as to read them all, so this is worth waiting for the others; and while one plan thinks, another reads.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, TypeVar

import duckdb

from pipelines.push.scope import PushField
from pipelines.warehouse.models import MODELS, environment, ident

SHELF = "plan_shelf"
AT_ONCE = 2

Made = TypeVar("Made")


@dataclass(frozen=True)
class Wanted:
    """What one plan wants of an entity: the golden records of `ids`, and where their values come from.

    They come to lie in `rows` (the id, fields) and `lineage` (the id, field, connection, since).
    """

    connection: str
    entity: str
    singular: str
    fields: Sequence[PushField]

    @property
    def ids(self) -> str:
        """Table of golden_id."""
        return f"{SHELF}.{ident(f'ids_{self.connection}')}"

    @property
    def rows(self) -> str:
        """Table of the golden records that any plan wants."""
        return f"{SHELF}.rows_{self.entity}"

    @property
    def lineage(self) -> str:
        """Table of their lineage."""
        return f"{SHELF}.lineage_{self.entity}"

    def table(self, suffix: str) -> str:
        """A table that unify left, such as unified.contact_sources."""
        return f"unified.{self.singular}_{suffix}"


Steps = Generator[Wanted, None, Made]


def side_by_side(con: duckdb.DuckDBPyConnection, steps: Iterable[Steps[Made]]) -> list[Made | Exception]:
    """Runs them to their ends; what one of them raises is its own result and stops no other.

    Args:
        con: the warehouse; each of `steps` has a cursor of its own.
    """
    waiting = dict(enumerate(steps))
    done: dict[int, Made | Exception] = {}
    with closing(con.cursor()) as own, ThreadPoolExecutor(AT_ONCE) as pool:
        own.execute("SET TimeZone = 'UTC'")
        own.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {SHELF} (READ_WRITE)")
        while waiting:
            found = dict(zip(waiting, pool.map(_advance, waiting.values()), strict=True))
            ended = {place: one for place, one in found.items() if not isinstance(one, Wanted)}
            done |= {place: one.made if isinstance(one, _End) else one for place, one in ended.items()}
            waiting = {place: one for place, one in waiting.items() if place not in ended}
            _fetch(own, [one for one in found.values() if isinstance(one, Wanted)])
        _clear(own)
    return [done[place] for place in sorted(done)]


@dataclass(frozen=True)
class _End(Generic[Made]):
    made: Made


def _advance(steps: Steps[Made]) -> Wanted | _End[Made] | Exception:
    try:
        return next(steps)
    except StopIteration as end:
        return _End(end.value)
    except Exception as problem:  # noqa: BLE001 - it is handed to whoever asked for this one
        return problem


def _fetch(con: duckdb.DuckDBPyConnection, wanted: Sequence[Wanted]) -> None:
    """Lays rows and lineage on the shelf, entity by entity."""
    for _, found in groupby(sorted(wanted, key=_entity), key=_entity):
        alike = list(found)
        one = alike[0]
        ids = " UNION ".join(f"SELECT golden_id FROM {each.ids}" for each in alike)
        fields = {field.name: field for each in alike for field in each.fields}
        columns = ", ".join(map(ident, fields))
        con.execute(
            f"CREATE OR REPLACE TABLE {one.rows} AS SELECT {one.singular}_id, {columns} FROM unified.{one.entity} "
            f"WHERE rowid IN (SELECT rowid FROM unified.{one.entity} WHERE {one.singular}_id IN ({ids}))"
        )
        _trace(con, one, list(fields.values()))


def _trace(con: duckdb.DuckDBPyConnection, wanted: Wanted, fields: Sequence[PushField]) -> None:
    """The query of the lineage view, over these records alone: over all it would take longer than the whole plan."""
    rules = [{"name": field.name, "is_list": field.is_list, "says": "", "there": ()} for field in fields]
    golden = f"(SELECT *, NULL AS source_count FROM {wanted.rows})"
    names = {"plan": wanted, "id": f"{wanted.singular}_id", "golden": golden, "rules": rules}
    query = environment(MODELS).get_template("unify_lineage.sql").render(names)
    con.execute(
        f"CREATE OR REPLACE TABLE {wanted.lineage} AS SELECT {wanted.singular}_id, field, connection, since "
        f"FROM ({query})"
    )


def _entity(wanted: Wanted) -> str:
    return wanted.entity


def _clear(con: duckdb.DuckDBPyConnection) -> None:
    mine = f"SELECT table_name FROM duckdb_tables() WHERE database_name = '{SHELF}'"
    for (name,) in con.execute(mine).fetchall():
        con.execute(f"DROP TABLE {SHELF}.{ident(name)}")
