"""What was normal last time: the numbers that the guards (law L10) measure a run against."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from pipelines.state import rows
from pipelines.state.database import State, now_us
from pipelines.state.push_tables import baselines


def load(state: State, connection_name: str) -> dict[tuple[str, str], float]:
    """(entity, metric): value, as of the last run that was normal."""
    query = sa.select(baselines.c.entity, baselines.c.metric, baselines.c.value)
    with state.read() as connection:
        found = connection.execute(query.where(baselines.c.connection == connection_name))
        return {(str(entity), str(metric)): float(value) for entity, metric, value in found}


def save(state: State, connection_name: str, run_id: str, values: Mapping[tuple[str, str], float]) -> None:
    """Replaces the baseline: {("contacts", "source_records"): 1200.0}."""
    now = now_us()
    with state.write() as connection:
        fresh = [(connection_name, entity, metric, value, run_id, now) for (entity, metric), value in values.items()]
        rows.upsert(connection, baselines, fresh)
