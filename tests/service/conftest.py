"""A service of its own for each test: in this process, on a data folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import jwt
import own_postgres
import pytest
from starlette.testclient import TestClient

from pipelines.connections.owner import SERVICE_OWNER, Owner
from pipelines.connections.project import Project
from pipelines.service.app import ROUTES, create_app
from pipelines.service.context import Context, open_context
from pipelines.state.database import open_state

JWT_SECRET = "a secret of the tests, thirty-two bytes or more"
STORES = ("sqlite", "postgres")
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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The same tests run on both stores; a file may say `STORES = ("sqlite",)` where the store cannot matter."""
    if "database" in metafunc.fixturenames:
        metafunc.parametrize("database", getattr(metafunc.module, "STORES", STORES), indirect=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server for this session: its URL without a database."""
    with ExitStack() as running:
        try:
            url = running.enter_context(own_postgres.server())
        except own_postgres.NotHere as problem:
            pytest.skip(f"no tests on PostgreSQL: {problem}")
        yield url


@pytest.fixture
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the states of a test lie: SQLite files in its data folder, or a PostgreSQL database that was emptied."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    if request.param == "sqlite":
        return "sqlite"
    server = request.getfixturevalue("postgres")
    own_postgres.empty(server)
    monkeypatch.setenv("DATABASE_URL", f"{server}/postgres")
    return "postgres"


@pytest.fixture(scope="session")
def made_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose tables are made: copying it is faster than making them at each test."""
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("DATABASE_URL", raising=False)
        owner = Owner(SERVICE_OWNER, tmp_path_factory.mktemp("made"))
        open_state(owner).close()
    return owner.state


@pytest.fixture
def project(tmp_path: Path, project_root: Path, made_store: Path) -> Project:
    """This checkout's mappings and schemas, a data folder of the test's own, and nobody's `.dlt`."""
    store = Owner(SERVICE_OWNER, tmp_path / "data").state
    store.parent.mkdir(parents=True)
    shutil.copy(made_store, store)
    root = tmp_path / "project"
    root.mkdir()
    for folder in ("mappings", "schemas"):
        (root / folder).symlink_to(project_root / folder)
    return Project(root, tmp_path / "data")


@pytest.fixture
def serve(project: Project, database: str, request: pytest.FixtureRequest) -> Serve:
    """Starts a service with the variables given: `with serve(JWT_SECRET="...") as client`.

    A test file that has `ROUTES = ("health", ...)` gets a service of these modules alone.
    """
    del database  # it is where the states lie
    routes = getattr(request.module, "ROUTES", ROUTES)

    @contextmanager
    def started(**environment: str) -> Iterator[TestClient]:
        app = create_app(open_context(project, {"WEBHOOK_WORKER": "thread", **environment}), routes)
        with TestClient(app, raise_server_exceptions=False) as client:
            yield client

    return started


@pytest.fixture
def client(serve: Serve) -> Iterator[TestClient]:
    """A service that knows the tests' tokens."""
    with serve(JWT_SECRET=JWT_SECRET) as started:
        yield started


@dataclass
class Served:
    """A service in a process of its own. `said`: what it printed up to the end of its greeting."""

    process: subprocess.Popen[str]
    base: str
    said: str

    def end(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal, and waits for the exit code."""
        self.process.send_signal(number)
        return self.process.wait(240)


@pytest.fixture
def start(project: Project, database: str) -> Iterator[Callable[..., Served]]:
    """`start(JWT_SECRET="...")`: `crosswalk serve` in a process of its own; ended after the test."""
    del database  # it is where the states lie
    running: list[subprocess.Popen[str]] = []

    def started(*words: str, **variables: str) -> Served:
        command = [
            sys.executable,
            "-m",
            "pipelines",
            "serve",
            "--port",
            "0",
            "--data-dir",
            str(project.data_dir),
            *words,
        ]
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "DATABASE_URL") if key in os.environ}
        home = str(Path(__file__).resolve().parents[2])
        with (project.root / f"serve-{len(running)}.log").open("w+") as log:
            process = subprocess.Popen(
                command,
                cwd=project.root,
                env={**kept, **variables, "PYTHONPATH": home},
                stdout=log,
                stderr=log,
                text=True,
            )
            running.append(process)
            ends = time.monotonic() + 240
            while "(ctrl-c ends it)" not in (said := Path(log.name).read_text()):
                assert process.poll() is None, said
                assert time.monotonic() < ends, said
                time.sleep(0.05)
        found = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert found is not None
        return Served(process, found[0], said)

    yield started
    for process in running:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
