"""A labelled file of any size through `unify`: staged to golden, then one in a hundred changed, beside Splink.

    python bench/identity_size.py FILE [--changed 0.01] [--no-splink] [--region US]

FILE is a CSV or Parquet file as bench/identity.py takes them. Its records are staged as those of one connection (that
is not timed; telephone numbers are parsed there), then unify makes golden records of them: ids, survivorship, lineage
and the identity itself. Afterwards one record in a hundred gets another's telephone number, mailbox or street, or is
new, and unify runs again; the clusters it leaves are compared with those of a run that looks at everyone, with the
model and the frequencies as they were. Splink's published settings run on the same records in a process of their own,
which begins when mailboxes and telephones are in one writing and placeholders are NULL, as its documentation asks.

The matching alone is measured once more, ours and Splink tuned for contacts, each in a process of its own: it begins
with normalised columns (ours, for both; what normalising takes is said, too) and ends with clusters. Counting values,
training or calibrating, finding pairs, weighing them and putting clusters together are part of it.

Seconds are of the clock, CPU seconds of all threads: where other programs share the cores only the latter compare.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.identity import load
from pipelines.connections.owner import Owner
from pipelines.mapping.load import load_schemas
from pipelines.state.database import State, open_state
from pipelines.unify.clusters import find_clusters
from pipelines.unify.identity import match as matching
from pipelines.unify.identity.declaration import load_declaration
from pipelines.unify.identity.evaluate import evaluate
from pipelines.unify.identity.records import make_records
from pipelines.unify.identity.splink_settings import as_splink_asks, published_clusters, tuned_clusters
from pipelines.unify.rules import Plan
from pipelines.unify.run import unify
from pipelines.unify.sources import Source
from pipelines.unify.staged import EDITS, SYSTEM_COLUMNS, TRAILING_COLUMNS
from pipelines.warehouse.build import record_build
from pipelines.warehouse.connect import open_warehouse

SCHEMA = load_schemas(Path(__file__).resolve().parents[1] / "schemas")["contacts"]
WIDTH = 38
SPLINK_MAY_TAKE = 600
SYSTEM = {
    "record_key": "record_key",
    "connection": "'file'",
    "source_id": "split_part(record_key, ':', 2)",
    "is_deleted": "false",
    "is_in_scope": "true",
    "custom": "'{}'",
    "raw_hash": "''",
    "values_hash": "hash(p)",
}


def stage(con: duckdb.DuckDBPyConnection, version: str) -> None:
    """Fill `staging.contacts` from `people`; `version` says to unify which staging it is."""
    theirs = {row[0] for row in con.execute("describe people").fetchall()} - {"record_key", "truth"}
    fields = {name: field.duckdb_type for name, field in SCHEMA.fields.items()}
    chosen = []
    for name, kind in {**SYSTEM_COLUMNS, **fields, **TRAILING_COLUMNS}.items():
        value = (
            name if name in theirs else SYSTEM.get(name, "timestamptz '2026-01-01'" if name.endswith("_at") else "null")
        )
        chosen.append(f'({value})::{kind} as "{name}"')
    con.execute(f"create or replace table staging.contacts as select {', '.join(chosen)} from people as p")
    empty = ", ".join(f'null::{kind} as "{name}"' for name, kind in EDITS.items())
    con.execute(f"create or replace table staging.contacts_edits as select {empty} where false")
    for table in ("contacts", "contacts_edits"):  # as staging does: it knows what it made
        record_build(con, f"staging.{table}", version, 0)


def change(con: duckdb.DuckDBPyConnection, share: float) -> None:
    """Another's telephone, mailbox or street for one half of the share of `people`; the other half are new."""
    theirs = {row[0] for row in con.execute("describe people").fetchall()} - {"record_key", "truth"}
    moved = [name for name in ("phone", "email", "street", "last_name") if name in theirs]
    places = ", ".join(
        f"case when hash(p.record_key, 3) % {len(moved)} = {n} then q.{name} else p.{name} end as {name}"
        for n, name in enumerate(moved)
    )
    one_in = round(2 / share)
    con.execute(
        f"""create or replace table people as
            with chosen as (
                select *, row_number() over (order by hash(record_key, 1)) as place
                from people where hash(record_key, 2) % {one_in} = 0
            ),
            changed as (
                select p.* exclude (place) replace ({places})
                from chosen as p join chosen as q on q.place = p.place % (select count(*) from chosen) + 1
            )
            select * from people where hash(record_key, 2) % {one_in} <> 0
            union all by name
            select * from changed
            union all by name
            select * replace (record_key || '+' as record_key) from people where hash(record_key, 2) % {one_in} = 1"""
    )


@dataclass(frozen=True)
class Spent:
    """What a step took: seconds of the clock, and of all threads."""

    seconds: float
    cpu: float


def line(what: str, work: Callable[[], object], more: Callable[[], str] = lambda: "") -> Spent:
    """Run one step and print it."""
    began, used = time.perf_counter(), time.process_time()
    work()
    spent = Spent(time.perf_counter() - began, time.process_time() - used)
    report(what, spent, more())
    return spent


