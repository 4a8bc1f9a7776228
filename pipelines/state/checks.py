"""Results of the data-quality checks, run by run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import sqlalchemy as sa

from pipelines.state import rows
from pipelines.state.database import State, now_us
from pipelines.state.tables import check_results


class Result(NamedTuple):
    """One expectation's outcome; `field` is None for a check on a whole table, `detail` is JSON or text."""

    entity: str
    field: str | None
    expectation: str
    severity: str
    passed: bool
    checked: int | None = None
    failed: int | None = None
    detail: str | None = None
    says: str | None = None


def save(state: State, run_id: str, results: Iterable[Result]) -> None:
    """Adds the results of a run, in place of any that the run had."""
    names = ["run_id", *Result._fields, "at"]
    now = now_us()
    with state.write() as connection:
        connection.execute(sa.delete(check_results).where(check_results.c.run_id == run_id))
        fresh = [(run_id, *(int(x) if isinstance(x, bool) else x for x in one), now) for one in results]
        rows.insert(connection, check_results, fresh, names)


def of_run(state: State, run_id: str) -> list[dict[str, Any]]:
    """The results of one run, failures first."""
    order = (check_results.c.passed, check_results.c.entity, check_results.c.field)
    with state.read() as connection:
        query = sa.select(check_results).where(check_results.c.run_id == run_id).order_by(*order)
        return [{**row, "passed": bool(row["passed"])} for row in connection.execute(query).mappings()]
