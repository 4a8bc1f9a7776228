"""The bookmark: from when on the next read asks, and how that is written for a CRM.

It is min(start of the run, newest seen): never later than the moment the read began by the CRM's own clock, so that a
record that changed behind the reader's back is asked for again; and what is asked for begins `lag` seconds before it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from pipelines.extract.shape import literal
from pipelines.mapping.language import Incremental
from pipelines.wire.moments import written


def parse(text: str) -> datetime:
    """A moment written as ISO 8601, in UTC where it says nothing else."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def text(moment: datetime) -> str:
    """A moment as bookmarks are kept: ISO 8601 in UTC with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def advanced(old: str | None, started: datetime, newest: datetime | None) -> str | None:
    """The bookmark after a complete read: it never goes back, and stays where nothing was seen."""
    if newest is None:
        return old
    candidate = min(started, newest)
    return old if old is not None and parse(old) >= candidate else text(candidate)


def start_value(bookmark: str | None, incremental: Incremental) -> str:
    """What `{incremental.start_value}` stands for: the bookmark less the overlap, as the CRM writes moments."""
    if bookmark is None:
        return _initial(incremental)
    earliest = datetime(1970, 1, 1, tzinfo=UTC)
    return written(max(earliest, parse(bookmark) - timedelta(seconds=incremental.lag)), incremental.convert)


def _initial(incremental: Incremental) -> str:
    value = incremental.initial_value
    if re.fullmatch(r"-?\d+", value):
        return value
    try:
        return written(parse(value), incremental.convert)
    except ValueError:
        return value


def moment_sql(column: str, timezone: str) -> str:
    """SQL that reads a modification time as CRMs write it: ISO 8601 with or without offset, epoch seconds or ms."""
    return f"""case
        when {column} is null then null
        when regexp_full_match({column}, '-?[0-9]+([.][0-9]+)?') then
            to_timestamp({column}::double / case when abs({column}::double) > 1e11 then 1000 else 1 end)
        when regexp_matches({column}, '(Z|[+-][0-9]{{2}}:?[0-9]{{2}})$') then try_cast({column} as timestamptz)
        else coalesce(timezone({literal(timezone)}, try_cast({column} as timestamp)),
                      timezone('UTC', try_strptime({column}, '%a, %d %b %Y %H:%M:%S GMT')))
    end"""
