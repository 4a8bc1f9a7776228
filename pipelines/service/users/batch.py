"""One batch of entries, in one transaction: one look-up, then what changed, written at once."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import sqlalchemy as sa

from pipelines.service.users.entries import Entry, Result
from pipelines.state import rows
from pipelines.state.service_tables import users

Row = dict[str, Any]
NAMES = [str(column.name) for column in users.columns]
# By the drivers' own words: SQLAlchemy's take longer than the query. Two searches, because "or" is planned as a scan.
_SELECT = f"SELECT {', '.join(NAMES)} FROM users WHERE tenant_id = {{mark}} AND"
_LOOK_UP = f"""{_SELECT} external_id {{ids}}
    UNION ALL {_SELECT} email_key {{emails}} AND NOT coalesce(external_id {{ids}}, false)"""
_STORE_JSON = f"""INSERT INTO users ({", ".join(NAMES)})
    SELECT {", ".join(NAMES)} FROM json_populate_recordset(NULL::users, %s::json)
    ON CONFLICT (id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in NAMES if name != "id")}"""
CONFLICT = "Conflict: externalId belongs to one user and email to another"
CLASH = "Conflict: another user has this externalId or email"
_NEW: Row = dict.fromkeys(NAMES) | {
    "name": "", "first_name": "", "last_name": "", "role": "user", "is_active": True, "is_admin": False, "roles": "[]",
    "permissions": "[]", "allowed_applications": "[]", "metadata": "{}",
}  # fmt: skip


@dataclass(frozen=True)
class Writing:
    """Whose users are written, by which contract, and when the batch was first tried (us since 1970)."""

    organisation: str
    contract: str
    at: int


@dataclass
class Known:
    """The users that a batch may be about, found by external id and by e-mail address; kept true as it goes on."""

    by_external_id: dict[str, Row] = field(default_factory=dict)
    by_email: dict[str, Row] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        """Takes a user in."""
        if row["external_id"] is not None:
            self.by_external_id[row["external_id"]] = row
        self.by_email[row["email_key"]] = row

    def drop(self, row: Row) -> None:
        """Forgets how a user was found."""
        self.by_external_id.pop(row["external_id"], None)
        self.by_email.pop(row["email_key"], None)

    def find(self, entry: Entry) -> list[Row]:
        """Who an entry is about: nobody, one user, or two by different ways (by external id first)."""
        ways = (self.by_external_id.get(entry.external_id or ""), self.by_email.get(entry.email_key or ""))
        return list({row["id"]: row for row in ways if row is not None}.values())


def write(connection: sa.Connection, writing: Writing, entries: Sequence[Entry]) -> list[Result]:
    """Stores a batch; one result per entry, in their order.

    Raises:
        IntegrityError: somebody else took an address or id at the same moment, or the entries pass one on among
            themselves; then `write_one_by_one` does it.
    """
    known = look_up(connection, writing.organisation, entries)
    touched: dict[str, Row] = {}
    results = [_settle(known, writing, entry, touched) for entry in entries]
    _store(connection, touched.values())
    return results


def write_one_by_one(connection: sa.Connection, writing: Writing, entries: Sequence[Entry]) -> list[Result]:
    """The same, each entry for itself, so that a bad one fails alone."""
    known = look_up(connection, writing.organisation, entries)
    results = []
    for entry in entries:
        before = [dict(row) for row in known.find(entry)]
        touched: dict[str, Row] = {}
        result = _settle(known, writing, entry, touched)
        try:
            with connection.begin_nested():
                _store(connection, touched.values())
        except sa.exc.IntegrityError:
            for row in touched.values():
                known.drop(row)
            for row in before:
                known.add(row)
            result = Result(entry, "failed", error=CLASH)
        results.append(result)
    return results


def look_up(connection: sa.Connection, organisation: str, entries: Iterable[Entry]) -> Known:
    """All users that the entries name, in one query; those of entries that fail anyhow are not asked for."""
    asked = [entry for entry in entries if entry.error is None]
    external_ids = list({entry.external_id for entry in asked if entry.external_id is not None})
    emails = list({entry.email_key for entry in asked})
    known = Known()
    if not emails:
        return known
    if connection.dialect.name == "postgresql":
        found = connection.exec_driver_sql(
            _LOOK_UP.format(ids="= ANY(%s)", emails="= ANY(%s)", mark="%s"),
            (organisation, external_ids, organisation, emails, external_ids),
        )
    else:
        ids, keys = (f"IN ({', '.join('?' * len(values)) or 'NULL'})" for values in (external_ids, emails))
        found = connection.exec_driver_sql(
            _LOOK_UP.format(ids=ids, emails=keys, mark="?"),
            (organisation, *external_ids, organisation, *emails, *external_ids),
        )
    for values in found.cursor.fetchall():
        known.add(dict(zip(NAMES, values, strict=True)))
    return known


def _settle(known: Known, writing: Writing, entry: Entry, touched: dict[str, Row]) -> Result:
    if entry.error is not None:
        return Result(entry, "failed", error=entry.error)
    found = known.find(entry)
    if len(found) > 1:
        return Result(entry, "failed", error=CONFLICT)
    # a user that a lost transaction of ours did store after all bears this batch's moment
    status = "updated" if found and found[0]["created_at"] != writing.at else "created"
    row = found[0] if found else _new(writing)
    if found and row["id"] in touched:
        status = "updated"
    was_active = bool(found and row["is_active"])
    known.drop(row)
    _apply(row, entry, writing)
    known.add(row)
    touched[row["id"]] = row
    return Result(entry, status, row["id"], was_deactivated=was_active and not row["is_active"])


def _new(writing: Writing) -> Row:
    # ids that grow lie side by side in the index
    row = _NEW | {"id": f"{writing.at:014x}{secrets.token_hex(9)}", "tenant_id": writing.organisation}
    return row | {"created_at": writing.at, "updated_at": writing.at}


def _apply(row: Row, entry: Entry, writing: Writing) -> None:
    before = dict(row)
    row.update(entry.values)
    row["email"], row["email_key"] = (entry.email or "").strip(), entry.email_key
    if entry.external_id is not None:
        row["external_id"] = entry.external_id
    if entry.more:
        row["metadata"] = orjson.dumps({**orjson.loads(row["metadata"]), **entry.more}).decode()
    _name(row, before, entry.full_name)
    if row != before:
        row["updated_at"] = writing.at
    row["synced_from"], row["last_synced_at"] = writing.contract, writing.at


def _name(row: Row, before: Row, full_name: str | None) -> None:
    """Keeps the whole name and its parts in step; parts that already make the name are better than a guess."""
    if full_name is None:
        if (row["first_name"], row["last_name"]) != (before["first_name"], before["last_name"]) or not row["name"]:
            row["name"] = f"{row['first_name']} {row['last_name']}".strip()
        return
    if f"{row['first_name']} {row['last_name']}".strip() != full_name:
        first, _, last = full_name.partition(" ")
        row["first_name"], row["last_name"] = first, last.strip()
    row["name"] = full_name


def _store(connection: sa.Connection, touched: Iterable[Row]) -> None:
    written = list(touched)
    if (
        connection.dialect.name == "postgresql"
    ):  # one statement and one parameter: each of its own is a trip to the server
        connection.exec_driver_sql(_STORE_JSON, (orjson.dumps(written).decode(),))
    else:
        rows.upsert(connection, users, [tuple(row.values()) for row in written], NAMES)
