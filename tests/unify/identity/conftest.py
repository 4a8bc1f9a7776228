"""Small worlds of people, made here; nothing of it is taken from anyone."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from pipelines.unify.identity.declaration import IdentityDeclaration, load_declaration

Row = dict[str, Any]
GIVEN = [
    "Alice", "Bruno", "Carla", "Dmitri", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Katya", "Leo",
    "Mona", "Nils", "Olga", "Pavel", "Rosa", "Sven", "Tilda", "Uma",
]  # fmt: skip
FAMILY = [
    "Abara", "Bianchi", "Castro", "Dvorak", "Eriksen", "Fischer", "Garcia", "Horvat", "Ivanov", "Jensen",
    "Kowalski", "Lindqvist", "Moreau", "Novak",
]  # fmt: skip
STREETS = [
    "Maple", "Oak", "Harbour", "Station", "Mill", "Church", "Victoria", "Kings", "Orchard", "Garden",
]  # fmt: skip


def person(number: int, chance: random.Random) -> Row:
    """One invented person with every column filled."""
    given, family = chance.choice(GIVEN), chance.choice(FAMILY)
    return {
        "first_name": given,
        "last_name": family,
        "email": f"{given.lower()}.{family.lower()}{number}@mail{number % 7}.com",
        "phone": f"+1{2020000000 + number * 7919}",
        "street": f"{number % 90 + 1} {chance.choice(STREETS)} Street",
        "city": chance.choice(["Springfield", "Portland", "Austin"]),
        "postal_code": f"{10000 + number % 40}",
        "birth_date": f"{1950 + number % 50}-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
    }


def world(people: int = 60, seed: int = 1) -> list[Row]:
    """People and their copies: a third of them twice, with one column missing and the street abbreviated."""
    chance = random.Random(seed)
    rows = []
    for number in range(people):
        row = person(number, chance)
        rows.append(row | {"record_key": f"a:{number:04d}", "truth": number})
        if number % 3 == 0:
            copy = row | {"record_key": f"b:{number:04d}", "truth": number}
            copy[chance.choice(["email", "phone", "birth_date"])] = None
            copy["street"] = str(copy["street"]).replace("Street", "St.")
            rows.append(copy)
    return rows


def put(con: duckdb.DuckDBPyConnection, rows: Sequence[Row], table: str = "people") -> str:
    """Write rows into a table of texts, in the order given."""
    columns = sorted({column for row in rows for column in row})
    values = {c: pa.array([None if r.get(c) is None else str(r[c]) for r in rows], pa.string()) for c in columns}
    con.register("put_rows", pa.table(values))
    con.execute(f"create or replace table {table} as from put_rows")
    con.unregister("put_rows")
    return table


def groups(con: duckdb.DuckDBPyConnection, clusters: str) -> set[frozenset[str]]:
    """The clusters as sets of record keys."""
    return {
        frozenset(keys)
        for (keys,) in con.execute(f"select list(record_key) from {clusters} group by cluster").fetchall()
    }


@pytest.fixture(scope="session")
def declaration() -> IdentityDeclaration:
    return load_declaration("contacts")


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@pytest.fixture(scope="session")
def make_world() -> Callable[..., list[Row]]:
    return world


@pytest.fixture(scope="session")
def put_rows() -> Callable[..., str]:
    return put


@pytest.fixture(scope="session")
def groups_of() -> Callable[..., set[frozenset[str]]]:
    return groups
