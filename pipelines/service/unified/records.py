"""Contacts and deals of an owner, by source: from the published file, and what is entered here from the state."""

from __future__ import annotations

import base64
import binascii
import heapq
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import duckdb
import orjson

from pipelines.connections.owner import Owner
from pipelines.service.connections import LOCAL
from pipelines.service.errors import ServiceError
from pipelines.service.search.find import Hit
from pipelines.service.unified import local, searching
from pipelines.service.unified.shapes import SINGULAR, rows_sql, with_original
from pipelines.state import local_records

if TYPE_CHECKING:
    from pipelines.service.context import Context

CHUNK = 500


def hits(
    context: Context, owner: Owner, entity: str, *, source: str | None = None, after: str = "", limit: int | None = None
) -> Iterator[Hit]:
    """Source records by record key.

    Args:
        context: the running service.
        owner: whose; no other's (law L13).
        entity: contacts or deals.
        source: only of this one.
        after: only those behind this record key.
        limit: at most so many.
    """
    searching.bring_up(context, owner)
    found = heapq.merge(
        _published(context, owner, entity, source, after, limit) if source != LOCAL else iter(()),
        _local(context, owner, entity, after) if source in (None, LOCAL) else iter(()),
        key=lambda hit: hit.key,
    )
    return islice(found, limit) if limit is not None else found


def as_json(hit: Hit) -> str:
    """A record in the contract's words, as JSON text."""
    source_id = orjson.dumps(hit.key.partition(":")[2]).decode()
    return with_original(hit.row, source_id, hit.original)


def counts(context: Context, owner: Owner) -> dict[str, dict[str, int]]:
    """How many live records of each entity each source has: {"north": {"contacts": 12, "deals": 3}}."""
    found: dict[str, dict[str, int]] = {}
    for entity in SINGULAR:
        query = f"""select connection, count(*) from staging.{entity}
            where not is_deleted and connection <> '{LOCAL}' group by 1"""
        for source, number in context.published.rows(owner, query):
            found.setdefault(str(source), {})[entity] = int(number)
        number = local_records.count(context.state_of(owner), entity)
        if number:
            found.setdefault(LOCAL, {})[entity] = number
    return found


def cursor_of(key: str) -> str:
    """What names the place behind a record."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def key_of(cursor: str) -> str:
    """The record key in a cursor.

    Raises:
        ServiceError: 400, it is none of ours.
    """
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise ServiceError(400, "Invalid cursor") from None


def _published(
    context: Context, owner: Owner, entity: str, source: str | None, after: str, limit: int | None
) -> Iterator[Hit]:
    where, values = f" and s.connection <> '{LOCAL}' and s.record_key > ?", [after]
    if source is not None:
        where, values = f"{where} and s.connection = ?", [after, source]
    most = "" if limit is None else f" limit {int(limit)}"
    with context.published.cursor(owner) as cursor:
        if cursor is None:
            return
        try:
            found = cursor.execute(f"{rows_sql(entity)}{where} order by key{most}", values)
        except duckdb.CatalogException:
            return
        while chunk := found.fetchmany(CHUNK):
            originals = context.searcher.originals(owner, entity, [row[0] for row in chunk])
            yield from (Hit(key, name, row, originals.get(key)) for key, name, row in chunk)


def _local(context: Context, owner: Owner, entity: str, after: str) -> Iterator[Hit]:
    found = [one for one in local_records.load(context.state_of(owner), entity) if one.key > after]
    return (Hit(*row) for row in local.rows(context, owner, entity, found))
