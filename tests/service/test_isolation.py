"""Law L13 over HTTP: two owners with the same people; on no endpoint does one see, change or count the other's.

Every route of the service is called here. One that is added without a line in `two_owners.AS_BOB` fails the first test.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from published_world import publish_world
from starlette.testclient import TestClient
from two_owners import AS_BOB, MARK, OF_NOBODY, UNIFIED, World

from pipelines.connections.connection import Settings
from pipelines.connections.stored import Stored
from pipelines.connections.vault import Vault
from pipelines.service import audit, jobs, schedules
from pipelines.service.app import ROUTES as ALL_ROUTES
from pipelines.service.background import Background
from pipelines.service.jobs import runner
from pipelines.service.jobs.kinds import command_of
from pipelines.service.webhooks.inbox import Arrival
from pipelines.state import service_connections

STORES = ("sqlite",)
KEY = base64.b64encode(bytes((i * 73 + 41) * (i + 3) % 256 for i in range(32))).decode()
JWT_SECRET = "a secret of the tests, thirty-two bytes or more"


def _quick(context: Any, job: jobs.Job) -> list[str]:
    command = command_of(context, job)
    assert command[command.index("--owner") + 1] == job.owner
    report = json.dumps({"exit_code": 0, "rows": [], "messages": []})
    return [sys.executable, "-c", f"print({report!r})"]


@pytest.fixture
def world(serve: Any, bearer: Any, context_of: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Ann and Bob know the same person; Ann has connections, a schedule, a segment, a job and a trail besides."""
    # nothing is unified beside the calls of the test, and processes only say for whom they would work
    monkeypatch.setattr(Background, "changed", lambda *_, **__: None)
    monkeypatch.setattr(runner, "command_of", _quick)
    with serve(JWT_SECRET=JWT_SECRET, ENCRYPTION_KEY=KEY) as client:
        context = context_of(client)
        found = World(client, bearer("ann"), bearer("bob"))
        for name, note in (("ann", MARK), ("bob", "bobs")):
            owner = context.owner_of(name)
            twin = {"connection": "brivity", "source_id": "1", "golden": "c_twin", "first_name": "Tina",
                    "last_name": "Twin", "email": "tina.twin@example.com", "phone": "+15551234567",
                    "company": note}  # fmt: skip
            deal = {"connection": "brivity", "source_id": "d1", "golden": "d_twin", "name": f"Twin House {note}",
                    "contact_ids": ["brivity:1"]}  # fmt: skip
            publish_world(owner, context.schemas, raw=False, contacts=[twin], deals=[deal])
            local = {"first_name": "Tina", "last_name": "Twin", "email": "tina.twin@example.com", "company": note}
            for entity, fields in (("contacts", local), ("deals", {"name": note}), ("properties", {"address": note})):
                made = client.post(f"{UNIFIED}/local/{entity}", json=fields, headers=bearer(name)).json()
                found.ids[f"{name} {entity}"] = next(v for k, v in made.items() if k != "success")["id"]
        owner = context.owner_of("ann")
        stored = Stored(
            "mri_vault", {"apiKey": MARK, "instanceUrl": f"https://{MARK}.example"}, Settings.model_validate({})
        )
        sealed = Vault.of({"ENCRYPTION_KEY": KEY}).seal("ann", "mri_vault", stored.credentials)
        service_connections.save(context.state_of(owner), stored, sealed)
        segment = {"name": MARK, "entity": "contacts", "filters": {"company": MARK}}
        assert client.post(f"{UNIFIED}/segments", json=segment, headers=found.ann).status_code == 201
        schedules.set_schedule(context, "ann", "mri_vault", interval_minutes=500_000)
        found.ids["job"] = jobs.submit(context, "ann", jobs.SYNC, [MARK], {"push": "off"})
        jobs.cancel(context, found.ids["job"], "ann")
        assert jobs.wait(context, found.ids["job"], 60), "what changes of itself proves nothing"
        audit.note(context, "ann", "ann", MARK)
        aside = Arrival("ann", "mri_vault", "x", {"name": MARK}, MARK, reason=MARK)
        assert context.background.inbox.store([aside])[0].outcome == "set_aside"
        yield found


def operations(client: TestClient) -> set[tuple[str, str]]:
    paths = client.app.openapi()["paths"]  # type: ignore[attr-defined]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods}


def test_every_endpoint_is_looked_at(serve: Any) -> None:
    with serve(JWT_SECRET=JWT_SECRET) as client:
        there = operations(client)
        assert {path for _, path in there if path not in OF_NOBODY} == {path for _, path in AS_BOB}
        assert {(m, p) for m, p in there if p not in OF_NOBODY} == set(AS_BOB)
        assert set(ALL_ROUTES) >= {"unified", "local", "exports", "connectors", "jobs", "schedules"}


def test_every_endpoint_of_users_asks_who_it_is(serve: Any) -> None:
    with serve(JWT_SECRET=JWT_SECRET) as client:
        for method, path in AS_BOB:
            answer = client.request(method, path.replace("{", "").replace("}", ""), json={})
            assert answer.status_code == 401, (method, path)


def test_nobody_sees_changes_or_counts_anothers(world: World) -> None:
    before = world.all_of_ann()
    assert MARK in before
    assert world.client.get(f"{UNIFIED}/contacts", headers=world.ann).json()["count"] == 2
    for operation, probe in AS_BOB.items():
        answers = probe(world)
        for answer in answers if isinstance(answers, list) else [answers]:
            assert answer.status_code < 500, (operation, answer.text)
            assert MARK not in answer.text, operation
            assert not [i for name, i in world.ids.items() if name.startswith("ann") and i in answer.text], operation
    assert world.all_of_ann() == before


def test_a_name_that_looks_like_another_is_another(serve: Any, bearer: Any, context_of: Any) -> None:
    """Owners are told apart on file systems that know no case, and none leaves its folder."""
    names = [
        "ann",
        "ANN",
        "Ann",
        "ann ",
        " ann",
        "ann/../bob",
        "../ann",
        "_service",
        "default2",
        "ann.",
        "anǹ",
        "\u202eann",
    ]
    with serve(JWT_SECRET=JWT_SECRET) as client:
        context = context_of(client)
        owners = {context.owner_of(name).name.lower() for name in names}
        assert len(owners) == len(names)
        for name in names:
            made = client.post(
                f"{UNIFIED}/local/contacts", json={"first_name": json.dumps(name)[:50]}, headers=bearer(name)
            )
            assert made.status_code == 201
            assert client.get(f"{UNIFIED}/local/contacts", headers=bearer(name)).json()["count"] == 1
