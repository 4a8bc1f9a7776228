"""Sandboxes for tests: one in this process and in memory, one behind a socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pipelines.sandbox import SandboxHandle, start
from pipelines.sandbox.inside import HttpxTransport
from pipelines.sandbox.server import Sandbox, app


@pytest.fixture
def brivity() -> Sandbox:
    """Brivity alone, with forty people, in memory."""
    return app(None, ["brivity"], size=40)


@pytest.fixture
def client(brivity: Sandbox) -> Iterator[httpx.Client]:
    """A client that has logged in to Brivity."""
    with httpx.Client(transport=HttpxTransport(brivity), base_url="http://sandbox/brivity/v1") as client:
        login(client, brivity.describe("http://sandbox")["crms"]["brivity"]["environment"])
        yield client


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    """A sandbox of both Brivity wires behind a socket."""
    folder: Path = tmp_path_factory.mktemp("sandbox")
    with start(folder, ["brivity", "brivity_core"], size=40) as sandbox:
        yield sandbox


def login(client: httpx.Client, environment: dict[str, str]) -> None:
    """Puts a fresh token into the client's headers."""
    asked = {
        "grant_type": "client_credentials",
        "client_id": environment["BRIVITY_CLIENT_ID"],
        "client_secret": environment["BRIVITY_CLIENT_SECRET"],
    }
    token = client.post("auth/oauth/token", json=asked).raise_for_status().json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
