"""Which records must be placed anew, where the finder says at which it looked again; all others stay where they are."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from pipelines.unify.golden_ids import redirects_table, registry_table
from pipelines.unify.rules import Plan, Rule
from pipelines.unify.sql import is_temporary, number, temp


def make_anew(con: duckdb.DuckDBPyConnection, plan: Plan, moved: Sequence[Rule]) -> bool:
    """Make `anew` (record_key) from `differing`, `clusters` and `looked_at`; false where everything must be placed.

    That is where the finder looked at everything, where golden records change without any record of theirs (a pin, a
    reference that leads elsewhere).

    Args:
        moved: the references to entities of which some records belong to another golden record in this run.
    """
    if not is_temporary(con, "looked_at") or _pins_moved(con, plan) or _lead_elsewhere(con, moved):
        return False
    registry, redirects = registry_table(plan), redirects_table(plan)
    temp(con, "anew", registry=registry, redirects=redirects)
    return True


def _pins_moved(con: duckdb.DuckDBPyConnection, plan: Plan) -> bool:
    temp(con, "applied_pins", **plan.context(redirects=redirects_table(plan)))
    kept = f"(select {plan.id}, field, value from {plan.table('pins')})"
    asked = "(select golden_id, field, value from applied_pins)"
    return bool(number(con, f"select count(*) from (({kept} except {asked}) union all ({asked} except {kept}))"))


def _lead_elsewhere(con: duckdb.DuckDBPyConnection, moved: Sequence[Rule]) -> bool:
    return any(number(con, f"select count(*) from moved_{rule.to}") for rule in moved)
