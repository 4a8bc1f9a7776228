"""What was normal last time: the numbers that the guards (law L10) measure a run against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from pipelines.state import rows
from pipelines.state.database import State, now_us
from pipelines.state.push_tables import baselines
from pipelines.state.tables import stamps

GOLDEN, CLEARED = "golden:", "cleared:"


def load(state: State, connection_name: str) -> dict[tuple[str, str], float]:
    """(entity, metric): value, as of the last run that was normal."""
    query = sa.select(baselines.c.entity, baselines.c.metric, baselines.c.value)
    with state.read() as connection:
        found = connection.execute(query.where(baselines.c.connection == connection_name))
        return {(str(entity), str(metric)): float(value) for entity, metric, value in found}


def save(state: State, connection_name: str, run_id: str, values: Mapping[tuple[str, str], float]) -> None:
    """Replaces the baseline: {("contacts", "source_records"): 1200.0}.

    While a source that was cleared has not been read again, the number of golden records is no measure of anything: it
    is left out, so that its coming back is no growth.
    """
    now = now_us()
    with state.write() as connection:
        is_whole = not _awaited(connection, state)
        kept = {key: value for key, value in values.items() if is_whole or not key[1].startswith(GOLDEN)}
        fresh = [(connection_name, entity, metric, value, run_id, now) for (entity, metric), value in kept.items()]
        rows.upsert(connection, baselines, fresh)


def forget_sources(state: State, names: Sequence[str]) -> None:
    """What was normal was so with the records of these sources, which are gone until they are read again."""
    c = baselines.c
    told = [sa.or_(c.metric.endswith(f":{name}"), c.metric.contains(f":{name}.", autoescape=True)) for name in names]
    with state.write() as connection:
        of_them = sa.or_(c.connection.in_(list(names)), c.metric == GOLDEN, *told)
        connection.execute(sa.delete(baselines).where(of_them))
        rows.upsert(connection, stamps, [(f"{CLEARED}{name}", "until it is read again") for name in names])


def _awaited(connection: sa.Connection, state: State) -> list[str]:
    """Sources that were cleared and not read since; what is known of the others is dropped."""
    s = stamps.c
    named = connection.execute(sa.select(s.name).where(s.name.startswith(CLEARED, autoescape=True))).scalars().all()
    back = [name for name in named if state.owner.raw(name.removeprefix(CLEARED)).exists()]
    if back:
        connection.execute(sa.delete(stamps).where(s.name.in_(back)))
    return [name for name in named if name not in back]
