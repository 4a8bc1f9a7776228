"""kill -9 at any instant of a run, then a rerun: nothing lost, nothing doubled; what was published stays readable."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from pipelines.sandbox.handle import SandboxHandle

TABLES = {
    "contacts": "select * exclude (updated_at) from contacts order by all",
    "deals": "select * exclude (updated_at) from deals order by all",
    "sources": "select contact_id, record_key, is_deleted from unified.contact_sources order by all",
}


def contents(program: Any) -> dict[str, list[tuple[Any, ...]]]:
    """All that an analyst would look at; a published file is always whole."""
    return {name: program.query(sql, owner="default") for name, sql in TABLES.items()}


Contents = dict[str, list[tuple[Any, ...]]]


def torment(program: Any, sandbox: SandboxHandle, kills: int, seed: int) -> tuple[Contents, Contents]:
    """Kills runs at random instants while the CRM changes; what that leaves, and what an undisturbed owner has."""
    program.environment |= sandbox.environment("brivity")
    dice = random.Random(seed)
    for _ in range(kills):
        process = program.start("run", "brivity", "--push", "off")
        time.sleep(dice.uniform(0.3, 6))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if (Path(program.data) / "default" / "crm.duckdb").exists():
            assert contents(program)["contacts"]
        sandbox.admin("POST", "brivity/disturb", {"kind": "change", "records": 3})
    ran = program("run", "brivity", "--push", "off")
    assert ran.code == 0, ran.out + ran.err
    undisturbed = type(program)(Path(program.data).parent / "undisturbed", program.environment)
    assert undisturbed("run", "brivity", "--push", "off").code == 0
    return contents(program), contents(undisturbed)


def test_killed_runs_lose_and_double_nothing(program: Any, sandbox: SandboxHandle) -> None:
    mine, theirs = torment(program, sandbox, kills=4, seed=1)
    assert mine == theirs


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_more_often(program: Any, sandbox: SandboxHandle) -> None:
    mine, theirs = torment(program, sandbox, kills=15, seed=2)
    assert mine == theirs
