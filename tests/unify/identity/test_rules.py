"""Properties, deals and users: declared rules, the same engine."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.unify.identity.declaration import load_declaration
from pipelines.unify.identity.match import match


def clusters(con: Any, put_rows: Any, groups_of: Any, entity: str, *rows: dict[str, Any]) -> set[frozenset[str]]:
    keyed = [{"record_key": f"{row.get('connection', 'a')}:{i}"} | row for i, row in enumerate(rows)]
    found: set[frozenset[str]] = groups_of(
        con, match(con, put_rows(con, keyed), load_declaration(entity)).tables.clusters
    )
    return found


@pytest.mark.parametrize(
    ("one", "other", "joined"),
    [
        ({"address": "12 High Street Apt 4", "postal_code": "78701"},
         {"address": "12 HIGH ST #4, Austin", "postal_code": "78701-1234"}, True),
        ({"address": "12 High Street Apt 4", "postal_code": "78701"},
         {"address": "12 High Street Apt 5", "postal_code": "78701"}, False),
        ({"street_number": "12", "street_name": "High St", "city": "Austin"},
         {"address": "12 High Street, Austin", "city": "austin"}, True),
        ({"listing_id": "ML-81", "address": "1 Elm Rd"}, {"listing_id": "ml 81", "address": "One Elm Road"}, True),
        ({"listing_id": "ML-81", "unit_number": "1"}, {"listing_id": "ML81", "unit_number": "2"}, False),
        ({"address": "12 High Street"}, {"address": "14 High Street"}, False),
    ],
)  # fmt: skip
def test_properties(
    con: Any, put_rows: Any, groups_of: Any, one: dict[str, Any], other: dict[str, Any], joined: bool
) -> None:
    columns = dict.fromkeys(
        ["address", "street_number", "street_name", "unit_number", "city", "postal_code", "listing_id"]
    )
    found = clusters(con, put_rows, groups_of, "properties", columns | one, columns | other)
    assert len(found) == (1 if joined else 2)


DEAL = {"listing_id": "ML-81", "stage": "Under Contract", "amount": "500000.00", "currency": "USD"}


def test_deals_meet_across_crms(con: Any, put_rows: Any, groups_of: Any) -> None:
    there = DEAL | {"connection": "b", "stage": "under contract"}
    found = clusters(con, put_rows, groups_of, "deals", DEAL | {"connection": "a"}, there)
    assert found == {frozenset({"a:0", "b:1"})}


def test_what_fits_two_deals_of_one_crm_is_joined_with_neither(con: Any, put_rows: Any, groups_of: Any) -> None:
    twins = [DEAL | {"connection": "a"}, DEAL | {"connection": "a"}]
    found = clusters(con, put_rows, groups_of, "deals", *twins, DEAL | {"connection": "b"})
    assert sorted(map(len, found)) == [1, 1, 1]


def test_the_deal_on_which_more_rules_agree_is_taken(con: Any, put_rows: Any, groups_of: Any) -> None:
    here = [DEAL | {"connection": "a", "property_id": "p1"}, DEAL | {"connection": "a", "property_id": "p2"}]
    found = clusters(con, put_rows, groups_of, "deals", *here, DEAL | {"connection": "b", "property_id": "p2"})
    assert found == {frozenset({"a:0"}), frozenset({"a:1", "b:2"})}


def test_a_chain_over_other_crms_joins_no_two_deals_of_one(con: Any, put_rows: Any, groups_of: Any) -> None:
    chain = [
        {"connection": "a", "property_id": "p1", "stage": "open"},
        {"connection": "b", "property_id": "p1", "stage": "open", "listing_id": "ML-1"},
        {"connection": "c", "listing_id": "ML-1", "stage": "open", "property_id": "p3"},
        {"connection": "a", "property_id": "p3", "stage": "open"},
    ]
    cluster = {key: group for group in clusters(con, put_rows, groups_of, "deals", *chain) for key in group}
    assert cluster["a:0"] != cluster["a:3"]


def test_a_chain_of_any_length_has_one_deal_of_a_crm_in_each_cluster(con: Any, put_rows: Any, groups_of: Any) -> None:
    """Each deal fits the one before and the one behind it, by another rule each; all are one component."""
    chain = [
        {
            "connection": "abc"[n % 3],
            "property_id": f"p{n // 2}",
            "listing_id": f"ML-{(n + 1) // 2}",
            "stage": "open",
        }
        for n in range(400)
    ]
    found = clusters(con, put_rows, groups_of, "deals", *chain)
    assert all(len({key[0] for key in group}) == len(group) for group in found)
    assert len(found) < 250, "and as many as fit are together"


def test_users_are_their_mailbox(con: Any, put_rows: Any, groups_of: Any) -> None:
    found = clusters(
        con, put_rows, groups_of, "users", {"email": "Ann@office.com"}, {"email": "ann@office.com "}, {"email": None}
    )
    assert found == {frozenset({"a:0", "a:1"}), frozenset({"a:2"})}


def test_role_mailboxes_and_shared_ones_are_nobodys(con: Any, put_rows: Any, groups_of: Any) -> None:
    found = clusters(
        con, put_rows, groups_of, "users",
        {"email": "info@office.com", "last_name": "Lee"}, {"email": "info@office.com", "last_name": "Lee"},
        {"email": "team7@office.com", "last_name": "Lee"}, {"email": "team7@office.com", "last_name": "Ode"},
    )  # fmt: skip
    assert {len(group) for group in found} == {1}
