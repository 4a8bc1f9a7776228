"""kill -9 at any instant of a run, then a rerun: nothing lost, nothing doubled; what was published stays readable."""

from __future__ import annotations

import random
import subprocess
import sys
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


# The command line in a process that dies at an instant of its own work (tests/kit/dying.py): at a step of a stage.
KILLED = """
import sys
from dying import arm
from pipelines.cli import main
from pipelines.commands import running, transforming
data, stage, steps, milliseconds, *sys.argv[1:] = sys.argv[1:]
tell = running.tell_stage
def told(name):
    tell(name)
    if name == stage:
        arm(data, int(steps), float(milliseconds))
running.tell_stage = transforming.tell_stage = told
sys.exit(main())
"""
STEPS = {"extract": 280, "staging": 100, "unify": 600, "publish": 1100, "check": 20}
"""A stage takes a few more in each run in which a record changed."""


def killed(program: Any, stage: str, steps: int, milliseconds: float) -> int:
    """A run that dies in a stage after so many steps and so many milliseconds; its exit code."""
    command = program.command("run", "brivity", "--push", "off")[3:]
    dies = [sys.executable, "-c", KILLED, str(program.data), stage, str(steps), str(milliseconds), *command]
    return subprocess.run(dies, env=program.variables(), capture_output=True, timeout=250, check=False).returncode


def torment(program: Any, sandbox: SandboxHandle, stages: list[str], seed: int) -> tuple[Contents, Contents]:
    """Kills runs in these stages while the CRM changes; what that leaves, and what an undisturbed owner has.

    Both have read the same versions, for who knows when a field was edited may rank it otherwise.
    """
    program.environment |= sandbox.environment("brivity")
    undisturbed = type(program)(Path(program.data).parent / "undisturbed", program.environment)
    dice = random.Random(seed)
    for stage in stages:
        assert killed(program, stage, dice.randrange(STEPS[stage]), dice.choice([0, dice.uniform(0, 20)])) == -9
        if (Path(program.data) / "default" / "crm.duckdb").exists():
            assert contents(program)["contacts"]
        if stage != "extract":
            assert undisturbed("run", "brivity", "--stages", "extract").code == 0
            sandbox.admin("POST", "brivity/disturb", {"kind": "change", "records": 3})
    for one in (program, undisturbed):
        ran = one("run", "brivity", "--push", "off")
        assert ran.code == 0, ran.out + ran.err
    return contents(program), contents(undisturbed)


@pytest.mark.slow
def test_killed_runs_lose_and_double_nothing(program: Any, sandbox: SandboxHandle) -> None:
    mine, theirs = torment(program, sandbox, ["extract", "unify", "publish"], seed=1)
    assert mine == theirs


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_more_often(program: Any, sandbox: SandboxHandle) -> None:
    assert program("run", "brivity", "--push", "off").code == 0  # now there is something that must stay readable
    mine, theirs = torment(program, sandbox, ["staging", *STEPS, *reversed(STEPS)], seed=2)
    assert mine == theirs
