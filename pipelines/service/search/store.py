"""The file of the index: SQLite, with FTS5 for words and trigrams, and ordinary tables for telephone numbers.

For each entity:

    <entity>_docs     one row is one source record: its key, its words, its telephone numbers
    <entity>_rows     the same record as it is answered: its row as JSON, and what the CRM sent
    <entity>_hay      FTS5 over the words: whole ones and prefixes
    <entity>_starts   one row is one way to begin a telephone number (national, international, from its end) or an
                      e-mail address
    <entity>_words    one row is one word of a name, company, town or mail host: what may be meant by its beginning
    <entity>_typos    one row is one word with a letter left out (two words a slip apart share one)
    <entity>_grams    FTS5 with trigrams over the words, for pieces of them

`published/search.sqlite` is a link to the file in use; a new one is made beside it only where the index cannot be
brought up to date from what changed.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from pipelines.connections.owner import Owner

ENTITIES = ("contacts", "deals")
VERSION = "2"
BUSY_SECONDS = 30
_TABLES = """
create table {e}_docs (doc integer primary key, key text not null unique, source text not null, words text not null,
    starts text not null, raw_hash text);
create table {e}_rows (doc integer primary key, row text not null, original text);
create virtual table {e}_hay using fts5(words, content='{e}_docs', content_rowid='doc', detail=none,
    prefix='1 2 3', tokenize="unicode61 remove_diacritics 2");
create table {e}_starts (start text not null, doc integer not null, primary key (start, doc)) without rowid;
create table {e}_words (word integer primary key, spelt text not null unique);
create table {e}_typos (variant text not null, word integer not null, primary key (variant, word)) without rowid;
create virtual table {e}_grams using fts5(spelt, content='{e}_words', content_rowid='word', tokenize='trigram');
"""


def link(owner: Owner) -> Path:
    """What names the index in use."""
    return owner.published_dir / "search.sqlite"


def create(path: Path) -> sqlite3.Connection:
    """A new, empty index, open for writing."""
    path.unlink(missing_ok=True)
    con = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)
    # Nobody reads it yet, and a half-made one is thrown away.
    con.execute("pragma journal_mode = off")
    con.execute("pragma synchronous = off")
    con.execute("pragma cache_size = -65536")
    con.execute("create table meta (name text primary key, value text not null)")
    for entity in ENTITIES:
        con.executescript(_TABLES.format(e=entity))
    return con


def open_to_write(path: Path) -> sqlite3.Connection:
    """The index in use; readers are not held up."""
    con = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)
    con.execute("pragma synchronous = normal")
    return con


def open_to_read(path: Path) -> sqlite3.Connection:
    """The index for one thread."""
    con = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, timeout=BUSY_SECONDS)
    con.execute("pragma query_only = on")
    con.execute("pragma mmap_size = 1073741824")
    return con


def current(owner: Owner) -> Path | None:
    """The file in use; None where there is none."""
    try:
        return link(owner).resolve(strict=True)
    except OSError:
        return None


def put_in_use(owner: Owner, path: Path) -> None:
    """Makes a new file the one in use, and removes the others; who reads one of them goes on."""
    new = link(owner).with_name(".search.new")
    new.unlink(missing_ok=True)
    new.symlink_to(os.path.relpath(path, link(owner).parent))
    new.replace(link(owner))
    for old in owner.published_dir.glob("search-*.sqlite*"):
        if not old.name.startswith(path.name):
            old.unlink(missing_ok=True)


def meta(con: sqlite3.Connection) -> dict[str, str]:
    """What the index says of itself."""
    return dict(con.execute("select name, value from meta").fetchall())


def set_meta(con: sqlite3.Connection, **values: str) -> None:
    """Notes what the index was made from."""
    con.executemany("insert or replace into meta values (?, ?)", list(values.items()))
