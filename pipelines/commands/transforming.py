"""From raw logs to golden records, and to the file that analysts open: staging, unify, check, publish."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.commands.exits import Exit
from pipelines.commands.progress import tell_stage
from pipelines.commands.report import Report, Row
from pipelines.commands.session import Session, all_connections
from pipelines.connections.locks import lock

if TYPE_CHECKING:
    import duckdb

    from pipelines.check.process import Worker
    from pipelines.state.database import State

WAIT_SECONDS = 60


@dataclass
class Transforming:
    """One pass over an owner's warehouse. `start_checks` gives the process that has Great Expectations in it."""

    session: Session
    state: State
    report: Report
    stages: frozenset[str]
    start_checks: Callable[[], Worker]
    check_growth: bool = True
    anew: bool = False
    """Nothing is taken over from what was published before."""

    def run(self) -> bool:
        """Brings the owner's tables and published file up to date; False where checks failed."""
        with lock(self.session.owner, "warehouse", "unifying and publishing", wait_seconds=WAIT_SECONDS):
            con = self._derived()
            try:
                return self._publish(con) if "publish" in self.stages else True
            finally:
                con.close()

    def _derived(self) -> duckdb.DuckDBPyConnection:
        """The warehouse with its tables up to date.

        One that another version of the program left may lack what this one expects: it is derived, so it is made anew.
        """
        from duckdb import BinderException, CatalogException

        from pipelines.warehouse.connect import open_warehouse

        owner = self.session.owner
        con = open_warehouse(owner)
        try:
            self._derive(con)
        except (BinderException, CatalogException) as stale:
            con.close()
            self.report.messages.append(f"the warehouse was made anew: {str(stale).splitlines()[0]}")
            owner.warehouse.unlink()
            con = open_warehouse(owner)
            self._derive(con)
        except BaseException:
            con.close()
            raise
        return con

    def _derive(self, con: duckdb.DuckDBPyConnection) -> None:
        if "staging" in self.stages:
            tell_stage("staging")
            self._stage(con)
        if "unify" in self.stages:
            tell_stage("unify")
            self._unify(con)

    def _stage(self, con: duckdb.DuckDBPyConnection) -> None:
        from pipelines.staging.echoes import load_echoes
        from pipelines.staging.stage import stage

        load_echoes(con, self.state, self.session.schemas)
        asked = {c.name for c in self.session.connections}
        for connection in all_connections(self.session):
            for counts in stage(con, connection, self.session.schemas):
                if connection.name in asked or counts.rebuilt:
                    self.report.rows.append(
                        Row(
                            "staging",
                            counts.entity,
                            connection.name,
                            came_in=counts.records,
                            changed=counts.rebuilt,
                            unchanged=max(0, counts.staged - counts.rebuilt),
                            rejected=counts.rejected_records,
                            seconds=counts.seconds,
                        )
                    )

    def _unify(self, con: duckdb.DuckDBPyConnection) -> None:
        from pipelines.unify.run import unify
        from pipelines.unify.sources import source_of

        sources = [source_of(c) for c in all_connections(self.session)]
        for counts in unify(con, self.state, self.session.schemas, sources, run_id=self.report.run_id):
            if counts.records:
                self.report.rows.append(
                    Row(
                        "unify",
                        counts.entity,
                        came_in=counts.records,
                        new=counts.new,
                        changed=counts.rebuilt,
                        unchanged=max(0, counts.golden - counts.rebuilt),
                        unified=counts.golden,
                        seconds=counts.seconds,
                    )
                )

    def _publish(self, con: duckdb.DuckDBPyConnection) -> bool:
        from pipelines.publish.content import content_version, published_version

        owner, schemas = self.session.owner, self.session.schemas
        if published_version(owner) == content_version(con, schemas):
            self.report.published = str(owner.crm)
            return True
        tell_stage("publish")
        started = time.monotonic()
        candidate = self._candidate(con)
        if not self._check(candidate):
            return False
        from pipelines.publish.swap import KEEP, publish

        publish(owner, candidate, self.report.run_id, keep=int(os.environ.get("KEEP_PUBLISHED") or KEEP))
        self.report.published = str(owner.crm)
        golden = {row.entity: row.unified for row in self.report.rows if row.stage == "unify"}
        for entity, count in golden.items():
            self.report.rows.append(Row("publish", entity, published=count, seconds=time.monotonic() - started))
        return True

    def _candidate(self, con: duckdb.DuckDBPyConnection) -> Any:
        from pipelines.publish.candidate import LAST, build_candidate
        from pipelines.state.snapshot import snapshot

        return build_candidate(
            con,
            self.session.owner,
            self.session.schemas,
            lambda target: snapshot(self.state, target, known=None if self.anew else LAST),
            self.report.run_id,
        )

    def _check(self, candidate: Any) -> bool:
        from pipelines.check.run import check
        from pipelines.state import checks

        tell_stage("check")
        with self.start_checks() as worker:
            found = check(
                self.session.owner,
                candidate,
                self.session.schemas,
                worker=worker,
                run_id=self.report.run_id,
                check_growth=self.check_growth,
            )
        checks.save(self.state, self.report.run_id, found.for_state())
        found.write_into(candidate)
        self.report.rows.append(
            Row("check", "all", came_in=len(found.results), failed=len(found.errors), seconds=found.seconds)
        )
        self.report.messages += [str(result) for result in [*found.errors, *found.warnings]]
        if not found.ok:
            self.report.stop(Exit.CHECKS_FAILED, "checks failed: nothing was published, nothing will be pushed")
        return found.ok
