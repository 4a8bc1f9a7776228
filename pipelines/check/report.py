"""What the checks found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from pipelines.check.expectations import Expectation, Severity
from pipelines.state.checks import Result

ROW = "insert into quality.check_results by name select unnest($1, recursive := true)"


@dataclass(frozen=True)
class CheckResult:
    """One expectation and whether it held.

    `checked` and `failed` count rows; None where that is not what is counted. `examples` are rows that broke it, and
    hold no value of a field with personal data.
    """

    table: str
    entity: str
    field: str | None
    expectation: str
    severity: Severity
    passed: bool
    checked: int | None
    failed: int | None
    observed: str
    examples: tuple[str, ...]
    says: str

    @classmethod
    def of(cls, asked: Expectation, answer: Mapping[str, Any]) -> CheckResult:
        """What was asked, and the worker's answer."""
        return cls(
            table=asked.table,
            entity=asked.entity,
            field=asked.field,
            expectation=asked.words,
            severity=asked.severity,
            passed=answer["passed"],
            checked=answer["checked"],
            failed=answer["failed"],
            observed=answer["observed"],
            examples=tuple(answer["examples"]),
            says=asked.says,
        )

    @property
    def detail(self) -> str:
        """What was found, in one line: `3 of 100 rows; such as contact-7, contact-9`."""
        counted = "" if self.failed is None else f"{self.failed:,}"
        share = f" of {self.checked:,}" if counted and self.checked is not None else ""
        rows = f"{counted}{share} row{'' if (self.checked or self.failed) == 1 else 's'}" if counted else ""
        such = f"such as {', '.join(self.examples)}" if self.examples else ""
        return "; ".join(part for part in (rows, self.observed, such) if part)

    def __str__(self) -> str:
        verdict = "holds" if self.passed else f"{self.severity}: does not hold"
        found = f" ({self.detail})" if not self.passed and self.detail else ""
        says = f" - {self.says}" if self.says and not self.passed else ""
        return f"{self.entity}: {self.expectation}: {verdict}{found}{says}"


@dataclass(frozen=True)
class CheckReport:
    """All results of one check of one file."""

    run_id: str
    results: tuple[CheckResult, ...]
    checked_at: datetime
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the file may be published: nothing of severity error failed."""
        return not self.errors

    @property
    def errors(self) -> list[CheckResult]:
        """What failed and stops publishing."""
        return [r for r in self.results if not r.passed and r.severity == "error"]

    @property
    def warnings(self) -> list[CheckResult]:
        """What failed and is only told."""
        return [r for r in self.results if not r.passed and r.severity == "warning"]

    def for_state(self) -> list[Result]:
        """The results as `state.checks.save` takes them."""
        return [
            Result(
                r.entity, r.field, r.expectation, r.severity, r.passed, r.checked, r.failed, r.detail, r.says or None
            )
            for r in self.results
        ]

    def write_into(self, candidate: Path) -> None:
        """Add the results to `quality.check_results` of the candidate, which no one else has open."""
        rows = [row._asdict() | {"run_id": self.run_id, "checked_at": self.checked_at} for row in self.for_state()]
        with duckdb.connect(str(candidate)) as con:
            con.execute("set TimeZone = 'UTC'")
            con.execute("delete from quality.check_results where run_id = ?", [self.run_id])
            con.execute(ROW, [rows])
            con.execute("checkpoint")


def report_of(run_id: str, results: list[CheckResult], seconds: float) -> CheckReport:
    """A report of now, failures first."""
    ordered = sorted(results, key=lambda r: (r.passed, r.severity != "error", r.entity, r.table, r.field or ""))
    return CheckReport(run_id, tuple(ordered), datetime.now(UTC), seconds)
