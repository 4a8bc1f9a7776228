"""Splink trains on what we score, and paints what we explain."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.unify.identity.match import match
from pipelines.unify.identity.model import load_model, save_model
from pipelines.unify.identity.train import outcome_sql, train, waterfall


def test_every_outcome_has_its_sql(declaration: Any) -> None:
    outcomes = outcome_sql(declaration)
    for name, levels in load_model().comparisons.items():
        assert all(f"'{level}'" in outcomes[name] for level in levels), name


def test_a_model_is_a_file_one_can_read(tmp_path: Any) -> None:
    model = load_model()
    model.population = 1234
    save_model(model, tmp_path / "model.yml")
    assert load_model(tmp_path / "model.yml") == model
    assert "given_name" in (tmp_path / "model.yml").read_text("utf-8")


@pytest.mark.slow
def test_splink_finds_how_dirty_names_are(con: Any, declaration: Any, make_world: Any, put_rows: Any) -> None:
    rows = make_world(400)
    for row in rows:
        if row["record_key"].startswith("b:") and row["truth"] % 2:
            row["first_name"] = row["first_name"][:2] + "x" + row["first_name"][3:]
    summary = match(con, put_rows(con, rows), declaration)
    trained = train(con, declaration, load_model().model_copy(update={"population": len(rows)}), summary.tables)
    assert trained.comparisons["given_name"]["near"].same == pytest.approx(0.5, abs=0.15)


@pytest.mark.slow
def test_the_waterfall_loads_nothing(con: Any, declaration: Any, make_world: Any, put_rows: Any) -> None:
    summary = match(con, put_rows(con, make_world(60)), declaration)
    page = waterfall(con, "a:0000", "b:0000", declaration, summary.model, summary.tables)
    assert "given_name" in page
    assert "<script src" not in page
    with pytest.raises(KeyError):
        waterfall(con, "a:0000", "nobody", declaration, summary.model, summary.tables)
