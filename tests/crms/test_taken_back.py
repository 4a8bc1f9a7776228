"""What a push made is taken back by calls that the vendors document: deletions by the batch, relations one by one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from crm_desk import CONTACTS, DEALS, Desk

from pipelines.connections.project import find_project
from pipelines.connections.resolve import resolve
from pipelines.sandbox.handle import SandboxHandle, start
from pipelines.state.database import open_state


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    with start(tmp_path_factory.mktemp("crms"), list(CONTACTS), size=20) as started:
        yield started


@pytest.fixture(params=list(CONTACTS))
def desk(request: pytest.FixtureRequest, sandbox: SandboxHandle, tmp_path: Path) -> Iterator[Desk]:
    root = tmp_path / "data"
    owner = resolve(
        request.param, find_project(), root, sandbox_environment=sandbox.environment(request.param)
    ).owner  # fmt: skip
    with open_state(owner) as state:
        yield Desk(request.param, sandbox, state, root)


def test_deletions_go_in_one_call(desk: Desk) -> None:
    there = sorted(desk.held(CONTACTS[desk.crm]))
    gone = there[:5]
    done = desk.do("contacts", "archive", [{"source_id": id, "field": ""} for id in gone])
    assert done.counts == {"contacts": {"done": 5, "sent": 5}}
    assert sorted(desk.held(CONTACTS[desk.crm])) == there[5:]
    assert desk.calls("DELETE", "") + desk.calls("POST", "archive") == 1


def test_a_relation_that_was_made_is_taken_back(desk: Desk) -> None:
    contact, deal = sorted(desk.held(CONTACTS[desk.crm]))[-1], sorted(desk.held(DEALS[desk.crm]))[0]
    before = desk.related(deal)
    assert contact not in before
    link = {"source_id": deal, "field": "contact_ids", "old": "[]", "new": '["gc"]'}
    for _ in range(2):  # to say it twice makes no second one
        assert desk.do("deals", "link", [link], {"gc": contact}).counts == {"deals": {"done": 1, "sent": 1}}
        assert sorted(desk.related(deal)) == sorted([*before, contact])
    back = {"source_id": deal, "field": "contact_ids", "old": f'["{desk.crm}:{contact}"]', "new": "[]"}
    assert desk.do("deals", "unlink", [back]).counts == {"deals": {"done": 1, "sent": 1}}
    assert desk.related(deal) == before
