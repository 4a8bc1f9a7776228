"""Which source records are one: the one place where clusters come from.

`identity:` in `schemas/<entity>.yml` says how: people are recognised by the model, properties, deals and users by
declared rules. Rules compare references as golden ids, so that two CRMs' deals meet over the person they share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import duckdb

from pipelines.unify.rules import Plan
from pipelines.unify.sql import existing, render

if TYPE_CHECKING:
    from pipelines.unify.identity.match import MatchSummary

COLUMNS = "record_key_a, record_key_b, bits, probability, decision, evidence"


class ClusterFinder(Protocol):
    """Says which staged records are one."""

    def __call__(self, con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
        """Makes the temporary table or view `clusters` (record_key, cluster, matched_by) with every row of `staged`.

        `answers` (record_key_a, record_key_b, answer: same or different, said_by: operator or push) holds what is
        known for sure. The evidence goes to `unified.<singular>_matches`. A finder that looked at some records only
        names them in `looked_at` (record_key): all others are with whom they were in the last run. They are all who
        share a cluster with one of them now or did then, and `clusters` also has `rid`, the hash of the record's key,
        and `component`, which those who share a cluster have in common. Only which records share a cluster counts, not
        its name.
        """


def find_clusters(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """The finder in use: see `ClusterFinder`."""
    from pipelines.unify.identity.finder import find

    records = "staged"
    if plan.references:
        records = "referring"
        con.execute(
            f"create or replace temp view referring as {render('translated', **plan.context(records='staged'))}"
        )
    _publish_matches(con, plan, find(con, plan, records=records))
    con.execute("drop view if exists temp.referring")


def _publish_matches(con: duckdb.DuckDBPyConnection, plan: Plan, found: MatchSummary) -> None:
    """The evidence without the workings of identity; where only some records were looked at, theirs alone is new."""
    table, evidence = plan.table("matches"), f"select {COLUMNS} from {found.tables.matches}"
    if found.looked_at is None or table not in existing(con):
        con.execute(f"create or replace table {table} as {evidence}")
        return
    theirs = f"where record_key_a in (from {found.looked_at}) or record_key_b in (from {found.looked_at})"
    con.execute(f"delete from {table} {theirs}")
    con.execute(f"insert into {table} {evidence} {theirs}")
