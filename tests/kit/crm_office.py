"""One office on a data folder of its own: the run's functions, over loopback, against the emulated CRMs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from pipelines.commands.exits import Exit
from pipelines.commands.report import Report, Row
from pipelines.commands.running import RunOptions, run
from pipelines.sandbox.handle import SandboxHandle

# The checks of the data start a process that takes seconds; here they are not what is looked at.
STAGES = frozenset({"extract", "staging", "unify", "push"})
READING = frozenset({"extract", "staging"})


@dataclass
class Ran:
    """One run, and what it did to whom."""

    report: Report
    code: Exit

    def row(self, stage: str, entity: str, connection: str) -> Row:
        """The report's row; an empty one where the stage had nothing to do."""
        wanted = (stage, entity, connection)
        return next((r for r in self.report.rows if (r.stage, r.entity, r.connection) == wanted), Row(stage, entity))


@dataclass
class Office:
    """A data folder and its emulated CRMs."""

    data: Path
    sandbox: SandboxHandle
    settings: dict[str, Any] = field(default_factory=dict)

    def run(self, *names: str, stages: frozenset[str] = STAGES, **options: Any) -> Ran:
        """Runs connections; a first push of everything is no accident here."""
        asked: dict[str, Any] = {"sandbox": True, "quiet": True, "allow_mass_change": True} | options
        return Ran(*run(RunOptions(list(names), self.data, stages=stages, **asked)))

    def read(self, *names: str, **options: Any) -> Ran:
        """Runs connections as far as staging."""
        done = self.run(*names, stages=READING, **options)
        assert done.code == Exit.DONE, done.report.messages
        return done

    def settle(self, *names: str, most: int = 4) -> Ran:
        """Runs until a run has nothing left to write (law L5)."""
        for _ in range(most):
            done = self.run(*names)
            assert done.code == Exit.DONE, done.report.messages
            if not any(row.planned for row in done.report.rows):
                return done
        raise AssertionError(f"no rest after {most} runs: {[r for r in done.report.rows if r.planned]}")

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the warehouse."""
        with duckdb.connect(str(self.data / "sandbox" / "warehouse.duckdb"), read_only=True) as con:
            return con.execute(sql, list(values)).fetchall()

    def staged(self, crm: str, entity: str) -> dict[str, dict[str, Any]]:
        """Staged records by the CRM's id."""
        with duckdb.connect(str(self.data / "sandbox" / "warehouse.duckdb"), read_only=True) as con:
            found = con.execute(f"from staging.{crm}__{entity}")
            names = [d[0] for d in found.description or []]
            return {r["source_id"]: r for row in found.fetchall() if (r := dict(zip(names, row, strict=True)))}

    def held(self, crm: str, entity: str) -> dict[str, dict[str, Any]]:
        """Bodies of what the CRM holds and has not deleted, by its id."""
        found = self.sandbox.admin("GET", f"{crm}/records?entity={entity}")
        return {r["id"]: r["body"] for r in found}

    def edit(self, crm: str, entity: str, id: str, changes: dict[str, Any]) -> None:
        """What a user of the CRM does."""
        self.sandbox.admin("PATCH", f"{crm}/records/{entity}/{id}", changes)

    def add(self, crm: str, entity: str, body: dict[str, Any]) -> dict[str, Any]:
        """A user of the CRM adds a record."""
        return dict(self.sandbox.admin("POST", f"{crm}/records/{entity}", body))

    def delete(self, crm: str, entity: str, id: str) -> None:
        """A user of the CRM deletes a record."""
        self.sandbox.admin("DELETE", f"{crm}/records/{entity}/{id}")

    def advance(self, crm: str, seconds: float) -> None:
        """Time passes at the CRM."""
        self.sandbox.admin("POST", f"{crm}/clock", {"advance": seconds})

    def switch(self, crm: str, **switches: Any) -> None:
        """Sets the CRM's own switches."""
        self.sandbox.admin("PATCH", f"{crm}/settings", switches)

    def forget_calls(self) -> None:
        """Counts calls afresh."""
        self.sandbox.admin("DELETE", "calls")

    def calls(self, crm: str) -> list[dict[str, Any]]:
        """The calls since, by method, route and status."""
        return list(self.sandbox.admin("GET", "calls")[crm])

    def log(self, crm: str) -> list[dict[str, Any]]:
        """The last calls, one by one."""
        return list(self.sandbox.admin("GET", f"{crm}/log"))
