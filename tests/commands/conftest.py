"""Runs the command line on a data folder of its own, against the sandbox."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from match_desk import CRMS, SCHEMAS

from pipelines.cli import main
from pipelines.commands.operator import open_operator
from pipelines.connections.owner import Owner
from pipelines.sandbox.handle import SandboxHandle, start

ROOT = Path(__file__).resolve().parents[2]
CREDENTIALS = (
    "BRIVITY_",
    "TOPPRODUCER_",
    "HUBSPOT_",
    "SALESFORCE_",
    "ZOHO_",
    "KVCORE_",
    "VAULTRE_",
    "MRI_",
    "EXTERNAL_",
)


@dataclass
class Ran:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """What --json printed."""
        return dict(json.loads(self.out))

    def row(self, stage: str, entity: str) -> dict[str, Any]:
        """The report's row of one stage and entity."""
        return next(r for r in self.report["rows"] if r["stage"] == stage and r["entity"] == entity)


@dataclass
class Program:
    """The command line on one data folder; `environment` is added to what it sees."""

    data: Path
    environment: dict[str, str]

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "pipelines", *words, "--data-dir", str(self.data)]

    def variables(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith((*CREDENTIALS, "DATABASE_URL"))}
        return {**kept, **self.environment}

    def __call__(self, *words: str) -> Ran:
        """Runs a command in this process: a process of its own would spend its seconds on imports."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as here, redirect_stdout(out), redirect_stderr(err):
            for gone in set(os.environ) - set(self.variables()):
                here.delenv(gone)
            for name, value in self.variables().items():
                here.setenv(name, value)
            here.chdir(ROOT)
            with pytest.raises(SystemExit) as ended:
                main(self.command(*words)[3:])
        code = ended.value.code
        return Ran(code if isinstance(code, int) else int(code is not None), out.getvalue(), err.getvalue())

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words),
            cwd=ROOT,
            env=self.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def query(self, sql: str, owner: str = "sandbox") -> list[tuple[Any, ...]]:
        """Rows of the published file."""
        with duckdb.connect(str((self.data / owner / "crm.duckdb").resolve()), read_only=True) as con:
            return con.execute(sql).fetchall()


@pytest.fixture(scope="session")
def new_program() -> Callable[[Path], Program]:
    """The command line on a data folder: for modules that run it once."""
    return lambda data: Program(data, {})


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path / "data", {})


@pytest.fixture
def sandbox(program: Program) -> Iterator[SandboxHandle]:
    """A sandbox of Brivity alone that outlives the single runs."""
    with start(program.data / "sandbox", ["brivity"], size=120) as handle:
        yield handle


@pytest.fixture(scope="session")
def read_once(tmp_path_factory: pytest.TempPathFactory, new_program: Callable[[Path], Program]) -> Owner:
    """An owner whose two CRMs were read and unified."""
    program = new_program(tmp_path_factory.mktemp("match") / "data")
    with start(program.data / "sandbox", CRMS, size=120):
        ran = program("run", *CRMS, "--push", "off")
    assert ran.code == 0, ran.out + ran.err
    return Owner("sandbox", program.data)


@pytest.fixture
def owner(read_once: Owner, tmp_path: Path) -> Owner:
    """A copy that a test may change."""
    copy = Owner("sandbox", tmp_path / "data")
    copy.root.mkdir(parents=True)
    for file in (read_once.warehouse, read_once.state):
        shutil.copy(file, copy.root / file.name)
    return copy


@pytest.fixture
def opened(owner: Owner) -> Callable[[], Any]:
    """Opens the operator's desk: `with opened() as operator`."""
    return lambda: open_operator(owner, SCHEMAS)