def report(what: str, spent: Spent, more: str = "") -> None:
    """One line of the table, with the most memory that the process had so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{what:{WIDTH}} {spent.seconds:8.2f} {spent.cpu:8.2f} {peak:8.2f}  {more}".rstrip(), flush=True)


def quality(con: duckdb.DuckDBPyConnection, clusters: str) -> str:
    """How good the clusters are, as text."""
    found = evaluate(con, clusters, "people")
    return (
        f"F1 {found.f1:.4f}, precision {found.precision:.4f}, recall {found.recall:.4f}, "
        f"most people in one {found.most_people}"
    )


def published(con: duckdb.DuckDBPyConnection) -> None:
    """Splink's published settings on the same records."""
    as_splink_asks(con, "people", "asked")
    line("Splink, published settings", lambda: published_clusters(con, "asked", "found"), lambda: quality(con, "found"))


def tuned(con: duckdb.DuckDBPyConnection) -> None:
    """Splink tuned for contacts, on normalised columns."""
    make_records(con, "people")
    line(
        "matching alone: Splink tuned",
        lambda: tuned_clusters(con, "identity_records", "found"),
        lambda: quality(con, "found"),
    )


def alone(con: duckdb.DuckDBPyConnection) -> None:
    """Our matching, on normalised columns."""
    columns: list[set[str]] = []
    line("normalising", lambda: columns.append(make_records(con, "people")))
    matching.make_records = lambda *_: columns[0]  # type: ignore[assignment]
    line(
        "matching alone: ours",
        lambda: matching.match(con, "people", load_declaration("contacts")),
        lambda: quality(con, "unified.contact_clusters"),
    )


APART = {"splink": published, "tuned": tuned, "alone": alone}
"""What runs in a process of its own."""


def apart(options: argparse.Namespace, what: str) -> Spent | None:
    """Print the lines of a process of its own; what its last step took, None where it was not done in time."""
    command = [sys.executable, __file__, str(options.file), "--only", what, "--region", options.region]
    try:
        told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SPLINK_MAY_TAKE).stdout
    except subprocess.TimeoutExpired:
        print(f"{what}: not done after {SPLINK_MAY_TAKE} seconds")
        return None
    print(told, end="")
    seconds, cpu = (float(word) for word in told.splitlines()[-1][WIDTH:].split()[:2])
    return Spent(seconds, cpu)


def beside(what: str, ours: Spent | None, theirs: Spent | None) -> None:
    """Print how many times as long ours took."""
    if ours and theirs:
        clock, cpu = ours.seconds / theirs.seconds, ours.cpu / theirs.cpu
        print(f"{what}: {clock:.2f} of the clock, {cpu:.2f} of the CPU time")


def fingerprint(con: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    """One number for the clusters, whatever they are called and however they are ordered, and one for the ids."""
    query = """select bit_xor(hash(record_key, cluster)), count(*) from golden.contact_clusters
        union all select bit_xor(hash(record_key, contact_id)), count(*) from unified.contact_sources"""
    return sorted(con.execute(query).fetchall())


def ours(con: duckdb.DuckDBPyConnection, state: State, options: argparse.Namespace) -> tuple[Spent, bool]:
    """Print our lines; what a full run took, and whether a partial one left what a full one leaves."""
    who: list[Spent] = []

    def find(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
        began, used = time.perf_counter(), time.process_time()
        find_clusters(con, plan)
        who.append(Spent(time.perf_counter() - began, time.process_time() - used))

    def golden() -> None:
        unify(con, state, {"contacts": SCHEMA}, [Source("file")], find=find)

    def told() -> str:
        return quality(con, "golden.contact_clusters")

    con.execute("set threads = 2")
    load(con, options.file, options.region)
    stage(con, "first")
    whole = line("staged to golden, all new", golden, told)
    report("  of that, who is who", who[0])
    if not options.changed:
        return whole, True
    change(con, options.changed)
    stage(con, "changed")
    part = line(f"staged to golden, {options.changed:.0%} changed", golden, told)
    partly = fingerprint(con)
    con.execute("drop table golden.contact_seen")
    con.execute("update meta.builds set fingerprint = '' where table_name = 'unified.contacts'")
    line("the same, everyone looked at", golden, told)
    is_equal = fingerprint(con) == partly
    print(
        f"changed / all new: {part.seconds / whole.seconds:.1%} of the clock, {part.cpu / whole.cpu:.1%} of the CPU "
        f"time; equal to a full run: {is_equal}"
    )
    return whole, is_equal


def main() -> None:
    """Measure one file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--changed", type=float, default=0.01, help="share of records; 0: only the first run")
    parser.add_argument("--region", default="US")
    parser.add_argument("--no-splink", action="store_true")
    parser.add_argument("--only", choices=sorted(APART), help="one part, in this process")
    options = parser.parse_args()
    if options.only:
        con = duckdb.connect(config={"memory_limit": "16GB", "threads": 2, "preserve_insertion_order": False})
        load(con, options.file, options.region)
        APART[options.only](con)
        return
    load_now = os.getloadavg()[0]
    print(f"{options.file.name}; {json.dumps({'cores': os.cpu_count(), 'other load': round(load_now, 1)})}")
    print(f"{'step':{WIDTH}} {'seconds':>8} {'CPU s':>8} {'peak GB':>8}", flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-identity-") as folder:
        owner = Owner("bench", Path(folder))
        with open_warehouse(owner) as con, open_state(owner) as state:
            whole, is_equal = ours(con, state, options)
    if not options.no_splink:
        beside("staged to golden / Splink published", whole, apart(options, "splink"))
        beside("matching alone / Splink tuned", apart(options, "alone"), apart(options, "tuned"))
    sys.exit(0 if is_equal else 1)


if __name__ == "__main__":
    main()
