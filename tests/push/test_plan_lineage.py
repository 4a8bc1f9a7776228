"""Where a plan says that a value comes from is what the lineage says, which unify leaves as a view."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from push_warehouse import MAPPING, creating
from staged_world import World, by, contact

from pipelines.connections.connection import Connection, Settings
from pipelines.mapping import language
from pipelines.push.plan import plan
from pipelines.state import pins

TOLD = """SELECT p.golden_id, p.field, p.source, p.since, l.connection, l.since
    FROM plan_told AS p LEFT JOIN unified.contact_lineage AS l ON l.contact_id = p.golden_id AND l.field = p.field"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two people in both CRMs, one of them edited, one in the other CRM alone."""
    made = World(tmp_path, find=by("email"))
    north = [contact("north:1", email="a@x.org", at=1), contact("north:2", email="b@x.org", at=2, first_name="Bo")]
    south = [
        contact("south:1", email="a@x.org", at=3, first_name="Ann", tags=["vip"], edits={"first_name": 5}),
        contact("south:2", email="b@x.org", at=4, first_name="Bob", phone="+12025550123"),
        contact("south:3", email="c@x.org", at=6, first_name="Cy", last_name="Lee"),
    ]
    made.stage("contacts", [*north, *south])
    yield made
    made.close()


def planned(world: World) -> list[tuple[Any, ...]]:
    """What the plan and the lineage say of each field."""
    world.unify()
    for name in ("north", "south"):
        world.con.execute(
            f"CREATE OR REPLACE TABLE staging.{name}__contacts AS SELECT *, []::VARCHAR[] AS absent_fields, "
            f"[]::VARCHAR[] AS unreadable_fields FROM staging.contacts WHERE connection = '{name}'"
        )
        world.con.execute(f"CREATE OR REPLACE TABLE staging.{name}__contacts_edits AS FROM staging.contacts_edits")
    mapping = deepcopy({**MAPPING, "entities": {"contacts": MAPPING["entities"]["contacts"]}})
    creating("all", ["contacts"])(mapping)
    read = language.Mapping.model_validate(mapping)
    connection = Connection("north", world.owner, read, Settings(), False, read.connection)
    world.con.register("plan_told", plan(connection, world.con, world.state, world.schemas).rows)
    return world.con.execute(TOLD).fetchall()


def test_every_field_comes_from_where_the_lineage_says(world: World) -> None:
    told = planned(world)
    assert {field for _, field, *_ in told} >= {"first_name", "last_name", "tags", "phone", "email"}
    for _, field, source, since, connection, at in told:
        assert (field, source, since) == (field, connection, at)
        assert (source, since) != (None, None)


def test_a_pinned_field_comes_from_the_pin_since_it_was_set(world: World) -> None:
    world.unify()
    (golden_id,) = world.con.execute("SELECT contact_id FROM unified.contacts WHERE email = 'a@x.org'").fetchall()[0]
    pins.pin(world.state, "contacts", golden_id, "first_name", value="Anna", who="ann")
    (told,) = [row for row in planned(world) if row[:2] == (golden_id, "first_name")]
    _, _, source, since, connection, at = told
    assert (source, since, connection) == ("pin", at, None)
    assert at is not None
