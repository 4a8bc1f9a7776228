"""Writes documents into the index, and takes them out."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence

import duckdb

from pipelines.service.search.documents import CALLING_CODE, spelt_sql, starts_sql

CHUNK = 5_000


def add(duck: duckdb.DuckDBPyConnection, con: sqlite3.Connection, entity: str, *, whole: bool) -> None:
    """Adds the documents of the temporary tables `docs` and `originals`; within the caller's transaction.

    Args:
        duck: where the tables are.
        con: the index.
        entity: contacts or deals.
        whole: the index is empty, so that its parts may be made in one go.
    """
    last = con.execute(f"select coalesce(max(doc), 0) from {entity}_docs").fetchone()[0]
    duck.execute(
        f"""create or replace temp table numbered as
        select {last} + row_number() over (order by key) as doc, docs.*, originals.original
        from docs left join originals using (key)"""
    )
    for chunk in _rows(duck, "select doc, key, source, words, starts, raw_hash from numbered order by doc"):
        con.executemany(f"insert into {entity}_docs values (?, ?, ?, ?, ?, ?)", chunk)
    for chunk in _rows(duck, "select doc, row, original from numbered order by doc"):
        con.executemany(f"insert into {entity}_rows values (?, ?, ?)", chunk)
    if whole:
        con.execute(f"insert into {entity}_hay ({entity}_hay) values ('rebuild')")
    else:
        con.execute(
            f"insert into {entity}_hay (rowid, words) select doc, words from {entity}_docs where doc > ?", [last]
        )
    for chunk in _rows(duck, f"{starts_sql('numbered')} order by start, doc"):
        con.executemany(f"insert or ignore into {entity}_starts values (?, ?)", chunk)
    _add_words(duck, con, entity)


def _add_words(duck: duckdb.DuckDBPyConnection, con: sqlite3.Connection, entity: str) -> None:
    last = con.execute(f"select coalesce(max(word), 0) from {entity}_words").fetchone()[0]
    for chunk in _rows(duck, f"{spelt_sql('numbered')} order by word"):
        con.executemany(f"insert or ignore into {entity}_words (spelt) values (?)", chunk)
    fresh = con.execute(f"select word, spelt from {entity}_words where word > ?", [last]).fetchall()
    typos = ((variant, word) for word, spelt in fresh for variant in variants(spelt))
    con.executemany(f"insert or ignore into {entity}_typos values (?, ?)", typos)
    con.execute(
        f"insert into {entity}_grams (rowid, spelt) select word, spelt from {entity}_words where word > ?", [last]
    )


def variants(word: str) -> set[str]:
    """The word, and the word with any one letter left out: two words that are one slip apart share one of them."""
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


def remove(con: sqlite3.Connection, entity: str, keys: Sequence[str]) -> None:
    """Takes documents out; within the caller's transaction. Keys that are not there are none."""
    con.execute("create temp table if not exists gone (doc integer primary key)")
    con.execute("delete from gone")
    found = f"insert or ignore into gone select doc from {entity}_docs where key = ?"
    con.executemany(found, [(key,) for key in keys])
    con.execute(
        f"""insert into {entity}_hay ({entity}_hay, rowid, words)
        select 'delete', doc, words from {entity}_docs where doc in (select doc from gone)"""
    )
    docs = con.execute(f"select doc, starts from {entity}_docs where starts <> '' and doc in (select doc from gone)")
    starts = [(start, doc) for doc, text in docs.fetchall() for start in _starts(text)]
    con.executemany(f"delete from {entity}_starts where start = ? and doc = ?", starts)
    for table in ("docs", "rows"):
        con.execute(f"delete from {entity}_{table} where doc in (select doc from gone)")


def _starts(text: str) -> Iterator[str]:
    """Each way to begin the numbers and addresses: as `documents.starts_sql` has them."""
    for one in text.split():
        yield one
        if not one.startswith("e"):
            yield from (re.sub(CALLING_CODE, "", one), f"r{one[::-1]}")


def _rows(duck: duckdb.DuckDBPyConnection, query: str) -> Iterator[list[tuple[object, ...]]]:
    found = duck.execute(query)
    while chunk := found.fetchmany(CHUNK):
        yield chunk
