"""Deletions: one in a CRM unlinks its record, and no more; where a connection says `deletions: pass_on`, what people
deleted in another CRM is deleted in its CRM too (archived, where the mapping's call archives)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb

from pipelines.connections.connection import Connection
from pipelines.mapping.language import Push
from pipelines.push.comparing import make
from pipelines.push.plan_inputs import register_archived
from pipelines.state.database import State
from pipelines.warehouse.build import exists


def can_delete(push: Push | None) -> bool:
    """Whether the mapping has a call that deletes."""
    return push is not None and (push.delete_request is not None or push.delete_batch is not None)


def find(
    con: duckdb.DuckDBPyConnection, state: State, connection: Connection, entity: str, context: Mapping[str, Any]
) -> None:
    """Makes plan_deleted and plan_archives; both are empty unless the connection passes deletions on."""
    push = connection.entities[entity].push
    if push is not None and connection.settings.deletions == "pass_on" and exists(con, f"staging.{entity}"):
        register_archived(con, state, entity)
        names = {**context, "can_delete": can_delete(push)}
        make(con, "plan_deleted", names)
        make(con, "plan_archives", names)
        return
    con.execute(
        "CREATE OR REPLACE TEMP TABLE plan_deleted (golden_id VARCHAR, deleted_in VARCHAR, deleted_at TIMESTAMPTZ)"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE plan_archives (golden_id VARCHAR, record_key VARCHAR, source_id VARCHAR, "
        "modified_at TIMESTAMPTZ, values_hash UBIGINT, deleted_in VARCHAR, deleted_at TIMESTAMPTZ, "
        "left_because VARCHAR)"
    )
