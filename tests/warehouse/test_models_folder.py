"""Every file of pipelines/models/ keeps the convention, whatever it says."""

from __future__ import annotations

import re
from pathlib import Path

from pipelines.warehouse.models import MODELS, ROW


def broken(path: Path) -> list[str]:
    """What a model file does against the convention, by its text alone."""
    text = path.read_text(encoding="utf-8")
    code = re.sub(r"\{#.*?#\}|--[^\n]*|'[^']*'", "", text, flags=re.DOTALL)
    complaints = {
        "the first line must be '-- One row is ...'": not ROW.match(text.partition("\n")[0]),
        "one statement, without a semicolon": ";" in code,
        "its last select hides the columns of another table behind *": re.search(
            r"select\s+\*\s+from\s+\w+\.\w+\s*$", code.rstrip()
        ),
    }
    return [f"{path.name}: {says}" for says, is_so in complaints.items() if is_so]


def test_the_models_keep_the_convention() -> None:
    assert [complaint for path in sorted(MODELS.glob("*.sql")) for complaint in broken(path)] == []


def test_a_file_that_breaks_every_rule_is_seen(folder: Path) -> None:
    bad = folder / "golden.sql"
    bad.write_text("select 1;\nselect *\nfrom staging.contacts\n")
    assert len(broken(bad)) == 3


def test_a_file_that_keeps_them_is_not(folder: Path) -> None:
    good = folder / "unified__contacts.sql"
    good.write_text(
        "-- One row is one person.\nwith final as (select name from staging.contacts)\nselect * from final\n"
    )
    assert broken(good) == []
