"""Which source records are one: the one place where clusters come from.

People are recognised by the model in `identity/`, as `schemas/contacts.yml` declares it. For users, properties and
deals the rule is simple: records that share a key (`unify_keys_<entity>.sql`) are one, and so are all that a chain of
shared keys connects. A key that stands beside several distinct names holds nobody together; deals of one connection
are never merged.
"""

from __future__ import annotations

from typing import Protocol

import duckdb

from pipelines.unify.rules import Plan
from pipelines.unify.sql import number, render, temp

NEVER_INSIDE_ONE_CONNECTION = frozenset({"deals"})


class ClusterFinder(Protocol):
    """Says which staged records are one."""

    def __call__(self, con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
        """Makes the temporary table `clusters` (record_key, cluster, matched_by) with every row of `staged`.

        `answers` (record_key_a, record_key_b, answer: same or different) holds what is known for sure. The evidence
        goes to `unified.<singular>_matches`. Only which records share a cluster counts, not its name.
        """


def find_clusters(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """The finder in use: see `ClusterFinder`."""
    if plan.schema.identity.get("kind") == "people":
        _find_people(con, plan)
    else:
        _find_by_keys(con, plan)


def _find_people(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """What the model keeps between runs stays in the schema `golden`, which is not published."""
    from pipelines.unify.identity.finder import find_people

    found = find_people(con, plan, schema="golden").tables.matches
    columns = "record_key_a, record_key_b, bits, probability, decision, evidence"
    con.execute(f"create or replace table {plan.table('matches')} as select {columns} from {found}")


def _find_by_keys(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    one = plan.entity in NEVER_INSIDE_ONE_CONNECTION
    temp(con, f"keys_{plan.entity}", "keys")
    temp(con, "shared_keys", one_per_connection=one)
    _connect(con)
    temp(con, "clusters", one_per_connection=one)
    con.execute(f"create or replace table {plan.table('matches')} as {render('matches')}")
    for table in ("keys", "shared_keys"):
        con.execute(f"drop table {table}")


def _connect(con: duckdb.DuckDBPyConnection) -> None:
    """Connected components: each record takes the smallest label in reach, and then that label's own, until rest."""
    con.execute("""create or replace temp table numbered as
        select record_key, row_number() over () as rid from (select distinct record_key from shared_keys)""")
    con.execute("""create or replace temp table edges as
        select n.rid, k.key from shared_keys as k join numbered as n using (record_key)""")
    con.execute("create or replace temp table labels as select rid, rid as label from numbered")
    moved = 1
    while moved:
        temp(con, "components", "next_labels")
        moved = number(
            con, "select count(*) from labels as l join next_labels as n using (rid) where l.label <> n.label"
        )
        con.execute("create or replace temp table labels as from next_labels")
    con.execute("""create or replace temp table labels as
        select n.record_key, l.label::varchar as label from labels as l join numbered as n using (rid)""")
    for table in ("numbered", "edges", "next_labels"):
        con.execute(f"drop table {table}")
