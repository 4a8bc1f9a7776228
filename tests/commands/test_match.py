"""An operator's work on who is who: through the functions of the commands, on one small office read once."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest
from match_desk import CRMS, SCHEMAS, ids, loners, next_run, twins
from typer.testing import CliRunner

from pipelines.commands.match_command import app
from pipelines.commands.operator import measure
from pipelines.connections.owner import Owner
from pipelines.unify.identity.labelled import FileProblem
from pipelines.unify.identity.model import load_model


def test_review_asks_about_pairs_that_are_open_until_they_are_answered(opened: Any) -> None:
    with opened() as operator:
        pairs = operator.undecided(5)
        assert pairs
        assert all(0.03 <= pair.probability <= 0.97 for pair in pairs)
        shown = operator.side_by_side(pairs[0])
        assert pairs[0].record_key_a in shown
        assert pairs[0].evidence in shown
        operator.answer("contacts", (pairs[0].record_key_a, pairs[0].record_key_b), "different", "ann")
        assert pairs[0] not in operator.undecided(100)


def test_different_holds_after_the_next_run_and_the_one_after(opened: Any, owner: Owner) -> None:
    one, other = twins(opened)
    with opened() as operator:
        operator.answer("contacts", (one, other), "different", "ann")
    for _ in range(2):
        next_run(owner)
        found = ids(opened)
        assert found[one] != found[other]


def test_different_holds_through_third_records(opened: Any, owner: Owner) -> None:
    one, other, third = loners(opened, 3)
    with opened() as operator:
        operator.answer("contacts", (one, other), "different", "ann")
        operator.answer("contacts", (one, third), "same", "ann")
        operator.answer("contacts", (third, other), "same", "ann")
    next_run(owner)
    found = ids(opened)
    assert found[one] != found[other]


def test_same_holds_and_the_older_id_stays(opened: Any, owner: Owner) -> None:
    one, other = loners(opened, 2)
    before = ids(opened)
    with opened() as operator:
        operator.answer("contacts", (before[one], before[other]), "same", "ann")  # golden ids stand for their records
    next_run(owner)
    after = ids(opened)
    assert after[one] == after[other]
    assert after[one] in (before[one], before[other])
    gone = before[other] if after[one] == before[one] else before[one]
    with opened() as operator:
        assert operator.show(gone).redirected_from == gone
        assert operator.show(gone).golden_id == after[one]


def test_an_answer_about_nobody_is_refused(opened: Any) -> None:
    somebody = loners(opened, 1)[0]
    with opened() as operator, pytest.raises(KeyError, match="there is no contact nobody"):
        operator.answer("contacts", (somebody, "nobody"), "same", "ann")


def test_show_tells_who_said_it_and_what_was_rejected(opened: Any) -> None:
    everyone = sorted(set(ids(opened).values()))
    with opened() as operator:
        shown = [operator.show(golden_id) for golden_id in everyone]
        with pytest.raises(KeyError, match="nobody"):
            operator.show("nobody")
    several = [one for one in shown if len(one.sources) > 1]
    assert several
    assert all(field.rule for one in shown for field in one.fields)
    rejected = [other for one in several for field in one.fields for other in field.rejected]
    assert rejected
    assert all(other.connection in CRMS and other.because for other in rejected)


def test_explain_gives_evidence_and_a_chart_that_loads_nothing(opened: Any) -> None:
    one, other = twins(opened)
    with opened() as operator:
        steps = operator.explain(one, other)
        page = operator.waterfall(one, other)
        assert operator.explain(one, other) == steps, "the warehouse is as it was"
    assert [step.what for step in steps[-2:]] == ["verdict", "now"]
    assert steps[-2].outcome.startswith("one person")
    assert steps[-1].outcome.startswith("one contact, ")
    assert sum(step.bits for step in steps[:-2]) == pytest.approx(steps[-2].bits, abs=0.1)
    assert steps[1].what in page
    assert "<script src" not in page


def test_the_commands_print_and_write_what_was_asked_for(opened: Any, owner: Owner, tmp_path: Path) -> None:
    one, other = twins(opened)
    here = ["--data-dir", str(owner.data_dir)]
    page, run = tmp_path / "why.html", CliRunner().invoke
    explained = run(app, ["explain", one, other, "--html", str(page), *here])
    assert explained.exit_code == 0, explained.output
    assert "one person" in explained.output
    assert page.read_text(encoding="utf-8").lstrip().startswith("<")
    assert run(app, ["explain", one, "nobody", *here]).exit_code == 2
    golden_id = ids(opened)[one]
    assert "last_name of" in run(app, ["pin", golden_id, "last_name", "O'Neil", *here]).output
    next_run(owner)
    shown = run(app, ["show", golden_id, *here])
    assert re.search(r"last_name +O'Neil  \[since \d{4}-\d\d-\d\d \d\d:\d\d, pinned by \w+\]", shown.output)
    assert one in shown.output
    assert other in shown.output


def test_review_is_answered_with_keys_or_on_a_sheet(opened: Any, owner: Owner, tmp_path: Path) -> None:
    here, run = ["--data-dir", str(owner.data_dir)], CliRunner().invoke
    with opened() as operator:
        asked = operator.undecided(3)
    answered = run(app, ["review", "--pairs", "3", *here], input="d\nk\nq\n")
    assert answered.exit_code == 0, answered.output
    assert "1 answers taken" in answered.output
    with opened() as operator:
        left = operator.undecided(100)
        assert asked[0] not in left
        assert asked[1] in left
    sheet = tmp_path / "pairs.csv"
    assert "2 pairs written" in run(app, ["review", "--pairs", "2", "--csv", str(sheet), *here]).output
    rows = list(csv.DictReader(sheet.open(encoding="utf-8")))
    fill(sheet, rows, ["same", ""])
    assert "1 answers taken" in run(app, ["review", "--csv", str(sheet), *here]).output


def test_explain_tells_what_an_operator_said_and_what_became_of_it(opened: Any, owner: Owner) -> None:
    one, other = twins(opened)
    with opened() as operator:
        operator.answer("contacts", (one, other), "different", "ann")
    next_run(owner)
    with opened() as operator:
        said, now = operator.explain(one, other)[-2:]
    assert (said.what, now.what) == ("operator", "now")
    assert said.outcome.startswith("ann said different on ")
    assert now.outcome.startswith("two contacts, ")


def test_explain_knows_rules_too(opened: Any) -> None:
    with opened() as operator:
        keys = operator.con.execute("select record_key from unified.deal_sources order by 1 limit 2").fetchall()
        steps = operator.explain(keys[0][0], keys[1][0], "deals")
    assert [step.what for step in steps] == ["rules", "now"]


def test_trained_weights_are_a_file(opened: Any, tmp_path: Path) -> None:
    with opened() as operator:
        records = operator.train(tmp_path / "weights.yml")
    assert records == len(ids(opened))
    assert load_model(tmp_path / "weights.yml").population == records


def test_evaluate_reads_columns_of_any_name(tmp_path: Path) -> None:
    file = tmp_path / "labelled.csv"
    people = [("Tilda", "Abara"), ("Hugo", "Novak"), ("Greta", "Moreau"), ("Leo", "Castro")]
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["Vorname", "Nachname", "Mail", "shoe", "who"])
        for number, (given, family) in enumerate(people):
            for shoe in (40, 41):
                writer.writerow([given, family, f"{family}@mail.org".lower(), shoe, number])
    names = {"Vorname": "first_name", "Nachname": "last_name", "Mail": "email"}
    quality = measure(file, SCHEMAS["contacts"], "who", names, "US")
    assert (quality.records, quality.precision, quality.recall, quality.over_merged) == (8, 1.0, 1.0, 0)
    with pytest.raises(FileProblem):
        measure(file, SCHEMAS["contacts"], "truth", names, "US")


def test_a_sheet_goes_out_and_comes_back(opened: Any, owner: Owner, tmp_path: Path) -> None:
    sheet = tmp_path / "pairs.csv"
    with opened() as operator:
        pairs = operator.undecided(3)
        assert operator.write_sheet(sheet, 3) == len(pairs) == 3
        rows = list(csv.DictReader(sheet.open(encoding="utf-8")))
        assert [row["record_a"] for row in rows] == [pair.record_key_a for pair in pairs]
        fill(sheet, rows, ["Different", "", "different"])
        assert operator.take_sheet(sheet, "ann") == 2
    next_run(owner)
    assert ids(opened)[rows[0]["record_a"]] != ids(opened)[rows[0]["record_b"]]


def fill(sheet: Path, rows: list[dict[str, str]], answers: list[str]) -> None:
    """Writes answers into a sheet, as an office would."""
    with sheet.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"answer": word} for row, word in zip(rows, answers, strict=False))


@pytest.mark.parametrize("wrong", ["maybe", "nobody:1"])
def test_one_wrong_line_refuses_the_whole_sheet(opened: Any, tmp_path: Path, wrong: str) -> None:
    sheet = tmp_path / "pairs.csv"
    with opened() as operator:
        pairs = operator.undecided(100)
        operator.write_sheet(sheet, 2)
        rows = list(csv.DictReader(sheet.open(encoding="utf-8")))
        rows.append(rows[0] | ({"record_a": wrong} if ":" in wrong else {}))
        fill(sheet, rows, ["different"] * (len(rows) - 1) + ["different" if ":" in wrong else wrong])
        with pytest.raises((ValueError, KeyError), match=f"line {len(rows) + 1}"):
            operator.take_sheet(sheet, "ann")
        assert operator.undecided(100) == pairs, "nothing was taken"
