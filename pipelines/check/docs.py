"""Data Docs: the results as pages that read well offline, without a script or anything from elsewhere.

Great Expectations' own pages load their styles from the network, and show personal data as examples.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from pipelines.check.report import CheckReport, CheckResult
from pipelines.mapping.canonical import CanonicalEntity

KEEP = 20
TEMPLATE = Path(__file__).with_name("docs.html.j2")


def write_docs(folder: Path, report: CheckReport, schemas: Mapping[str, CanonicalEntity]) -> Path:
    """Write index.html (this report) and runs/<run>.html; the pages of the last runs stay.

    Returns:
        index.html.
    """
    runs = folder / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    name = f"{report.run_id or f'{report.checked_at:%Y%m%dT%H%M%S}'}.html"
    earlier = sorted((page.name for page in runs.glob("*.html") if page.name != name), reverse=True)
    for old in earlier[KEEP - 1 :]:
        (runs / old).unlink(missing_ok=True)
    shown = {"report": report, "schemas": schemas, "entities": _by_entity(report)}
    _write(runs / name, _render(shown | {"earlier": [], "home": "../index.html"}))
    links = [(Path(page).stem, f"runs/{page}") for page in earlier[: KEEP - 1]]
    return _write(folder / "index.html", _render(shown | {"earlier": links, "home": ""}))


def _by_entity(report: CheckReport) -> list[tuple[str, list[CheckResult]]]:
    results = sorted(
        report.results, key=lambda r: (r.entity, r.passed, r.severity, r.table, r.field or "", r.expectation)
    )
    return [(entity, list(of_entity)) for entity, of_entity in groupby(results, key=lambda r: r.entity)]


def _render(values: dict[str, Any]) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(values)


def _write(page: Path, text: str) -> Path:
    """Swapped in whole: somebody may be reading it."""
    new = page.with_name(f".{page.name}.new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, page)
    return page
