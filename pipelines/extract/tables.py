"""Connections of kind table: what people entered here, and users that an identity system pushed in.

They lie in state, and go the same way as any CRM's records: whole each time, compared by content, a batch at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from pipelines.connections.connection import Connection
from pipelines.connections.errors import SettingsError
from pipelines.connections.owner import SERVICE_OWNER, Owner
from pipelines.mapping.problems import listed
from pipelines.state import rows
from pipelines.state.database import State, open_state
from pipelines.state.service_tables import local_records, users

if TYPE_CHECKING:
    import pyarrow as pa

_TIME = "strftime({0} at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ') as {0}"


@dataclass(frozen=True)
class Kept:
    """One table that can be read.

    Attributes:
        columns: of the table in state.
        where: rows of a connection and an entity.
        record: SQL of a row's record.
        of_service: the table lies in the state of the service, not of the owner.
    """

    columns: tuple[sa.Column[Any], ...]
    where: Callable[[Connection, str], ColumnElement[bool]]
    record: str
    of_service: bool = False


_USER_COLUMNS = tuple(c for c in users.columns if c.name not in ("email_key", "last_synced_at", "synced_from"))
_LISTS = ("roles", "permissions", "allowed_applications", "metadata")


def _user_record() -> str:
    told = [
        _TIME.format(c.name) if rows.is_moment(c) else f"{c.name}::json as {c.name}" if c.name in _LISTS else c.name
        for c in _USER_COLUMNS
    ]
    return f"select to_json(u) as record from (select {', '.join(told)} from batch) u"


_LOCAL_RECORD = f"""select json_merge_patch(record::json, json_object(
        'id', record_id, 'created_at', created_at, 'updated_at', updated_at, 'deleted', deleted)) as record
    from (select record, record_id, {_TIME.format("created_at")}, {_TIME.format("updated_at")},
        deleted_at is not null as deleted from batch)"""

TABLES = {
    "users": Kept(
        _USER_COLUMNS, lambda connection, _: users.c.tenant_id == (connection.wire.path or ""), _user_record(),
        of_service=True,
    ),
    "local_records": Kept(
        tuple(local_records.columns), lambda _, entity: local_records.c.entity == entity, _LOCAL_RECORD
    ),
}  # fmt: skip
"""What `extract: {path: ...}` may name. Users are those of the organisation that `connection: {path: ...}` names."""


def batches(connection: Connection, state: State | None, name: str, entity: str) -> Iterator[pa.RecordBatch]:
    """Rows of a table as Arrow batches; `TABLES[name].record` makes records of one that bears the name `batch`.

    Raises:
        SettingsError: there is no such table.
    """
    from pipelines.state.arrow import read_arrow  # only where rows wait for it: importing Arrow takes long

    kept = _table(connection, name)
    with _opened(connection.owner, state, kept) as opened, opened.read() as found:
        yield from read_arrow(found, kept.columns, kept.where(connection, entity))


def has_rows(connection: Connection) -> bool:
    """Whether any of the connection's tables has rows for it."""
    for name, entity in connection.entities.items():
        kept = _table(connection, entity.extract.path)
        with _opened(connection.owner, None, kept) as opened, opened.read() as found:
            if found.execute(sa.select(sa.exists().where(kept.where(connection, name)))).scalar():
                return True
    return False


def _table(connection: Connection, name: str) -> Kept:
    if name not in TABLES:
        raise SettingsError(f"{connection.name}: extract: path: there is no table {name}; there are {listed(TABLES)}")
    return TABLES[name]


def _opened(owner: Owner, state: State | None, kept: Kept) -> Any:
    if kept.of_service:
        return open_state(Owner(SERVICE_OWNER, owner.data_dir))
    return nullcontext(state) if state is not None else open_state(owner)
