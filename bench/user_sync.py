"""How long a sync of many users takes beside one bulk upsert of the same rows by SQLAlchemy, on the same store.

    python bench/user_sync.py [--users 10000] [--rounds 3] [--url postgresql://...]

Each round syncs the users into an empty store (creates) and again with changes (updates), by whole calls in this
process, and has SQLAlchemy upsert the rows that the sync left, in one statement and one transaction, into a store of
its own. The ratio is what the whole call takes over what the bare upsert takes.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import jwt
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from starlette.testclient import TestClient

from pipelines.connections.owner import Owner
from pipelines.connections.project import Project, find_project
from pipelines.service.app import create_app
from pipelines.service.context import open_context
from pipelines.state.database import State, open_state
from pipelines.state.service_tables import users

SECRET = "a secret of the bench, thirty-two bytes or more"
Rows = list[dict[str, Any]]


def request_of(number: int, change: str) -> bytes:
    """A request of so many users."""
    members = [
        {
            "externalId": f"user-{n}", "email": f"user.{n}@example.com", "firstName": f"First{n}{change}",
            "lastName": f"Last{n}", "role": "user", "isActive": True, "orgCode": "bench",
            "metadata": {"department": "Engineering", "permissions": ["read", "write"]},
        }
        for n in range(number)
    ]  # fmt: skip
    return json.dumps({"mode": "upsert", "users": members}).encode()


def sync(client: TestClient, body: bytes) -> float:
    """Seconds of one call."""
    token = jwt.encode({"orgCode": "bench", "exp": time.time() + 600}, SECRET, "HS256")
    started = time.perf_counter()
    response = client.post("/api/admin/users/sync", content=body, headers={"Authorization": f"Bearer {token}"})
    taken = time.perf_counter() - started
    assert response.status_code == 200, response.text[:500]
    assert response.json()["data"]["summary"]["failed"] == 0
    return taken


def bulk(state: State, rows: Rows) -> float:
    """Seconds of one bulk upsert."""
    insert = (postgresql if state.engine.dialect.name == "postgresql" else sqlite).insert(users)
    rest = {column.name: insert.excluded[column.name] for column in users.columns if column.name != "id"}
    statement = insert.on_conflict_do_update(index_elements=["id"], set_=rest)
    started = time.perf_counter()
    with state.write() as connection:
        connection.execute(statement, rows)
    return time.perf_counter() - started


def stored(state: State) -> Rows:
    """Every user of a store."""
    with state.read() as connection:
        return [dict(row) for row in connection.execute(sa.select(users)).mappings()]


def one_round(folder: Path, number: int) -> list[tuple[str, float, float]]:
    """(what, seconds of the call, seconds of the bulk upsert) for creates and updates."""
    project = Project(find_project().root, folder)
    found = []
    app = create_app(open_context(project, {"WRAPPER_SECRET_KEY": SECRET}), ("user_sync",))
    with TestClient(app) as client, open_state(Owner("bulk", folder)) as beside:
        store = app.state.context.store
        for state in (store, beside):
            with state.write() as connection:
                connection.execute(sa.delete(users))
        for what in ("creates", "updates"):
            seconds = sync(client, request_of(number, what))
            found.append((what, seconds, bulk(beside, stored(store))))
    return found


def main() -> None:
    """Prints a line for each kind of call: medians over the rounds, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--url", help="a PostgreSQL database; default: SQLite in a temporary folder")
    asked = parser.parse_args()
    os.environ.pop("DATABASE_URL", None)
    if asked.url:
        os.environ["DATABASE_URL"] = asked.url
    gc.freeze()  # as the service does when it starts
    rounds: list[tuple[str, float, float]] = []
    for _ in range(asked.rounds):
        with tempfile.TemporaryDirectory() as folder:
            rounds += one_round(Path(folder), asked.users)
    for what in ("creates", "updates"):
        calls, upserts = ([row[at] for row in rounds if row[0] == what] for at in (1, 2))
        call, upsert = statistics.median(calls), statistics.median(upserts)
        ratio = statistics.median(c / u for c, u in zip(calls, upserts, strict=True))
        print(f"{asked.users} {what}: sync {call:.2f} s, bulk upsert {upsert:.2f} s, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
