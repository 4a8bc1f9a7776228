"""Schedules: when an owner's connections are synced, by a cron line or every so many minutes, with jitter.

What is due becomes a job in the same transaction that moves the schedule on, so that a crash neither loses nor doubles
a sync. What was missed while the service was down is caught up once. Cron lines are read and computed by APScheduler.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from apscheduler.triggers.cron import CronTrigger  # type: ignore[import-untyped]

from pipelines.service.jobs import store as jobs_store
from pipelines.service.jobs.kinds import SYNC
from pipelines.state.database import now_us
from pipelines.state.service_tables import schedules

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelines.service.context import Context

logger = logging.getLogger("crosswalk.service")
SECOND = 1_000_000
LOOK_SECONDS, NOW_AND_THEN_SECONDS = 1.0, 300.0
_EVERY = re.compile(r"every (\d+) (minute|hour|day)s?")
_MINUTES = {"minute": 1, "hour": 60, "day": 1440}


class BadSchedule(ValueError):  # noqa: N818 - says what was given
    """A schedule that cannot be read; the text says what is expected."""


@dataclass(frozen=True)
class Schedule:
    """When one connection of an owner is synced. Moments: us since 1970."""

    owner: str
    connection: str
    cron: str | None
    interval_minutes: int | None
    jitter_seconds: int
    enabled: bool
    next_at: int | None
    last_at: int | None

    def after(self, moment: datetime, zone: ZoneInfo | None = None) -> datetime | None:
        """The first time after a moment, jitter included; None where there is none any more."""
        jitter = timedelta(seconds=random.uniform(0, self.jitter_seconds))
        if self.interval_minutes is not None:
            return moment + timedelta(minutes=self.interval_minutes) + jitter
        found = _trigger(self.cron or "", zone).get_next_fire_time(None, moment + timedelta(microseconds=1))
        return None if found is None else found.astimezone(UTC) + jitter


def read_schedule(said: str) -> tuple[str | None, int | None]:
    """`every 30 minutes` or a cron line of five fields, as (cron, minutes).

    Raises:
        BadSchedule: it is neither.
    """
    every = _EVERY.fullmatch(said.strip())
    if every:
        return None, _checked_minutes(int(every[1]) * _MINUTES[every[2]])
    _trigger(said, None)
    return said.strip(), None


def _checked_minutes(minutes: int) -> int:
    if not 1 <= minutes <= 525_600:
        raise BadSchedule("an interval is 1 minute to a year")
    return minutes


def _trigger(cron: str, zone: ZoneInfo | None) -> Any:
    try:
        return CronTrigger.from_crontab(cron, timezone=zone or UTC)
    except (ValueError, TypeError) as problem:
        raise BadSchedule(
            f"{cron[:80]!r} is no schedule ({problem}); write 'every 30 minutes', or a cron line such as '15 * * * *'"
        ) from None


def set_schedule(
    context: Context, owner: str, connection: str, *, cron: str | None = None, interval_minutes: int | None = None,
    jitter_seconds: int = 0, enabled: bool = True,
) -> Schedule:  # fmt: skip
    """Sets when a connection is synced, replacing what was set before.

    Raises:
        BadSchedule: not exactly one of cron and interval, or one that cannot be read.
    """
    if (cron is None) == (interval_minutes is None):
        raise BadSchedule("give a cron line or interval_minutes, and only one of them")
    if interval_minutes is not None:
        _checked_minutes(interval_minutes)
    if not 0 <= jitter_seconds <= 86_400:
        raise BadSchedule("jitter is 0 seconds to a day")
    planned = Schedule(owner, connection, cron, interval_minutes, jitter_seconds, enabled, None, None)
    next_at = planned.after(datetime.now(UTC), _zone(context))
    values = {
        "cron": cron, "interval_minutes": interval_minutes, "jitter_seconds": jitter_seconds, "enabled": enabled,
        "next_at": None if next_at is None else _us(next_at), "attempts": 0,
    }  # fmt: skip
    c = schedules.c
    with context.store.write() as store:
        mine = sa.update(schedules).where(c.owner == owner, c.connection == connection)
        if not store.execute(mine.values(**values)).rowcount:
            store.execute(sa.insert(schedules).values(owner=owner, connection=connection, **values))
    found = get_schedule(context, owner, connection)
    assert found is not None, "it was just written"
    return found


def get_schedule(context: Context, owner: str, connection: str) -> Schedule | None:
    """An owner's schedule of a connection."""
    return next((s for s in list_schedules(context, owner) if s.connection == connection), None)


def list_schedules(context: Context, owner: str | None = None) -> list[Schedule]:
    """Schedules by connection; of all owners where none is named."""
    query = sa.select(schedules).order_by(schedules.c.owner, schedules.c.connection)
    if owner is not None:
        query = query.where(schedules.c.owner == owner)
    with context.store.read() as connection:
        return [_schedule(row) for row in connection.execute(query).mappings()]


def remove_schedule(context: Context, owner: str, connection: str) -> bool:
    """Removes a schedule; False where there was none."""
    c = schedules.c
    with context.store.write() as store:
        mine = sa.delete(schedules).where(c.owner == owner, c.connection == connection)
        return bool(store.execute(mine).rowcount)


class Scheduler:
    """Submits what is due. `on_due` is called after jobs were submitted, `now_and_then` every few minutes."""

    def __init__(
        self, context: Context, on_due: Callable[[], None], now_and_then: Callable[[], None] = lambda: None
    ) -> None:
        self._context, self._on_due, self._now_and_then = context, on_due, now_and_then
        self._looked = time.monotonic()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="schedules", daemon=True)

    def start(self) -> None:
        """Begins; what was missed is due at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ends."""
        self._ending.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._ending.wait(LOOK_SECONDS):
            try:
                if self.submit_due():
                    self._on_due()
                if time.monotonic() - self._looked > NOW_AND_THEN_SECONDS:
                    self._looked = time.monotonic()
                    self._now_and_then()
            except Exception:
                self._context.metrics.failures.labels("schedules").inc()
                logger.exception("schedules could not be looked at; the next look is in a moment")

    def submit_due(self) -> Sequence[str]:
        """Submits a job for each schedule whose time has come; the jobs' ids."""
        c = schedules.c
        is_due = (c.enabled.is_(True), c.next_at <= now_us())
        with self._context.store.read() as connection:
            if connection.execute(sa.select(c.owner).where(*is_due).limit(1)).first() is None:
                return []
        submitted = []
        with self._context.store.write() as connection:
            for row in connection.execute(sa.select(schedules).where(*is_due)).mappings().all():
                submitted.append(self._submit(connection, _schedule(row)))
        return submitted

    def _submit(self, connection: sa.Connection, one: Schedule) -> str:
        now = datetime.now(UTC)
        next_at = one.after(now, _zone(self._context))
        c = schedules.c
        job_id = jobs_store.add(connection, one.owner, SYNC, [one.connection], {"scheduled": True})
        moved = sa.update(schedules).where(c.owner == one.owner, c.connection == one.connection)
        connection.execute(moved.values(last_at=_us(now), next_at=None if next_at is None else _us(next_at)))
        return job_id


def _zone(context: Context) -> ZoneInfo | None:
    return ZoneInfo(context.settings.schedule_timezone) if context.settings.schedule_timezone else None


def _schedule(row: Any) -> Schedule:
    names = Schedule.__dataclass_fields__
    return Schedule(**{name: row[name] for name in names})


def _us(moment: datetime) -> int:
    return int(moment.timestamp() * SECOND)
