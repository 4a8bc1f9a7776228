"""Guards against a mass accident (law L10): a plan that is too big to be true is not applied.

What is normal is what the last applied plan saw. A first sync and the sandbox have no normal yet and are exempt, and so
is a caller who says `--allow-mass-change`.

    changed share   more than `max_changed_share` of a CRM's records (default 0.2), and more than FEW records
    creates         more than `max_creates` records (default 100)
    deletions       more than `max_deletions` records (default 20), also on a first sync
    shrunken source a source with less than `min_source_share` (default 0.5) of its records, or of a field's values
    grown golden    more golden records than source records, or GROWTH times as many as last time
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import duckdb
import pyarrow.compute as pc

from pipelines.connections.connection import Connection
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.push.scope import push_fields
from pipelines.state import baselines
from pipelines.state.database import State
from pipelines.warehouse.filled import RECORDS, filled

if TYPE_CHECKING:
    from pipelines.push.planned import Plan

FEW = 10
GROWTH = 1.5


class GuardTripped(Exception):  # noqa: N818 - says a state: the plan is too big to be true
    """The plan goes over a guard; nothing was sent."""

    exit_code = 5

    def __init__(self, connection: str, guard: tuple[str, ...]) -> None:
        self.guard = guard
        super().__init__(
            f"{connection}: nothing was pushed, because the plan is too big to be an everyday one: "
            f"{'; '.join(guard)}. If that is meant, say --allow-mass-change."
        )


def measure(
    con: duckdb.DuckDBPyConnection, connection: Connection, schemas: Mapping[str, CanonicalEntity]
) -> dict[str, float]:
    """Records of each source and values of each field, by 'entity/metric:connection'."""
    stats: dict[str, float] = {}
    for entity, source in _sources(con):
        if entity in connection.entities and entity in schemas:
            fields = [one.name for one in push_fields(connection.entities[entity], schemas[entity], schemas)]
            stats |= _measure_source(con, entity, source, fields)
    for entity in connection.entities:
        if entity in schemas and _has(con, "unified", entity):
            stats[f"{entity}/golden:"] = _number(con, f"SELECT count(*) FROM unified.{entity}")
    return stats


def tripped(
    connection: Connection,
    counts: Mapping[str, Mapping[str, int]],
    known: Mapping[tuple[str, str], float],
    stats: Mapping[str, float],
) -> list[str]:
    """What of the plan is too much, in words; empty where nothing is."""
    settings = connection.settings
    found = list(_too_many(connection, counts))
    for (entity, metric), before in sorted(known.items()):
        if metric.startswith("golden:"):
            if (now := stats.get(f"{entity}/{metric}", 0.0)) > max(before * GROWTH, before + FEW):
                found.append(f"{entity}: {now:.0f} golden records, {before:.0f} at the last push")
            continue
        kind, _, source = metric.partition(":")
        now = stats.get(f"{entity}/{metric}", 0.0)
        is_emptied = kind == "records" and now == 0 < before
        if is_emptied or (kind in {"records", "filled"} and _is_shrunken(now, before, settings.min_source_share)):
            what = "records" if kind == "records" else f"values of {source.partition('.')[2]}"
            found.append(f"{entity}: {source.partition('.')[0]} has {now:.0f} {what}, {before:.0f} at the last push")
    return found


def is_at_rest(plan: Plan, state: State) -> bool:
    """Whether applying the plan would neither write anything nor teach anything about what is normal."""
    known = baselines.load(state, plan.connection)
    is_quiet = plan.is_empty and not plan.stale and not pc.any(plan.rows["is_conflict"]).as_py()
    return is_quiet and bool(known) and baseline(plan.stats).items() <= known.items()


def baseline(stats: Mapping[str, float]) -> dict[tuple[str, str], float]:
    """The stats as state keeps them."""
    parts = ((key.partition("/"), value) for key, value in stats.items())
    return {(entity, metric): value for (entity, _, metric), value in parts}


def _is_shrunken(now: float, before: float, share: float) -> bool:
    return now < before * share and before - now >= FEW


def _too_many(connection: Connection, counts: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    settings = connection.settings
    for entity, number in counts.items():
        changed, records, creates = number.get("changed", number["update"]), number["records"], number["create"]
        if changed > FEW and changed > settings.max_changed_share * records:
            share, may = f"{changed / max(records, 1):.0%}", f"{settings.max_changed_share:.0%}"
            yield f"{entity}: {changed} of {records} records would change ({share}; {may} may)"
        if creates > settings.max_creates:
            yield f"{entity}: {creates} records would be created ({settings.max_creates} may)"


def too_much(connection: Connection, counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Too many changes, creations or deletions, in words."""
    return [*too_many_deletions(connection, counts), *_too_many(connection, counts)]


def too_many_deletions(connection: Connection, counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Deletions beyond the guard, in words; a first sync is no excuse for them."""
    most = connection.settings.max_deletions
    deleted = [(entity, number["archive"]) for entity, number in counts.items() if number["archive"] > most]
    return [f"{entity}: {number} records would be deleted ({most} may)" for entity, number in deleted]


def _measure_source(
    con: duckdb.DuckDBPyConnection, entity: str, source: str, fields: Sequence[str]
) -> dict[str, float]:
    counts = filled(con, f"staging.{source}__{entity}", fields)
    found = {f"{entity}/filled:{source}.{name}": float(counts[name]) for name in fields if counts[name]}
    return {f"{entity}/records:{source}": float(counts[RECORDS]), **found}


def _sources(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """(entity, connection) of every staging table of one connection."""
    names = con.execute(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'staging' AND database_name = current_database() "
        "AND contains(table_name, '__') AND NOT ends_with(table_name, '_edits') ORDER BY 1"
    ).fetchall()
    parts = [str(row[0]).rpartition("__") for row in names]
    return [(entity, source) for source, _, entity in parts]


def _has(con: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    query = "SELECT count(*) FROM information_schema.tables WHERE table_schema = ? AND table_name = ?"
    return bool(con.execute(query, [schema, table]).fetchall()[0][0])


def _number(con: duckdb.DuckDBPyConnection, query: str) -> float:
    return float(con.execute(query).fetchall()[0][0])
