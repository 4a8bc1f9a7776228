"""An operator's desk over an office of two CRMs: who is who in it, and the next run."""

from __future__ import annotations

from typing import Any

from pipelines.connections.owner import Owner
from pipelines.connections.project import find_project
from pipelines.mapping.load import load_schemas
from pipelines.state.database import open_state
from pipelines.unify.run import unify
from pipelines.unify.sources import Source
from pipelines.warehouse.connect import open_warehouse

CRMS = ("brivity", "brivity_core")
SCHEMAS = load_schemas(find_project().schemas)


def next_run(owner: Owner) -> None:
    """What the next run does about identity."""
    con, state = open_warehouse(owner), open_state(owner)
    unify(con, state, SCHEMAS, [Source(name) for name in CRMS])
    con.close()
    state.close()


def ids(opened: Any) -> dict[str, str]:
    """Record key to golden id."""
    with opened() as operator:
        return dict(operator.con.execute("select record_key, contact_id from unified.contact_sources").fetchall())


def twins(opened: Any) -> tuple[str, str]:
    """Two records that are one person, of which there are no more."""
    with opened() as operator:
        query = """select min(record_key), max(record_key) from unified.contact_sources
            group by contact_id having count(*) = 2 order by 1 limit 1"""
        return tuple(operator.con.execute(query).fetchall()[0])


def loners(opened: Any, number: int) -> list[str]:
    """Records that are one person each."""
    with opened() as operator:
        query = "select min(record_key) from unified.contact_sources group by contact_id having count(*) = 1 order by 1"
        return [key for (key,) in operator.con.execute(query).fetchall()[:number]]
