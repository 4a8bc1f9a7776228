"""Cases that every office knows: who is joined, who is kept apart, who is asked about."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.unify.identity.evaluate import evaluate
from pipelines.unify.identity.explain import explain
from pipelines.unify.identity.learn import learn
from pipelines.unify.identity.match import match
from pipelines.unify.identity.review import review_pairs

BOTH = {
    "phone": "+12025550147",
    "email": "robert.ellison@mail3.com",
    "street": "14 High Street",
    "postal_code": "10007",
    "city": "Austin",
}
"""What the two records of a case share unless it says otherwise."""


@pytest.fixture
def run(con: Any, declaration: Any, make_world: Any, put_rows: Any) -> Any:
    """Match two records within a world of others; returns the summary and whether the two are one."""

    def of(one: dict[str, Any], other: dict[str, Any], *, people: int = 60) -> Any:
        rows = [*make_world(people), {"record_key": "x:1", **one}, {"record_key": "x:2", **other}]
        summary = match(con, put_rows(con, rows), declaration)
        clusters = dict(con.execute(f"select record_key, cluster from {summary.tables.clusters}").fetchall())
        return summary, clusters["x:1"] == clusters["x:2"]

    return of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"first_name": "Robert", "last_name": "Ellison"}, {"first_name": "Bob", "last_name": "Ellison"}),
        ({"first_name": "Robert", "last_name": "Ellison"}, {"first_name": "R.", "last_name": "Ellison"}),
        ({"first_name": "Robert", "last_name": "Ellison"}, {"first_name": "Ellison", "last_name": "Robert"}),
        ({"first_name": "Dr. Róbert", "last_name": "O'Ellison"}, {"first_name": "robert", "last_name": "OELLISON"}),
        ({"name": "Ellison, Robert"}, {"first_name": "Robert", "last_name": "Ellison"}),
        ({"first_name": "Robert Ellison"}, {"name": "Mr Robert Ellison"}),
        ({"first_name": "Ольга", "last_name": "Петрова"}, {"first_name": "Olga", "last_name": "Petrova"}),
        ({"first_name": "伟", "last_name": "王"}, {"first_name": "伟", "last_name": "王"}),
        ({"first_name": "Sara", "last_name": "Ellison"}, {"first_name": "Sara", "last_name": "Whitcombe"}),
    ],
)
def test_writings_of_one_person_are_joined(run: Any, one: dict[str, Any], other: dict[str, Any]) -> None:
    assert run(BOTH | one, BOTH | other)[1]


@pytest.mark.parametrize(
    ("street", "other"),
    [
        ("14 High Street", "14 High St"),
        ("Flat 2, 14 High Street", "2/14 High St."),
        ("14 High Street Apt 2", "14 HIGH ST #2"),
        ("N 14 High Street", "14 North High Str."),
    ],
)
def test_writings_of_one_address_are_one(run: Any, street: str, other: str) -> None:
    who = {"first_name": "Robert", "last_name": "Ellison", "postal_code": "SW1A 1AA"}
    summary, joined = run(who | {"street": street}, who | {"street": other, "postal_code": "sw1a1aa"})
    assert joined, summary


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"first_name": "Robert", "last_name": "Ellison"}, {"first_name": "Margaret", "last_name": "Ellison"}),
        ({"first_name": "Robert", "last_name": "Ellison Sr"}, {"first_name": "Robert", "last_name": "Ellison Jr"}),
        (
            {"first_name": "Robert", "last_name": "Ellison", "name_suffix": "II"},
            {"first_name": "Robert", "last_name": "Ellison", "name_suffix": "Sr."},
        ),
    ],
)
def test_a_household_is_not_one_person(run: Any, one: dict[str, Any], other: dict[str, Any]) -> None:
    assert not run(BOTH | one, BOTH | other)[1]


def test_differing_given_names_go_to_review(run: Any, con: Any) -> None:
    one = BOTH | {"first_name": "Wei", "last_name": "Ellison"}
    summary, joined = run(one, one | {"first_name": "David"})
    assert not joined
    decisions = con.execute(
        f"select decision from {summary.tables.matches} where record_key_a like 'x:%' and record_key_b like 'x:%'"
    ).fetchall()
    assert decisions in ([("review",)], [])


def test_personal_identifiers_silence_the_guard(run: Any) -> None:
    one = {"first_name": "Wei", "last_name": "Ellison", "birth_date": "1971-03-09", "national_id": "123-45-6789"}
    assert run(BOTH | one, BOTH | one | {"first_name": "David"})[1]


@pytest.mark.parametrize(
    "shared",
    [
        {"email": "info@acme.com"},
        {"email": "none@none.com"},
        {"email": "test@gmail.com"},
        {"phone": "+15555555555"},
        {"phone": "+10000000000"},
    ],
)
def test_roles_and_placeholders_tie_nobody(run: Any, con: Any, shared: dict[str, str]) -> None:
    summary, joined = run(
        shared | {"first_name": "Tilda", "last_name": "Abara"}, shared | {"first_name": "Tilda", "last_name": "Novak"}
    )
    assert not joined
    assert not con.execute(
        f"select count(*) from {summary.tables.matches} where evidence like '%email%'"
        " and record_key_a like 'x:%' and record_key_b like 'x:%'"
    ).fetchall()[0][0]


def test_an_office_phone_glues_nobody(con: Any, declaration: Any, make_world: Any, put_rows: Any) -> None:
    rows = make_world(90)
    for row in rows[:40]:
        row["phone"] = "+12025559999"
    summary = match(con, put_rows(con, rows), declaration)
    assert evaluate(con, summary.tables.clusters, "people").most_people == 1


@pytest.mark.parametrize(
    "kept", [["birth_date"], ["email"], ["phone"], ["street", "postal_code"], ["birth_date", "city"]]
)
def test_what_is_missing_switches_itself_off(
    con: Any, declaration: Any, make_world: Any, put_rows: Any, kept: list[str]
) -> None:
    columns = {"record_key", "truth", "first_name", "last_name", *kept}
    rows = [{c: v for c, v in row.items() if c in columns} for row in make_world(120)]
    quality = evaluate(con, match(con, put_rows(con, rows), declaration).tables.clusters, "people")
    assert quality.precision > 0.95
    assert quality.recall >= 0.5  # a third of the copies lack the one column that would tell


def test_lists_of_mailboxes_and_phones_count(con: Any, declaration: Any, make_world: Any, put_rows: Any) -> None:
    rows = [*make_world(60), *({"record_key": key, "first_name": "Robert", "last_name": "Ellison", "email": email}
            for key, email in [("x:1", "r@one.org"), ("x:2", "desk@two.org")])]  # fmt: skip
    put_rows(con, rows)
    con.execute(
        "create table listed as select *, case when record_key = 'x:2' then ['r@one.org'] end as emails from people"
    )
    summary = match(con, "listed", declaration)
    evidence = con.execute(
        f"select evidence from {summary.tables.matches} where record_key_a like 'x:%' and record_key_b like 'x:%'"
    ).fetchall()
    assert evidence == [("given name exact, family name exact, email exact",)]


def test_evaluate_counts_pairs_and_records(con: Any, put_rows: Any) -> None:
    put_rows(con, [{"record_key": k, "cluster": c} for k, c in zip("abcde", "11122", strict=True)], "found")
    put_rows(con, [{"record_key": k, "truth": t} for k, t in zip("abcde", "11222", strict=True)], "known")
    quality = evaluate(con, "found", "known")
    assert (quality.precision, quality.recall, quality.f1) == (0.5, 0.5, 0.5)
    assert quality.b3_precision == pytest.approx((4 / 3 + 1 / 3 + 2) / 5)
    assert (quality.over_merged, quality.most_people) == (1, 2)


def test_explain_adds_up(run: Any, con: Any, declaration: Any) -> None:
    one = BOTH | {"first_name": "Robert", "last_name": "Ellison"}
    summary, joined = run(one, one | {"first_name": "Bob", "phone": None})
    evidence = explain(con, "x:1", "x:2", declaration, summary.model, summary.tables)
    assert joined
    assert evidence[-1].what == "verdict"
    assert sum(step.bits for step in evidence[:-1]) == pytest.approx(evidence[-1].bits, abs=0.1)
    assert ("nickname", "robert", "bob") in {(e.outcome, e.value_a, e.value_b) for e in evidence}


def test_explain_knows_its_records(run: Any, con: Any, declaration: Any) -> None:
    summary, _ = run(BOTH, BOTH)
    with pytest.raises(KeyError, match="nobody"):
        explain(con, "x:1", "nobody", declaration, summary.model, summary.tables)


def test_answers_move_the_weights_they_speak_of(con: Any, declaration: Any, make_world: Any, put_rows: Any) -> None:
    columns = ("record_key", "truth", "first_name", "last_name", "city")  # too little to be sure of anyone
    rows = [{column: row[column] for column in columns} for row in make_world(150, seed=3)]
    summary = match(con, put_rows(con, rows), declaration)
    pairs = review_pairs(con, 40, matches=summary.tables.matches)
    assert pairs
    put_rows(
        con, [{"record_key_a": p.record_key_a, "record_key_b": p.record_key_b, "answer": "same"} for p in pairs], "said"
    )
    learned = learn(con, "said", declaration, summary.model, summary.tables)
    assert learned.learned_bits > 0
    assert learned.answers == len(pairs)
    assert review_pairs(con, 40, matches=summary.tables.matches, answers="said") != pairs
