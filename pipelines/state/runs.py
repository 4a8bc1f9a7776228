"""Run history, and the counts that show that no record got lost (law L1)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, NamedTuple

import sqlalchemy as sa

from pipelines.state import rows
from pipelines.state.database import State, now_us
from pipelines.state.push_tables import IN_WORK, intents, ledger
from pipelines.state.tables import run_counts, runs


class Count(NamedTuple):
    """One number of a run: `Count("brivity", "extract", "contacts", "new", 12)`."""

    connection: str
    stage: str
    entity: str
    metric: str
    value: float


def new_run_id() -> str:
    """An id that sorts by time, such as 20261120T064713-9f3a61."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def start(state: State, connections: Iterable[str], run_id: str | None = None) -> str:
    """Writes down that a run began; returns its id."""
    run_id = run_id or new_run_id()
    with state.write() as connection:
        connection.execute(
            sa.insert(runs).values(
                run_id=run_id, started_at=now_us(), status="running", connections=json.dumps(sorted(connections))
            )
        )
    return run_id


def finish(state: State, run_id: str, exit_code: int, summary: Mapping[str, Any], status: str | None = None) -> None:
    """Writes down how a run ended. `status` is done, failed or stopped; by default it follows from the exit code."""
    ended = {"finished_at": now_us(), "exit_code": exit_code, "status": status or ("failed" if exit_code else "done")}
    with state.write() as connection:
        connection.execute(
            sa.update(runs).where(runs.c.run_id == run_id).values(summary=json.dumps(summary, default=str), **ended)
        )


def count(state: State, run_id: str, counts: Iterable[Count]) -> None:
    """Writes the run's counts; a count that is given again replaces the former."""
    with state.write() as connection:
        rows.upsert(connection, run_counts, [(run_id, *c) for c in counts])


def counts(state: State, run_id: str) -> list[Count]:
    """The counts of one run."""
    columns = [run_counts.c[name] for name in Count._fields]
    with state.read() as connection:
        found = connection.execute(sa.select(*columns).where(run_counts.c.run_id == run_id).order_by(*columns))
        return [Count(*row) for row in found]


def last(state: State, number: int = 10) -> list[dict[str, Any]]:
    """The latest runs, the newest first, with connections and summary decoded."""
    with state.read() as connection:
        found = connection.execute(sa.select(runs).order_by(runs.c.started_at.desc()).limit(number)).mappings().all()
    return [
        {**row, "connections": json.loads(row["connections"]), "summary": json.loads(row["summary"] or "{}")}
        for row in found
    ]


def is_known(state: State, run_id: str) -> bool:
    """Whether there was such a run: it was noted, or it has written something."""
    noted, wrote = sa.select(runs.c.run_id), sa.select(ledger.c.run_id)
    with state.read() as connection:
        found = [connection.execute(q.where(q.selected_columns[0] == run_id).limit(1)).first() for q in (noted, wrote)]
    return any(found)


def near(state: State, run_id: str, number: int = 3) -> list[str]:
    """The runs whose ids are most like this one; of equals the newest first."""
    with state.read() as connection:
        known = [str(row[0]) for row in connection.execute(sa.select(runs.c.run_id).order_by(runs.c.run_id.desc()))]
    return get_close_matches(run_id, known, number, 0.0)


def wrote_to(state: State, run_id: str) -> list[str]:
    """The connections that a run wrote to, or, killed, may have written to."""
    wrote = sa.select(ledger.c.connection).where(ledger.c.run_id == run_id)
    began = sa.select(intents.c.connection).where(IN_WORK, intents.c.run_id == run_id, intents.c.status == "open")
    with state.read() as connection:
        return sorted(str(row[0]) for row in connection.execute(wrote.union(began)))


def abandoned(state: State, alive: Iterable[str] = ()) -> list[str]:
    """Ids of runs that never ended though they are not among the `alive` ones: they were killed."""
    with state.read() as connection:
        query = sa.select(runs.c.run_id).where(runs.c.status == "running", runs.c.run_id.not_in(list(alive)))
        return [str(row[0]) for row in connection.execute(query)]
