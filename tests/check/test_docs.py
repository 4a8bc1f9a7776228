"""The pages read well with no network: nothing in them is from elsewhere, and no value of a person."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipelines.check.docs import KEEP, write_docs
from pipelines.check.report import CheckReport, CheckResult, report_of
from pipelines.mapping.canonical import CanonicalEntity


class Links(HTMLParser):
    """Collects what a browser would load or follow."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]


def report(run_id: str, *, passed: bool) -> CheckReport:
    result = CheckResult(
        table="unified.contacts",
        entity="contacts",
        field="amount",
        expectation="amount is <at least> 0 & more",
        severity="error",
        passed=passed,
        checked=1200,
        failed=0 if passed else 3,
        observed="",
        examples=() if passed else ("c1 (amount -1)",),
        says="A negative amount",
    )
    return report_of(run_id, [result], 1.25)


def links(page: Path) -> list[str]:
    parser = Links()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser.found


@pytest.mark.parametrize("passed", [True, False])
def test_nothing_is_loaded_from_elsewhere(tmp_path: Path, schemas: dict[str, CanonicalEntity], passed: bool) -> None:
    write_docs(tmp_path, report("r1", passed=True), schemas)
    write_docs(tmp_path, report("r2", passed=passed), schemas)
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) == 3
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"https?:|//\w|@import|url\(|<script|<link|<img|<iframe", text)
        assert all((page.parent / link).exists() for link in links(page))


def test_says_what_failed_and_how_many(tmp_path: Path, schemas: dict[str, CanonicalEntity]) -> None:
    text = write_docs(tmp_path, report("r1", passed=False), schemas).read_text(encoding="utf-8")
    for words in ("Checks of r1", "nothing was published", "&lt;at least&gt; 0 &amp; more", "c1 (amount -1)", "1,200"):
        assert words in text
    assert "A negative amount" in text


def test_the_pages_of_the_last_runs_stay(tmp_path: Path, schemas: dict[str, CanonicalEntity]) -> None:
    for run in range(KEEP + 5):
        write_docs(tmp_path, report(f"r{run:03}", passed=True), schemas)
    assert len(list((tmp_path / "runs").iterdir())) == KEEP
    assert links(tmp_path / "index.html")[0] == f"runs/r{KEEP + 3:03}.html"
    assert len(links(tmp_path / "index.html")) == KEEP - 1
