"""Leads that left no name: they are who alone has their mailbox or telephone, and nobody where two have it."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.unify.identity.explain import explain
from pipelines.unify.identity.match import match

MAIL, PHONE = {"email": "robert.ellison@mail3.com"}, {"phone": "+12025550147"}
ROBERT = {"first_name": "Robert", "last_name": "Ellison"}
SARA = {"first_name": "Sara", "last_name": "Ellison"}
ROSE = {"first_name": "Rose", "last_name": "Ellison"}


@pytest.fixture
def clusters(con: Any, declaration: Any, make_world: Any, put_rows: Any) -> Any:
    """Of some records within a world of others: for each, which of them are with it; and the summary."""

    def of(*some: dict[str, Any], people: int = 60) -> Any:
        asked = [{"record_key": f"x:{place}", **one} for place, one in enumerate(some)]
        summary = match(con, put_rows(con, [*make_world(people), *asked]), declaration)
        found = dict(con.execute(f"select record_key, cluster from {summary.tables.clusters}").fetchall())
        mine = [found[one["record_key"]] for one in asked]
        return [{n for n, other in enumerate(mine) if other == cluster} for cluster in mine], summary

    return of


@pytest.mark.parametrize(
    ("known", "lead"),
    [
        (ROBERT | MAIL | PHONE, MAIL),
        (ROBERT | MAIL | PHONE, PHONE),
        (ROBERT | MAIL, MAIL | {"phone": "+12025550199"}),
        (ROBERT | MAIL, MAIL | {"first_name": "Test"}),
        (ROBERT | MAIL | {"company": "Acme"}, MAIL | {"company": "Acme"}),
        (ROBERT | {"national_id": "4011-77-231"}, {"national_id": "4011-77-231"}),
        (MAIL, MAIL),
    ],
)
def test_a_lead_is_who_alone_has_what_it_left(clusters: Any, known: dict[str, Any], lead: dict[str, Any]) -> None:
    assert clusters(known, lead)[0] == [{0, 1}] * 2


@pytest.mark.parametrize("people", [3, 400])
def test_in_a_small_set_as_in_a_larger_one(clusters: Any, people: int) -> None:
    assert clusters(ROBERT | MAIL, MAIL, people=people)[0] == [{0, 1}] * 2


def test_all_that_one_person_left_comes_together(clusters: Any) -> None:
    assert clusters(ROBERT | MAIL | PHONE, MAIL, PHONE)[0] == [{0, 1, 2}] * 3


@pytest.mark.parametrize(
    ("known", "lead"),
    [
        (ROBERT | PHONE, PHONE | {"company": "Acme Holdings"}),  # an organisation of its own
        (ROBERT | MAIL | {"birth_date": "1950-02-03"}, MAIL | {"birth_date": "1981-10-27"}),
        (ROBERT | MAIL | PHONE, PHONE | {"email": "someone.else@mail4.com"}),  # one telephone, two mailboxes
        (ROBERT | {"email": "info@mail3.com"}, {"email": "info@mail3.com"}),
    ],
)
def test_what_says_otherwise_keeps_a_lead_apart(clusters: Any, known: dict[str, Any], lead: dict[str, Any]) -> None:
    assert clusters(known, lead)[0] == [{0}, {1}]


def test_a_lead_of_a_mailbox_that_two_share_is_nobodys(clusters: Any) -> None:
    assert clusters(ROBERT | MAIL, SARA | MAIL, MAIL)[0] == [{0}, {1}, {2}]


def test_a_lead_never_glues_two_people_together(clusters: Any) -> None:
    """Robert and Rose, whose initial is the same: who shares a mailbox is counted by initials."""
    found, _ = clusters(ROBERT | MAIL, ROSE | MAIL, MAIL)
    assert 1 not in found[0]


def test_it_explains_itself(clusters: Any, con: Any, declaration: Any) -> None:
    _, summary = clusters(ROBERT | MAIL, MAIL)
    steps = explain(con, "x:0", "x:1", declaration, summary.model, summary.tables)
    (said,) = (step for step in steps if step.what == "nameless")
    assert said.bits > 0
    assert said.outcome == "a record without a name is who alone has its mailbox, telephone or number"
    weighed = sum(step.bits for step in steps[:-1])
    assert steps[-1].bits == pytest.approx(weighed, abs=0.1), "the evidence adds up to the verdict"
