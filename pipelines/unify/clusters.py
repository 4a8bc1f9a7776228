"""Which source records are one: the one place where clusters come from.

`identity:` in `schemas/<entity>.yml` says how: people are recognised by the model, properties, deals and users by
declared rules. Rules compare references as golden ids, so that two CRMs' deals meet over the person they share.
"""

from __future__ import annotations

from typing import Protocol

import duckdb

from pipelines.unify.rules import Plan
from pipelines.unify.sql import render

COLUMNS = "record_key_a, record_key_b, bits, probability, decision, evidence"


class ClusterFinder(Protocol):
    """Says which staged records are one."""

    def __call__(self, con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
        """Makes the temporary table or view `clusters` (record_key, cluster, matched_by) with every row of `staged`.

        `answers` (record_key_a, record_key_b, answer: same or different, said_by: operator or push) holds what is
        known for sure. The evidence goes to `unified.<singular>_matches`. A finder that looked at some records only
        names them in `looked_at` (record_key): all others are with whom they were in the last run. Only which records
        share a cluster counts, not its name.
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
    found = find(con, plan, records=records).tables.matches
    con.execute(f"create or replace table {plan.table('matches')} as select {COLUMNS} from {found}")
    con.execute("drop view if exists temp.referring")
