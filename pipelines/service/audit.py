"""Who did what, when, from where, to which records: appended, never changed, readable by its owner."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pipelines.state.database import now_us
from pipelines.state.service_tables import audit

if TYPE_CHECKING:
    from fastapi import Request

    from pipelines.service.auth import Caller
    from pipelines.service.context import Context

MOST = 500
_CURSOR = re.compile(r"([0-9]{1,18})-([0-9]{1,9})")


def note(
    context: Context,
    owner: str,
    who: str,
    what: str,
    *,
    connection: str | None = None,
    records: Mapping[str, Any] | None = None,
    request_id: str | None = None,
    address: str | None = None,
) -> None:
    """Appends one line.

    Args:
        context: the running service.
        owner: whose data it is about; only they read it.
        who: the user, or a part of the service such as `schedule`.
        what: such as `connect`, `sync`, `local.create`.
        connection: which one, where it is about one.
        records: which records, or how many: ids and numbers, never a value, a secret or a key.
        request_id: of the call.
        address: where it came from.
    """
    values = {
        "owner": owner, "who": who, "what": what, "connection": connection,
        "records": None if records is None else json.dumps(records, default=str), "request_id": request_id,
        "address": address, "at": now_us(),
    }  # fmt: skip
    with context.store.write() as written:
        written.execute(sa.insert(audit).values(**values))


def note_call(
    context: Context, caller: Caller, request: Request, what: str, connection: str | None = None, **records: Any
) -> None:
    """Appends one line about a call of a user; `records` as in `note`."""
    note(
        context, caller.owner.name, caller.user, what, connection=connection, records=records or None,
        request_id=getattr(request.state, "request_id", None), address=caller.address or None,
    )  # fmt: skip


def trail(
    context: Context, owner: str, *, limit: int = 100, cursor: str = ""
) -> tuple[list[dict[str, Any]], str | None]:
    """An owner's lines, the newest first, and the cursor of the next page (None: there is none).

    A cursor holds a moment and how many lines of that moment were shown; the numbers of the lines would tell how much
    other owners do.

    Args:
        context: the running service.
        owner: whose; nobody else's are shown (law L13).
        limit: at most so many.
        cursor: of the page before.

    Raises:
        ValueError: the cursor is none of ours.
    """
    moment, shown = _place(cursor)
    limit = min(limit, MOST)
    query = sa.select(audit).where(audit.c.owner == owner).order_by(audit.c.at.desc(), audit.c.audit_id.desc())
    if moment is not None:
        query = query.where(audit.c.at <= moment).offset(shown)
    with context.store.read() as connection:
        rows = list(connection.execute(query.limit(limit)).mappings())
    if len(rows) < limit or not rows:
        return [_line(row) for row in rows], None
    last = int(rows[-1]["at"])
    same = sum(1 for row in rows if row["at"] == last) + (shown if moment == last else 0)
    return [_line(row) for row in rows], f"{last}-{same}"


def _place(cursor: str) -> tuple[int | None, int]:
    if not cursor:
        return None, 0
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise ValueError("no cursor of ours")
    return int(found[1]), int(found[2])


def _line(row: Any) -> dict[str, Any]:
    at = datetime.fromtimestamp(row["at"] / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "at": at, "who": row["who"], "what": row["what"], "connection": row["connection"],
        "records": json.loads(row["records"]) if row["records"] else None, "request_id": row["request_id"],
        "address": row["address"],
    }  # fmt: skip
