"""Keeps the index current: made whole once, and then from what differs between two published files."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import duckdb

from pipelines.connections.locks import lock
from pipelines.connections.owner import Owner
from pipelines.service.search import store, write
from pipelines.service.search.documents import documents_sql
from pipelines.service.unified.shapes import CONTACTS, SINGULAR
from pipelines.warehouse.connect import configuration
from pipelines.warehouse.models import ident, literal

WAIT_SECONDS = 600
LACKING = "lacking_originals_of"
Refreshed = Literal["nothing", "same", "partly", "whole"]


def refresh(owner: Owner, *, wait_seconds: float = WAIT_SECONDS) -> Refreshed:
    """Brings the index up to what is published now: the step after publish.

    Readers are never held up, and never see half of it.

    Returns:
        nothing: nothing is published; same: it was current; partly: what changed was brought in; whole: made anew.

    Raises:
        LockHeld: another process is at it for longer than `wait_seconds`.
    """
    if not owner.crm.exists():
        return "nothing"
    if is_current(owner) and not _lacking(owner):
        return "same"
    with lock(owner, "search", "bringing the search index up to date", wait_seconds=wait_seconds):
        if is_current(owner):
            _fill(owner)
            return "same"
        return _refresh(owner, owner.crm.resolve(strict=True))


def is_current(owner: Owner) -> bool:
    """Whether the index was made from what is published now."""
    said = _said(owner)
    return said.get("version") == store.VERSION and said.get("made_from") == owner.crm.resolve().name


def _said(owner: Owner) -> dict[str, str]:
    path = store.current(owner)
    if path is None:
        return {}
    try:
        con = store.open_to_read(path)
    except sqlite3.OperationalError:
        return {}
    try:
        return store.meta(con)
    except sqlite3.DatabaseError:
        return {}
    finally:
        con.close()


def _lacking(owner: Owner) -> list[str]:
    """Sources whose log was being written to when their records' originals were wanted."""
    return [name for name in _said(owner).get(LACKING, "").split(",") if name]


def _fill(owner: Owner) -> None:
    """Gets the originals that could not be had before."""
    path, lacking = store.current(owner), _lacking(owner)
    if path is None or not lacking:
        return
    con = store.open_to_write(path)
    duck = duckdb.connect(config={"threads": 1})
    still: set[str] = set()
    try:
        con.execute("begin immediate")
        for entity in store.ENTITIES:
            duck.execute("create or replace temp table docs (key varchar, source varchar, raw_hash varchar)")
            without = (
                f"select key, source, raw_hash from {entity}_docs join {entity}_rows using (doc) where original is null"
            )
            rows = con.execute(without).fetchall()
            if rows:
                duck.executemany("insert into docs values (?, ?, ?)", rows)
            still |= set(_originals(duck, owner, entity))
            found = duck.execute("select original, key from originals").fetchall()
            one = f"doc = (select doc from {entity}_docs where key = ?)"
            con.executemany(f"update {entity}_rows set original = ? where {one}", found)
        store.set_meta(con, **{LACKING: ",".join(sorted(still & set(lacking)))})
        con.execute("commit")
    finally:
        duck.close()
        con.close()


def _refresh(owner: Owner, published: Path) -> Refreshed:
    path, before = store.current(owner), None
    if path is not None:
        said = _said(owner)
        before = owner.published_dir / said.get("made_from", "-")
        if said.get("version") != store.VERSION or not before.is_file():
            before = None
    with _opened(owner, published, before) as duck:
        if path is not None and before is not None:
            _update(duck, owner, path, published)
            return "partly"
        _make(duck, owner, published)
    return "whole"


def _make(duck: duckdb.DuckDBPyConnection, owner: Owner, published: Path) -> None:
    path = owner.published_dir / f"search-{secrets.token_hex(6)}.sqlite"
    con = store.create(path)
    lacking: set[str] = set()
    try:
        con.execute("begin")
        for entity in store.ENTITIES:
            duck.execute(f"create or replace temp table docs as {documents_sql(entity)}")
            lacking |= set(_originals(duck, owner, entity))
            write.add(duck, con, entity, whole=True)
        store.set_meta(con, version=store.VERSION, made_from=published.name, **{LACKING: ",".join(sorted(lacking))})
        con.execute("commit")
        con.execute("pragma journal_mode = wal")
    finally:
        con.close()
    store.put_in_use(owner, path)


