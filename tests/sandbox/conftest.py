"""Sandboxes for tests: the CRM that a module is about, in this process and in memory, and one behind a socket.

A module says `CRM` and `PEOPLE`; one that says nothing is about Brivity, with forty people.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import emulated
import httpx
import pytest

from pipelines.sandbox import SandboxHandle, start
from pipelines.sandbox.server import Sandbox


@pytest.fixture
def crm(request: Any) -> str:
    """The CRM's name."""
    return str(getattr(request.module, "CRM", "brivity"))


@pytest.fixture
def sandbox(request: Any, crm: str) -> Sandbox:
    """It, as it was on the first day."""
    return emulated.emulated(crm, getattr(request.module, "PEOPLE", 40))


@pytest.fixture
def stranger(sandbox: Sandbox, crm: str) -> Iterator[httpx.Client]:
    """A client that has not logged in."""
    with closing(emulated.stranger(sandbox, crm)) as client:
        yield client


@pytest.fixture
def client(sandbox: Sandbox, crm: str) -> Iterator[httpx.Client]:
    """A client that has logged in."""
    with closing(emulated.client(sandbox, crm)) as client:
        yield client


@pytest.fixture
def windows_stand_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes for the vendors' limits: what they let through does not hang on the machine's pace."""
    now = time.monotonic()
    monkeypatch.setattr("pipelines.sandbox.limits.time", SimpleNamespace(monotonic=lambda: now))


@pytest.fixture(scope="module")
def lasting(request: Any) -> Iterator[httpx.Client]:
    """A client of one small sandbox for all examples of a property."""
    with closing(emulated.client(emulated.emulated(request.module.CRM, 10), request.module.CRM)) as client:
        yield client


@pytest.fixture(scope="module")
def running(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    """The module's CRM behind a socket; alone, so that a vendor's client needs no path before its own."""
    folder: Path = tmp_path_factory.mktemp("sandbox")
    name = getattr(request.module, "CRM", None)
    with start(
        folder, [name] if name else ["brivity", "brivity_core"], size=getattr(request.module, "PEOPLE", 40)
    ) as it:
        yield it
