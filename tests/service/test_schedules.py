"""Schedules: cron and intervals, jitter, missed ones caught up once, kept over a restart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pipelines.service import schedules
from pipelines.service.context import Context
from pipelines.service.jobs import store
from pipelines.service.schedules import BadSchedule, Schedule, Scheduler, read_schedule
from pipelines.state.database import now_us
from pipelines.state.service_tables import jobs as jobs_table
from pipelines.state.service_tables import schedules as table

ContextOf = Callable[[TestClient], Context]
SECOND = 1_000_000


@pytest.fixture
def context(client: TestClient, context_of: ContextOf, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A service whose own scheduler and runner stand still: the test is the clock."""
    found = context_of(client)
    found.background._scheduler.stop()
    found.background.jobs.stop()
    monkeypatch.setattr(found.background.jobs, "stop", lambda: None)
    return found


def move(context: Context, connection: str, **values: Any) -> None:
    with context.store.write() as db:
        db.execute(sa.update(table).where(table.c.connection == connection).values(**values))


def submit_due(context: Context) -> list[str]:
    return list(Scheduler(context, lambda: None).submit_due())


def test_what_is_due_becomes_one_job_and_moves_on(context: Context) -> None:
    made = schedules.set_schedule(context, "ann", "north", interval_minutes=30)
    assert made.next_at is not None
    assert 29 * 60 < (made.next_at - now_us()) / SECOND <= 30 * 60
    assert submit_due(context) == []
    move(context, "north", next_at=now_us() - 1)
    (job_id,) = submit_due(context)
    job = store.get(context.store, job_id, "ann")
    assert job is not None
    assert (job.kind, job.connections, job.is_scheduled) == ("sync", ("north",), True)
    after = schedules.get_schedule(context, "ann", "north")
    assert after is not None
    assert after.next_at > now_us() + 29 * 60 * SECOND  # type: ignore[operator]
    assert after.last_at is not None
    assert submit_due(context) == []


def test_what_was_missed_is_caught_up_once(context: Context) -> None:
    schedules.set_schedule(context, "ann", "north", interval_minutes=5)
    schedules.set_schedule(context, "ann", "south", cron="*/5 * * * *")
    for name in ("north", "south"):
        move(context, name, next_at=now_us() - 86_400 * SECOND)
    assert len(submit_due(context)) == 2
    assert submit_due(context) == []


def test_a_sync_that_still_waits_is_not_piled_up(context: Context) -> None:
    schedules.set_schedule(context, "ann", "north", interval_minutes=5)
    found = []
    for _ in range(3):
        move(context, "north", next_at=now_us() - 1)
        found += submit_due(context)
    assert len(set(found)) == 1
    with context.store.read() as db:
        assert db.execute(sa.select(sa.func.count()).select_from(jobs_table)).scalar() == 1


def test_what_is_switched_off_is_never_due(context: Context) -> None:
    schedules.set_schedule(context, "ann", "north", interval_minutes=5, enabled=False)
    move(context, "north", next_at=now_us() - 1)
    assert submit_due(context) == []


def test_schedules_survive_a_restart(serve: Any, context_of: ContextOf) -> None:
    with serve(JWT_SECRET="x" * 40) as client:
        schedules.set_schedule(context_of(client), "ann", "north", cron="0 6 * * 1-5", jitter_seconds=60)
        before = schedules.list_schedules(context_of(client))
    with serve(JWT_SECRET="x" * 40) as client:
        assert schedules.list_schedules(context_of(client)) == before


def one(**more: Any) -> Schedule:
    return Schedule(**{
        "owner": "a", "connection": "x", "cron": None, "interval_minutes": None, "jitter_seconds": 0, "enabled": True,
        "next_at": None, "last_at": None, **more,
    })  # fmt: skip


def test_cron_lines_mean_what_they_say() -> None:
    friday = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    assert one(cron="15 6 * * *").after(friday) == datetime(2026, 11, 21, 6, 15, tzinfo=UTC)
    assert one(cron="0 6 * * mon").after(friday) == datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
    assert one(cron="0 12 * * *").after(friday) == datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@given(
    st.integers(1, 10_000),
    st.integers(0, 3600),
    st.datetimes(timezones=st.just(UTC), min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1)),
)
def test_the_next_time_is_later_and_within_the_jitter(minutes: int, jitter: int, now: datetime) -> None:
    found = one(interval_minutes=minutes, jitter_seconds=jitter).after(now)
    assert found is not None
    earliest = now + timedelta(minutes=minutes)
    assert earliest <= found <= earliest + timedelta(seconds=jitter)
    hourly = one(cron="7 * * * *", jitter_seconds=jitter).after(now)
    assert hourly is not None
    assert now < hourly <= now + timedelta(hours=1, seconds=jitter)


@pytest.mark.parametrize(
    ("said", "expected"),
    [("every 30 minutes", (None, 30)), ("every 1 hour", (None, 60)), ("every 2 days", (None, 2880)),
     ("*/15 * * * *", ("*/15 * * * *", None))],
)  # fmt: skip
def test_schedules_are_read(said: str, expected: tuple[str | None, int | None]) -> None:
    assert read_schedule(said) == expected


@pytest.mark.parametrize("said", ["", "often", "every 0 minutes", "61 * * * *", "* * * *", "every 9999999 days"])
def test_what_is_no_schedule_is_refused(said: str) -> None:
    with pytest.raises(BadSchedule):
        read_schedule(said)


def test_over_the_api(context: Context, client: TestClient, bearer: Any) -> None:
    assert context.background is not None
    url, ann, bob = "/api/schedules/north", bearer("ann"), bearer("bob")
    assert client.get(url).status_code == 401
    assert client.get(url, headers=ann).status_code == 404
    made = client.put(url, headers=ann, json={"interval_minutes": 30, "jitter_seconds": 10}).json()["schedule"]
    assert (made["interval_minutes"], made["enabled"], made["last_at"]) == (30, True, None)
    assert client.get(url, headers=bob).status_code == 404
    assert client.get("/api/schedules", headers=bob).json()["schedules"] == []
    for wrong in ({}, {"cron": "x"}, {"cron": "* * * * *", "interval_minutes": 5}, {"interval_minutes": 0}, {"x": 1}):
        assert client.put(url, headers=ann, json=wrong).status_code == 400, wrong
    assert client.delete(url, headers=bob).status_code == 404
    assert client.delete(url, headers=ann).json() == {"success": True}
    assert client.get("/api/schedules", headers=ann).json()["schedules"] == []