def _update(duck: duckdb.DuckDBPyConnection, owner: Owner, path: Path, published: Path) -> None:
    con = store.open_to_write(path)
    lacking = set(_lacking(owner))
    try:
        con.execute("begin immediate")
        for entity in store.ENTITIES:
            gone = _differences(duck, entity)
            query = documents_sql(entity)
            duck.execute(f"create or replace temp table docs as from ({query}) where key in (select key from fresh)")
            lacking |= set(_originals(duck, owner, entity))
            write.remove(con, entity, gone)
            write.add(duck, con, entity, whole=False)
        store.set_meta(con, made_from=published.name, **{LACKING: ",".join(sorted(lacking))})
        con.execute("commit")
    finally:
        con.close()


@contextmanager
def _opened(owner: Owner, published: Path, before: Path | None) -> Iterator[duckdb.DuckDBPyConnection]:
    con = duckdb.connect(config={**configuration(owner.root / "spill"), "threads": 1})
    try:
        con.execute("set TimeZone = 'UTC'")
        con.execute(f"attach {literal(published)} as published (read_only)")
        if before is not None:
            con.execute(f"attach {literal(before)} as before (read_only)")
        con.execute("use published")
        yield con
    finally:
        con.close()


def _differences(duck: duckdb.DuckDBPyConnection, entity: str) -> list[str]:
    """Fills `fresh` with the keys that are new or changed; gives back those that changed or are no more."""
    for catalog in ("before", "published"):
        duck.execute(f"use {catalog}")
        duck.execute(f"create or replace temp table signs_{catalog} as {_signs_sql(entity)}")
    duck.execute("create or replace temp table fresh as (from signs_published except from signs_before)")
    return [
        str(key)
        for (key,) in duck.execute(
            "select key from (from signs_before except from signs_published) union select key from fresh"
        ).fetchall()
    ]


def _signs_sql(entity: str) -> str:
    """(key, sign) of each record: another sign, another document."""
    if entity != CONTACTS:  # their rows name other records' golden ids
        return f"select key, hash(row, words, raw_hash) as sign from ({documents_sql(entity)})"
    singular = SINGULAR[entity]
    return f"""select s.record_key as key, hash(s.raw_hash, s.values_hash, g.{singular}_id) as sign
        from staging.{entity} as s left join unified.{singular}_sources as g on g.record_key = s.record_key
        where not s.is_deleted"""


def _originals(duck: duckdb.DuckDBPyConnection, owner: Owner, entity: str) -> list[str]:
    """Fills `originals` with the records as the CRMs sent them; gives back sources whose log is being written to."""
    lacking: list[str] = []
    duck.execute("create or replace temp table originals (key varchar, original varchar)")
    for (source,) in duck.execute("select distinct source from docs order by 1").fetchall():
        path = owner.raw(str(source))
        if not path.exists():
            continue
        try:
            duck.execute(f"attach {literal(path)} as log (read_only)")
        except duckdb.Error:
            lacking.append(str(source))
            continue
        try:
            duck.execute(
                f"""insert into originals select d.key, log.record::varchar
                from docs as d join log.raw.{ident(entity)} as log
                on d.source = {literal(str(source))} and log.hash = d.raw_hash
                    and d.key = {literal(f"{source}:")} || log.id
                qualify row_number() over (partition by d.key order by log.seen desc) = 1"""
            )
        except duckdb.CatalogException:
            pass  # a log that lacks this entity
        finally:
            duck.execute("detach log")
    return lacking


if __name__ == "__main__":
    import sys

    os.nice(5)
    print(refresh(Owner(sys.argv[2], Path(sys.argv[1]))))
