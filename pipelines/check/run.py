"""Check a candidate: build the suites, have Great Expectations evaluate them, write the Data Docs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from pipelines.check.baseline import Counts, published_counts, tables_of
from pipelines.check.docs import write_docs
from pipelines.check.process import Worker, start_worker
from pipelines.check.report import CheckReport, CheckResult, report_of
from pipelines.check.suites import build_suite
from pipelines.connections.owner import Owner
from pipelines.mapping.canonical import CanonicalEntity


def check(
    owner: Owner,
    candidate: Path,
    schemas: Mapping[str, CanonicalEntity],
    *,
    worker: Worker | None = None,
    run_id: str = "",
    check_growth: bool = True,
) -> CheckReport:
    """Check a candidate that nobody has open for writing, and write data/<owner>/docs/.

    Args:
        owner: whose data; what they have published is what growth is measured against.
        candidate: the file.
        schemas: canonical schemas by entity.
        worker: one that was started early; without it one is started, and ended.
        run_id: names the run in the results and the docs.
        check_growth: whether a table that doubled or halved without its sources is an error; off on an explicit order.

    Raises:
        CheckProcessError: the checks could not be made.
        duckdb.Error: the candidate cannot be read.
    """
    started = time.perf_counter()
    suite = build_suite(schemas, tables_of(candidate), _before(owner, candidate, schemas) if check_growth else None)
    spill = owner.candidate.parent / "spill-check"  # of its own: DuckDB's spill files of two processes bear equal names
    spill.parent.mkdir(parents=True, exist_ok=True)
    if worker is None:
        with start_worker() as own:
            answers = own.evaluate(candidate, spill, suite)
    else:
        answers = worker.evaluate(candidate, spill, suite)
    results = [CheckResult.of(asked, answer) for asked, answer in zip(suite, answers, strict=True)]
    report = report_of(run_id, results, time.perf_counter() - started)
    write_docs(owner.docs_dir, report, schemas)
    return report


def _before(owner: Owner, candidate: Path, schemas: Mapping[str, CanonicalEntity]) -> dict[str, Counts] | None:
    """Counts of what is published; None where nothing is, or it is the very file that is checked."""
    if not owner.crm.exists() or owner.crm.resolve() == candidate.resolve():
        return None
    return published_counts(owner.crm.resolve(), schemas.values())
