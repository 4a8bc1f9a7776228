"""Build models: only those whose text or inputs changed, each swapped in whole.

`meta.builds` remembers of every table the fingerprint it was built from. A table that no model makes has the
fingerprint its own stage recorded (`record_build`), or else a hash of its content.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import md5

import duckdb

from pipelines.warehouse.models import Model, ident

BUILDS = """create table if not exists meta.builds (
    table_name varchar primary key, fingerprint varchar, built_at timestamptz, rows bigint,
    text varchar, inputs map(varchar, varchar))"""


@dataclass(frozen=True)
class Build:
    """What became of one model. `reason` says why it was rebuilt, or that it is unchanged."""

    table: str
    rows: int
    rebuilt: bool
    reason: str
    seconds: float


@dataclass(frozen=True)
class Recorded:
    """One row of meta.builds."""

    fingerprint: str
    rows: int
    text: str | None
    inputs: dict[str, str]


def build(
    con: duckdb.DuckDBPyConnection, models: Sequence[Model], versions: Mapping[str, str] | None = None
) -> list[Build]:
    """Build the models in the order given (see `read_models`), leaving alone those whose inputs did not change.

    Each table is written and recorded in one transaction: a kill at any instant leaves the whole old or the whole new
    one. A table that a part of the models needs may be made by anything between two calls.

    Args:
        con: a warehouse opened for writing.
        models: sorted models, or a part of them.
        versions: fingerprints of sources, where the caller knows better than meta.builds.

    Raises:
        duckdb.Error: a model's SQL failed; its old table stays, the models before it are built.
    """
    con.execute(BUILDS)
    recorded = read_builds(con)
    known: dict[str, str] = dict(versions or {})
    builds = []
    for model in models:
        inputs = {name: _version(con, name, known, recorded) for name in sorted(model.inputs)}
        done = _build_one(con, model, inputs, recorded.get(model.table))
        known[model.table] = _fingerprint(model.fingerprint, inputs)
        builds.append(done)
    return builds


def read_builds(con: duckdb.DuckDBPyConnection) -> dict[str, Recorded]:
    """meta.builds by table name."""
    rows = con.execute("select table_name, fingerprint, rows, text, inputs from meta.builds").fetchall()
    return {name: Recorded(fingerprint, count, text, inputs or {}) for name, fingerprint, count, text, inputs in rows}


def record_build(con: duckdb.DuckDBPyConnection, table: str, fingerprint: str, rows: int) -> None:
    """Say what a table that no model makes was made from; call it in the transaction that writes the table."""
    con.execute(BUILDS)
    _record(con, table, Recorded(fingerprint, rows, None, {}))


def content_hash(con: duckdb.DuckDBPyConnection, table: str) -> str:
    """Hash of all rows of a table or view, whatever their order."""
    row = con.execute(f"select count(*), sum(hash(t)::hugeint) from {quoted(table)} t").fetchall()[0]
    shape = con.execute(f"describe {quoted(table)}").fetchall()
    return md5(repr((row, shape)).encode(), usedforsecurity=False).hexdigest()


def exists(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Whether a table or view of this name, schema.table, is there."""
    schema, _, name = table.partition(".")
    found = con.execute(
        "select count(*) from information_schema.tables "
        "where table_catalog = current_database() and table_schema = $1 and table_name = $2",
        [schema, name],
    ).fetchall()
    return bool(found[0][0])


def _version(
    con: duckdb.DuckDBPyConnection, table: str, known: dict[str, str], recorded: Mapping[str, Recorded]
) -> str:
    if table not in known:
        row = recorded.get(table)
        known[table] = row.fingerprint if row else content_hash(con, table)
    return known[table]


def _build_one(con: duckdb.DuckDBPyConnection, model: Model, inputs: dict[str, str], last: Recorded | None) -> Build:
    started = time.perf_counter()
    reason = _why(model, inputs, last) or ("" if exists(con, model.table) else "its table is gone")
    if not reason and last is not None:
        return Build(model.table, last.rows, False, "unchanged", time.perf_counter() - started)
    con.execute("begin transaction")
    try:
        con.execute(f"create or replace table {quoted(model.table)} as {model.sql}")
        rows = int(con.execute(f"select count(*) from {quoted(model.table)}").fetchall()[0][0])
        new = Recorded(_fingerprint(model.fingerprint, inputs), rows, model.fingerprint, inputs)
        _record(con, model.table, new)
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise
    return Build(model.table, rows, True, reason, time.perf_counter() - started)


def _why(model: Model, inputs: dict[str, str], last: Recorded | None) -> str:
    if last is None:
        return "new"
    reasons = ["its text changed"] if last.text != model.fingerprint else []
    changed = [name for name, version in inputs.items() if last.inputs.get(name) != version]
    return ", ".join(reasons + [f"{name} changed" for name in changed])


def _fingerprint(text: str, inputs: Mapping[str, str]) -> str:
    return md5(repr((text, sorted(inputs.items()))).encode(), usedforsecurity=False).hexdigest()


def _record(con: duckdb.DuckDBPyConnection, table: str, new: Recorded) -> None:
    con.execute(
        "insert or replace into meta.builds values ($1, $2, now(), $3, $4, map($5::varchar[], $6::varchar[]))",
        [table, new.fingerprint, new.rows, new.text, list(new.inputs), list(new.inputs.values())],
    )


def quoted(table: str) -> str:
    """schema.table as SQL, whatever characters a name has."""
    return ".".join(ident(part) for part in table.split("."))
