"""A service of its own for each test: in this process, on a data folder of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import jwt
import pytest
from starlette.testclient import TestClient

from pipelines.connections.project import Project
from pipelines.service.app import ROUTES, create_app
from pipelines.service.context import Context, open_context

JWT_SECRET = "a secret of the tests, thirty-two bytes or more"
Serve = Callable[..., AbstractContextManager[TestClient]]


def make_token(user: str = "ann", secret: str = JWT_SECRET, **claims: object) -> str:
    """A token that names a user."""
    return jwt.encode({"sub": user, "exp": time.time() + 600, **claims}, secret, "HS256")


@pytest.fixture
def token() -> Callable[..., str]:
    """`token("ann")`: a token that names a user."""
    return make_token


@pytest.fixture
def bearer() -> Callable[..., dict[str, str]]:
    """`bearer("ann")`: the header of a call by a user."""
    return lambda user="ann": {"Authorization": f"Bearer {make_token(user)}"}


@pytest.fixture
def context_of() -> Callable[[TestClient], Context]:
    """`context_of(client)`: the running service's context."""
    return lambda client: client.app.state.context  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
def project(tmp_path: Path, project_root: Path) -> Project:
    """This checkout's mappings and schemas, a data folder of the test's own, and nobody's `.dlt`."""
    root = tmp_path / "project"
    root.mkdir()
    for folder in ("mappings", "schemas"):
        (root / folder).symlink_to(project_root / folder)
    return Project(root, tmp_path / "data")


@pytest.fixture
def serve(project: Project, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Serve:
    """Starts a service with the variables given: `with serve(JWT_SECRET="...") as client`.

    A test file that has `ROUTES = ("health", ...)` gets a service of these modules alone.
    """
    routes = getattr(request.module, "ROUTES", ROUTES)
    monkeypatch.delenv("DATABASE_URL", raising=False)

    @contextmanager
    def started(**environment: str) -> Iterator[TestClient]:
        app = create_app(open_context(project, environment), routes)
        with TestClient(app, raise_server_exceptions=False) as client:
            yield client

    return started


@pytest.fixture
def client(serve: Serve) -> Iterator[TestClient]:
    """A service that knows the tests' tokens."""
    with serve(JWT_SECRET=JWT_SECRET) as started:
        yield started
