"""Golden ids that stay (law L11): each cluster keeps the id its records had, or founds one; state remembers.

The warehouse holds a mirror of state's registry and redirects, read again only when the registry's stamp says so. The
work is done in SQL, and only what changed goes back to state. An id is made from its founder's record key, so that the
same raw and state give the same ids; one that is taken, even by a redirect, is never given to another.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.state import registry
from pipelines.state.database import State
from pipelines.unify.rules import Plan
from pipelines.unify.sql import number, temp

ROW_HASH = """hash(
        s.values_hash, s.raw_hash, s.is_deleted, s.is_in_scope, s.first_modified_at, s.modified_at, e.edits_hash
    )"""
"""SQL over `staged` s and `edited` e: where it changed, the record's golden record is made anew."""
SPLIT = """select count(distinct m.held_id) from members as m
    left join redirected as r on r.from_id = m.held_id
    where m.held_id is not null and coalesce(r.to_id, m.held_id) <> m.golden_id"""
"""How many ids lost records to another."""


@dataclass(frozen=True)
class Assigned:
    """How many ids were founded, merged into an older one, and split; `kept` is done when state has them."""

    new: int
    merged: int
    split: int
    kept: Future[registry.Stamps] | None


def registry_table(plan: Plan) -> str:
    """The mirror: one row is one source record and its golden id, also of records that are staged no more."""
    return f"golden.{plan.schema.singular}_registry"


def redirects_table(plan: Plan) -> str:
    """One row is one golden id that was merged into another: from_id, to_id, reason, redirected_at."""
    return plan.table("redirects")


def mirror(con: duckdb.DuckDBPyConnection, state: State, plan: Plan) -> bool:
    """Brings the mirror up to date with state; false where the stamps agree, so that nothing was read."""
    con.execute("create schema if not exists golden")
    con.execute("create table if not exists golden.stamps (entity varchar primary key, stamp varchar)")
    stamp = registry.stamp(state, plan.entity)
    known = con.execute("select stamp from golden.stamps where entity = $1", [plan.entity]).fetchall()
    if known == [(stamp,)]:
        return False
    columns = "record_key varchar, golden_id varchar, since timestamptz"
    _load(con, registry_table(plan), columns, registry.load(state, plan.entity))
    _load_redirects(con, state, plan)
    _remember(con, plan, stamp)
    return True


def assign(
    con: duckdb.DuckDBPyConnection,
    state: State,
    plan: Plan,
    now: datetime,
    keeper: Executor,
    *,
    is_narrowed: bool = False,
) -> Assigned:
    """Gives every record of `clusters` (or those in `anew`) its golden id, and makes what changed lasting in state.

    Leaves `members`: record_key, golden_id and what decides the record's place in it. The rest is up to `settle`.

    Args:
        keeper: writes to state meanwhile.
        now: written as the moment of new redirects.
        is_narrowed: only the records in `anew` are looked at; the others keep the ids they have.
    """
    names: dict[str, Any] = {"registry": registry_table(plan), "redirects": redirects_table(plan), "plan": plan}
    temp(con, "clustered", **names, row_hash=ROW_HASH, is_narrowed=is_narrowed)
    temp(con, "claims")
    temp(con, "founded")
    _name(con, names)
    temp(con, "members", **names)
    con.execute(
        """create or replace temp table redirected as
           select held_id as from_id, kept_id as to_id, 'merged' as reason, $1::timestamptz as "at"
           from claims where held_id <> kept_id""",
        [now],
    )
    temp(con, "registered", **names)
    split = number(con, SPLIT)
    new, merged = number(con, "select count(*) from named"), number(con, "select count(*) from redirected")
    assigned = Assigned(new, merged, split, _keep(con, state, plan, keeper))
    for table in ("clustered", "claims", "founded", "named", "redirected", "registered"):
        con.execute(f"drop table {table}")
    return assigned


def settle(con: duckdb.DuckDBPyConnection, plan: Plan, assigned: Assigned) -> None:
    """Waits until state has what changed. State first: should the warehouse's transaction be lost, the next run reads
    the mirror again."""
    if assigned.kept is None:
        return
    stamps = assigned.kept.result()
    if mirrored(con, plan) == stamps.before:
        _remember(con, plan, stamps.after)


def _name(con: duckdb.DuckDBPyConnection, names: dict[str, Any]) -> None:
    refused = 1
    while refused:
        temp(con, "named", **names)
        temp(con, "refused", **names)
        refused = number(con, "select count(*) from refused")
        con.execute("update founded set attempt = attempt + 1 where founder in (from refused)")
    con.execute("drop table refused")


def _keep(con: duckdb.DuckDBPyConnection, state: State, plan: Plan, keeper: Executor) -> Future[registry.Stamps] | None:
    """Hands what changed to the keeper, and brings the mirror up to date as state will be."""
    changes = con.sql("select record_key, golden_id, since from registered order by record_key").to_arrow_table()
    redirected = con.sql("from redirected order by from_id").to_arrow_table()
    if not changes.num_rows and not redirected.num_rows:
        return None
    kept = keeper.submit(registry.apply, state, plan.entity, changes, redirected)
    table, redirects = registry_table(plan), redirects_table(plan)
    con.execute(f"delete from {table} where rowid in (select registry_row from registered)")
    con.execute(f"insert into {table} select record_key, golden_id, since from registered")
    if redirected.num_rows:
        con.execute(f"update {redirects} as d set to_id = n.to_id from redirected as n where n.from_id = d.to_id")
        con.execute(f"insert into {redirects} from redirected")
    return kept


def mirrored(con: duckdb.DuckDBPyConnection, plan: Plan) -> str | None:
    """The stamp of the registry that the mirror, and so the golden records, are of."""
    known = con.execute("select stamp from golden.stamps where entity = $1", [plan.entity]).fetchall()
    return known[0][0] if known else None


def _load_redirects(con: duckdb.DuckDBPyConnection, state: State, plan: Plan) -> None:
    columns = "from_id varchar, to_id varchar, reason varchar, redirected_at timestamptz"
    _load(con, redirects_table(plan), columns, registry.load_redirects(state, plan.entity))


def _load(con: duckdb.DuckDBPyConnection, table: str, columns: str, batches: Iterable[pa.RecordBatch]) -> None:
    con.execute(f"create or replace table {table} ({columns})")
    for batch in batches:
        con.register("mirrored_batch", pa.Table.from_batches([batch]))
        con.execute(f"insert into {table} from mirrored_batch")
        con.unregister("mirrored_batch")


def _remember(con: duckdb.DuckDBPyConnection, plan: Plan, stamp: str) -> None:
    con.execute("insert or replace into golden.stamps values ($1, $2)", [plan.entity, stamp])
