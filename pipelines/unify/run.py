"""Unify: from staged records to golden ones, entity by entity, and only what changed since the last time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from hashlib import md5

import duckdb

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.state import answers, registry
from pipelines.state.database import State
from pipelines.unify import golden_ids, remembered, survivors
from pipelines.unify.anew import make_anew
from pipelines.unify.clusters import ClusterFinder, find_clusters
from pipelines.unify.rules import Plan, plan_of
from pipelines.unify.sources import Source
from pipelines.unify.sql import existing, number, program, temp
from pipelines.unify.staged import stage, versions
from pipelines.warehouse.build import BUILDS, read_builds, record_build
from pipelines.warehouse.likeness import record_differences

TEMPORARY = (
    "staged",
    "edits",
    "edited",
    "clusters",
    "members",
    "placed",
    "was",
    "affected",
    "pins",
    "answers",
    "applied_pins",
    "never_wanted",
    "differing",
    "looked_at",
    "anew",
)


class ConservationError(Exception):
    """A staged record is in no golden record, or in more than one (law L1): a fault of the program, not of the data."""


@dataclass(frozen=True)
class UnifyCounts:
    """What became of one entity.

    Attributes:
        records: staged records that are or were in scope; each is in exactly one golden record (law L1, counted at
            every build).
        golden: golden records that live.
        merged: golden ids that became part of an older one.
        split: golden ids that lost records to another.
        new: golden ids founded.
        rebuilt: golden records made anew; 0 where nothing changed.
    """

    entity: str
    records: int
    golden: int
    merged: int = 0
    split: int = 0
    new: int = 0
    rebuilt: int = 0
    seconds: float = 0.0


def unify(
    con: duckdb.DuckDBPyConnection,
    state: State,
    schemas: Mapping[str, CanonicalEntity],
    connections: Sequence[Source],
    *,
    run_id: str | None = None,
    now: datetime | None = None,
    find: ClusterFinder = find_clusters,
) -> list[UnifyCounts]:
    """Brings the golden records of all entities up to date with staging and state.

    All of it is one transaction of the warehouse: a kill at any instant leaves the golden records of before.

    Args:
        con: the warehouse, open for writing, with no transaction open.
        state: remembers golden ids, redirects, pins and answers.
        schemas: canonical entities by name.
        connections: what the mappings say about each connection (see `source_of`).
        run_id: written into the changes.
        now: the moment written into redirects and changes; default: this one.
        find: says which records are one.

    Returns:
        Counts of each entity, in the order in which they were made: those that others refer to come first.

    Raises:
        ConservationError: a record got lost or doubled; nothing was changed.
    """
    run = survivors.Run(run_id, now or datetime.now(UTC))
    plans = {name: plan_of(schema, connections, schemas) for name, schema in schemas.items()}
    con.execute(BUILDS)
    con.execute("begin transaction")
    try:
        with ThreadPoolExecutor(1) as keeper:
            done = _Entities(con, state, plans, run, find, keeper)
            counts = [done.entity(name) for name in _order(plans)]
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise
    return counts


def _order(plans: Mapping[str, Plan]) -> list[str]:
    needs = {name: sorted({str(rule.to) for rule in plan.references}) for name, plan in sorted(plans.items())}
    return list(TopologicalSorter(needs).static_order())


class _Entities:
    """One run over all entities; remembers which of them moved, so that those which refer to them follow."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        state: State,
        plans: Mapping[str, Plan],
        run: survivors.Run,
        find: ClusterFinder,
        keeper: Executor,
    ) -> None:
        self.con, self.state, self.plans, self.run, self.find = con, state, plans, run, find
        self.keeper = keeper
        self.tables = existing(con)
        self.moved: dict[str, str] = {}
        self.mapped: set[str] = set()

    def entity(self, name: str) -> UnifyCounts:
        started = time.perf_counter()
        plan = self.plans[name]
        made_from = f"{_logic(plan)}/{self._inputs(plan)}"
        build = read_builds(self.con).get(f"unified.{name}") if self._is_there(plan) else None
        last = build.fingerprint if build else ""
        if build and last == f"{made_from}/{registry.stamp(self.state, name)}":
            records = number(self.con, f"select count(*) from {plan.table('sources')}")
            return UnifyCounts(name, records, build.rows, seconds=time.perf_counter() - started)
        is_partial = last.partition("/")[0] == _logic(plan)
        counts = self._build(plan, is_partial=is_partial, is_first=not self._is_there(plan))
        now = f"{made_from}/{golden_ids.mirrored(self.con, plan)}"
        record_build(self.con, f"unified.{name}", now, counts.golden)
        record_differences(self.con, plan.schema)
        return replace(counts, seconds=time.perf_counter() - started)

    def _inputs(self, plan: Plan) -> str:
        builds = read_builds(self.con)
        words = [
            versions(self.con, plan.entity, self.tables),
            answers.stamp(self.state, plan.entity),
            program("identity"),
        ]
        words.append(remembered.load_pins(self.con, self.state, plan))
        for target in sorted({str(rule.to) for rule in plan.references}):
            build = builds.get(f"unified.{target}")
            words.append(f"{target}={build.fingerprint if build else None}")
        return _hash(words)

    def _is_there(self, plan: Plan) -> bool:
        return {f"unified.{plan.entity}", *(plan.table(s) for s in ("sources", "provenance", "pins"))} <= self.tables

    def _build(self, plan: Plan, *, is_partial: bool, is_first: bool) -> UnifyCounts:
        con = self.con
        is_read_again = golden_ids.mirror(con, self.state, plan)
        stage(con, plan, self.tables, golden_ids.registry_table(plan))
        self._map_targets(plan)
        remembered.load_answers(con, self.state, plan)
        may_narrow = is_partial and not is_read_again
        if may_narrow:
            temp(con, "differing", plan=plan, row_hash=golden_ids.ROW_HASH)
        self.find(con, plan)
        moved = [rule for rule in plan.references if self.moved.get(str(rule.to)) == "some"]
        is_partial &= not any(self.moved.get(str(rule.to)) == "all" for rule in plan.references)
        is_narrowed = may_narrow and is_partial and make_anew(con, plan, moved)
        assigned = golden_ids.assign(con, self.state, plan, self.run.now, self.keeper, is_narrowed=is_narrowed)
        temp(con, "placed", **plan.context())
        temp(con, "applied_pins", **plan.context(redirects=golden_ids.redirects_table(plan)))
        records = number(con, "select count(*) from staged")
        if is_partial:
            temp(con, "was", **plan.context(is_narrowed=is_narrowed))
            temp(con, "affected", **plan.context(moved_references=moved))
            rebuilt = survivors.make_affected(con, plan, self.run)
            self.moved[plan.entity] = "some"
        else:
            rebuilt = survivors.make_all(con, plan, self.run, is_first=is_first)
            self.moved[plan.entity] = "all"
        self._report_dangling(plan)
        golden_ids.settle(con, plan, assigned)
        _check_conservation(con, plan, records)
        _drop_temporary(con)
        golden = number(con, f"select count(*) from unified.{plan.entity}")
        return UnifyCounts(plan.entity, records, golden, assigned.merged, assigned.split, assigned.new, rebuilt)

    def _map_targets(self, plan: Plan) -> None:
        for target in sorted({str(rule.to) for rule in plan.references} - self.mapped):
            temp(self.con, "map", f"map_{target}", **self.plans[target].context())
            self.mapped.add(target)

    def _report_dangling(self, plan: Plan) -> None:
        self.con.execute(
            """create table if not exists quality.dangling_references (
                connection varchar, entity varchar, source_id varchar, field varchar, value varchar, reason varchar)"""
        )
        self.con.execute("delete from quality.dangling_references where entity = $1", [plan.entity])
        if plan.references:
            temp(self.con, "dangling", **plan.context())
            self.con.execute("insert into quality.dangling_references by name from dangling")
            self.con.execute("drop table dangling")


def _drop_temporary(con: duckdb.DuckDBPyConnection) -> None:
    there = """select 'table', table_name from duckdb_tables() where temporary
        union all select 'view', view_name from duckdb_views() where temporary and not internal"""
    for kind, name in con.execute(there).fetchall():
        if name in TEMPORARY:
            con.execute(f"drop {kind} temp.{name}")


def _check_conservation(con: duckdb.DuckDBPyConnection, plan: Plan, records: int) -> None:
    """All are there, and those placed now are there once; the others are where they were when this was last asked."""
    table = plan.table("sources")
    there = number(con, f"select count(*) from {table}")
    now = number(con, "select count(distinct hash(record_key)) from placed")
    rows = number(con, f"select count(*) from {table} semi join placed using (record_key)")
    if there != records or rows != now:
        raise ConservationError(f"{plan.entity}: {records} staged records, {there} placed; of {now} now, {rows} rows")


def _logic(plan: Plan) -> str:
    return _hash([plan.schema.model_dump_json(), repr(plan.rules), repr(plan.connections), program("unify")])


def _hash(words: Sequence[str]) -> str:
    return md5(repr(words).encode(), usedforsecurity=False).hexdigest()
