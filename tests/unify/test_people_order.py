"""Who is who does not depend on the order in which records and sources are told of, nor in which records come."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.unify.sources import Source

FEW = settings(max_examples=2, deadline=None)
GIVEN = ["Alice", "Bruno", "Carla", "Dmitri", "Elena", "Farid", "Greta", "Hugo"]
FAMILY = ["Abara", "Bianchi", "Castro", "Dvorak", "Eriksen", "Fischer"]


def people(seed: int) -> dict[str, dict[str, Any]]:
    """Fifty invented people; some share a telephone, and half are in a second or third CRM, something amiss."""
    chance = random.Random(seed)
    rows = {}
    for number in range(50):
        one = {
            "first_name": chance.choice(GIVEN),
            "last_name": chance.choice(FAMILY),
            "email": f"mailbox{number}@mail{number % 7}.com",
            "phone": f"+1{2020000000 + number // 2 * 7919}",
            "postal_code": f"{10000 + number % 9}",
        }
        rows[f"a:{number}"] = one
        for crm in chance.choice(["", "", "b", "bc"]):
            what = chance.choice(["email", "phone", "last_name"])
            rows[f"{crm}:{number}"] = one | {what: chance.choice([None, rows[chance.choice(list(rows))][what]])}
    return rows


def put(world: Any, helper: Any, rows: dict[str, dict[str, Any]], order: Iterable[str]) -> None:
    world.stage("contacts", [helper.contact(key, **rows[key]) for key in order])
    world.unify()


@FEW
@given(seed=st.integers(0, 10**6))
def test_the_order_of_records_and_of_sources_changes_no_person(helper: Any, seed: int) -> None:
    rows = people(seed)
    found = []
    for sources, order in (("abc", list(rows)), ("cab", random.Random(seed).sample(list(rows), len(rows)))):
        with tempfile.TemporaryDirectory() as folder:
            world = helper.World(Path(folder), helper.only("contacts", *rows["a:0"]))
            world.sources = [Source(name) for name in sources]
            put(world, helper, rows, order)
            found.append((world.ids(), world.rows("golden.contact_model"), world.rows("golden.contact_matches")))
            world.close()
    assert found[0] == found[1]
    assert len(set(found[0][0].values())) < len(rows), "some are one"


@settings(FEW, max_examples=1)
@given(seed=st.integers(0, 10**6))
def test_the_order_in_which_records_come_changes_no_cluster(helper: Any, seed: int) -> None:
    """With the model and the frequencies as they are: what goes and comes back, in whatever order, is where it was."""
    rows = people(seed)
    away = random.Random(seed).sample(sorted(rows), 10)
    with tempfile.TemporaryDirectory() as folder:
        world = helper.World(Path(folder), helper.only("contacts", *rows["a:0"]))
        put(world, helper, rows, rows)
        before, model = world.groups(), world.rows("golden.contact_model")
        for gone in (away, away[5:], []):
            put(world, helper, rows, [key for key in rows if key not in gone])
        assert world.rows("golden.contact_model") == model
        assert world.groups() == before
        world.close()
