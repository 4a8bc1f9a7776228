"""The admin endpoints say what they promise."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from pipelines.sandbox import SandboxError, SandboxHandle, registry
from pipelines.sandbox.world import World


@pytest.fixture
def core(running: SandboxHandle) -> Iterator[httpx.Client]:
    running.admin("POST", "reset")
    environment = running.environment("brivity_core")
    headers = {"Authorization": f"Token token={environment['BRIVITY_CORE_API_KEY']}"}
    with httpx.Client(base_url=environment["BRIVITY_CORE_API_BASE_URL"] + "/api", headers=headers) as client:
        yield client


def test_calls_are_counted_by_route_and_status(running: SandboxHandle, core: httpx.Client) -> None:
    for path in ("people?limit=3", "people?limit=5", "deals/17"):
        core.get(path)
    assert running.admin("GET", "calls")["brivity_core"] == [
        {"method": "GET", "path": "/api/deals/{id}", "status": 406, "count": 1},
        {"method": "GET", "path": "/api/people", "status": 200, "count": 2},
    ]
    log = running.admin("GET", "brivity_core/log")
    assert [entry["target"] for entry in log] == ["/api/people?limit=3", "/api/people?limit=5", "/api/deals/17"]
    assert [entry["seconds"] for entry in log] == sorted(entry["seconds"] for entry in log)
    running.admin("DELETE", "calls")
    assert running.admin("GET", "calls")["brivity_core"] == []


def test_the_truth_is_told(running: SandboxHandle) -> None:
    truth = running.admin("GET", "brivity/truth?entity=contacts")
    assert set(truth.values()) <= {person.person_id for person in World(running.seed, running.size).people()}
    assert len(truth) > 15


def test_a_user_of_the_crm_works(running: SandboxHandle, core: httpx.Client) -> None:
    first = core.get("people?limit=1").json()[0]
    running.admin("PATCH", f"brivity_core/records/people/{first['id']}", {"company": "Acme"})
    assert core.get("people?limit=1").json()[0] == first | {"company": "Acme"}
    running.admin("DELETE", f"brivity_core/records/people/{first['id']}")
    assert core.get("people?limit=1").json()[0]["status"] == "trash"
    made = running.admin("POST", "brivity_core/records/people", {"first_name": "Neu"})
    assert core.get("people?limit=5000").json()[-1] == made
    with pytest.raises(SandboxError, match="404"):
        running.admin("PATCH", "brivity_core/records/people/0", {})


def test_settings_are_named(running: SandboxHandle, core: httpx.Client) -> None:
    running.admin("PATCH", "brivity_core/settings", {"without_limit": 2})
    assert len(core.get("people").json()) == 2
    with pytest.raises(SandboxError, match="unknown settings"):
        running.admin("PATCH", "brivity_core/settings", {"witout_limit": 2})


def test_the_clock_can_be_moved(running: SandboxHandle, core: httpx.Client) -> None:
    assert core.get("people").status_code == 200
    stopped = running.admin("POST", "brivity_core/clock", {"stop_at": 1_800_000_000})
    assert stopped == {"now": 1_800_000_000}
    assert running.admin("POST", "brivity_core/clock", {"advance": -60}) == {"now": 1_799_999_940}
    running.admin("POST", "reset", {"crm": "brivity_core"})
    assert running.admin("POST", "brivity_core/clock", {})["now"] < 1_799_999_000


@pytest.mark.parametrize("name", registry.names())
def test_every_crm_keeps_to_the_frame(name: str) -> None:
    """Holds for each CRM there will ever be: it seeds, refuses strangers, and names its variables."""
    emulator = registry.load(name)
    assert emulator.name == name
    crm = emulator(World(size=30))
    crm.ready()
    assert sum(crm.store.count(entity) for entity in crm.store.entities()) > 10
    assert set(crm.editable) <= set(crm.store.entities())
    assert crm.editable
    environment = crm.environment("http://127.0.0.1:1/x")
    assert any(value.startswith("http://127.0.0.1:1/x") for value in environment.values())
    for entity in crm.store.entities():
        for record in crm.store.select(entity, limit=3):
            before = dict(record.body)
            crm.stamp(record)
            assert record.body == before, "a record looks the same after a stamp that changes nothing"
