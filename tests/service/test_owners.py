"""Which owner a user is (L13): any two users are two folders, on any file system."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.connections.owner import SERVICE_OWNER, Owner
from pipelines.connections.resolve import DEFAULT_OWNER, SANDBOX_OWNER
from pipelines.service.owners import owner_name

TRICKS = st.sampled_from(
    ["Ann", "ann", "ANN", "ann.", "ann ", "ann\n", "..", "a..b", "a/b", "con", "nul.txt", "_service", "sandbox",
     "Sandbox", "default", "DEFAULT", "user-" + "0" * 40,
     "ﬁ", "fi", "İ", "i̇", "\x00", "\ud800", "a" * 200, "crm.duckdb", "é", "é"]
)  # fmt: skip
USERS = st.one_of(st.text(min_size=1), TRICKS, st.text("aA._@-0:/\\", min_size=1, max_size=4))


@given(USERS, USERS)
def test_two_users_are_two_owners(one: str, other: str) -> None:
    names = [owner_name(user) for user in (one, other)]
    assert (one == other) == (names[0].casefold() == names[1].casefold())


@given(USERS)
def test_an_owner_is_a_safe_folder_and_no_reserved_one(user: str) -> None:
    name = owner_name(user)
    owner = Owner(name, Path("/data"))
    assert owner.root.parent == Path("/data")
    assert name not in (SERVICE_OWNER, SANDBOX_OWNER)
    assert name != DEFAULT_OWNER or user == DEFAULT_OWNER
    assert owner_name(name) != name or name == user  # nobody gets at another's folder by its name


@pytest.mark.parametrize("default_owner", ["Ann", "ops@acme.example", "sandbox"])
@given(user=USERS)
def test_the_default_owner_is_who_the_operator_says_and_nobody_else(default_owner: str, user: str) -> None:
    assert owner_name(default_owner, default_owner) == default_owner
    assert (owner_name(user, default_owner).casefold() == default_owner.casefold()) == (user == default_owner)


def test_plain_names_stay_readable() -> None:
    assert [owner_name(user) for user in ("ann", "ann@acme.example", "auth0-5f7", "42")] == [
        "ann", "ann@acme.example", "auth0-5f7", "42",
    ]  # fmt: skip


def test_a_name_ends_where_it_ends() -> None:
    for name in ("ann\n", "_service\n", "_other", ".ann", ""):
        with pytest.raises(ValueError, match="use letters"):
            Owner(name, Path("/data"))
