"""The kinds of jobs: some are a command in a process of its own, others a function in the service."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pipelines
from pipelines.connections.owner import SERVICE_OWNER
from pipelines.service.connections import child_environment
from pipelines.service.jobs.store import Job

if TYPE_CHECKING:
    from pipelines.service.context import Context

Function = Callable[["Context", Job], dict[str, Any]]
SYNC, REFRESH, FORGET, TIDY = "sync", "refresh", "forget", "tidy"
COMMANDS = frozenset({SYNC, REFRESH, FORGET, TIDY})
DERIVED = "staging,unify,check,publish"
FUNCTIONS: dict[str, Function] = {}


def register(kind: str, function: Function) -> None:
    """Makes a kind of job that runs in the service; it must bear being run again after a crash."""
    if kind in COMMANDS or FUNCTIONS.get(kind, function) is not function:
        raise ValueError(f"there is a kind of job {kind!r} already")
    FUNCTIONS[kind] = function


def command_of(context: Context, job: Job) -> list[str]:
    """The command line: a sync goes the whole way, a refresh neither reads nor writes to CRMs."""
    said = job.params
    words = [sys.executable, "-m", "pipelines"]
    common = ["--json", "--data-dir", str(context.data_dir), "--owner", job.owner]
    if job.kind == FORGET:
        return [*words, "forget", "--entity", said["entity"], "--yes", *common, "--", said["id"]]
    if job.kind == TIDY:
        everybody = job.owner == SERVICE_OWNER
        return [*words, "tidy", *(common[:-2] if everybody else common)]
    words += ["run", *job.connections, *common]
    stages = DERIVED if job.kind == REFRESH else said.get("stages")
    words += ["--stages", stages] if stages else []
    words += ["--push", said["push"]] if said.get("push") else []
    words += ["--full-refresh"] if said.get("full_refresh") else []
    words += ["--allow-mass-change"] if said.get("allow_mass_change") else []
    return words


def environment_of(context: Context) -> dict[str, str]:
    """What the process sees: what this one sees, and the settings' variables."""
    home = str(Path(pipelines.__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
    return {**os.environ, **child_environment(context), "PYTHONPATH": path}
