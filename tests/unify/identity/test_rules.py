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


def test_deals_of_one_crm_stay_two(con: Any, put_rows: Any, groups_of: Any) -> None:
    deal = {"listing_id": "ML-81", "stage": "Under Contract", "amount": "500000.00", "currency": "USD"}
    found = clusters(
        con, put_rows, groups_of, "deals",
        deal | {"connection": "a"}, deal | {"connection": "a"}, deal | {"connection": "b", "stage": "under contract"},
    )  # fmt: skip
    assert sorted(map(len, found)) == [1, 2]


def test_users_are_their_mailbox(con: Any, put_rows: Any, groups_of: Any) -> None:
    found = clusters(
        con, put_rows, groups_of, "users", {"email": "Ann@office.com"}, {"email": "ann@office.com "}, {"email": None}
    )
    assert found == {frozenset({"a:0", "a:1"}), frozenset({"a:2"})}
