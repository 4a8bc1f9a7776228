"""The plan over a million golden contacts and three CRMs, beside one scan of the same tables with a hash.

    python bench/push_plan.py [golden records, default 1000000] [share that differs, default 0.001]

The tables are as staging and unify leave them: of eleven of the fifteen fields a third is empty, the records that
differ lie anywhere, and which they are is noted (by unify's own query, whose cost bench/models.py shows). The scan
reads, once, the columns that the plans read of the records that differ: those of golden contacts, of each CRM's
records, of who belongs to whom, and of what the lineage is made of. Beside it stands a scan of less: keys and compared
fields alone, without what the plan wants to know of a record beside its fields, and without lineage. Prints both
ratios, by the clock and by processor time, which says more where other programs run.

Seen on two idle processors, in three runs: 1.00 to 1.08 by the clock, 0.90 to 0.96 by processor time, 828 MB.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipelines.connections.connection import Connection, Settings
from pipelines.connections.owner import Owner
from pipelines.mapping.canonical import CanonicalField
from pipelines.mapping.language import Mapping
from pipelines.mapping.load import Schemas, load_schemas
from pipelines.push.plan import plan_all
from pipelines.state.database import State, open_state
from pipelines.unify.rules import plan_of
from pipelines.unify.sources import Source
from pipelines.unify.survivors import differences
from pipelines.warehouse.build import record_build
from pipelines.warehouse.connect import configuration
from pipelines.warehouse.filled import record_filled
from pipelines.warehouse.likeness import record_differences, table_of

CRMS = ("east", "north", "south")
FIELDS = [
    "first_name", "last_name", "email", "phone", "company", "job_title", "street", "city", "state_or_province",
    "postal_code", "country", "status", "rating", "lead_source", "notes",
]  # fmt: skip


def mapping(name: str) -> Mapping:
    """A CRM that takes all fifteen fields, notes only where it has none."""
    fields = {field: {"path": field, **({"write": "if_empty"} if field == "notes" else {})} for field in FIELDS}
    push = {"fields": FIELDS, "update_request": {"method": "PATCH", "path": "contacts/{id}"}}
    contacts = {"extract": {"path": "contacts"}, "id": "id", "fields": fields, "push": push}
    connection = {"kind": "http", "base_url": "http://127.0.0.1"}
    return Mapping.model_validate(
        {"crm": name, "label": name, "connection": connection, "entities": {"contacts": contacts}}
    )


def fill(con: duckdb.DuckDBPyConnection, schemas: Schemas, number: int, share: float) -> None:
    """Golden contacts, and a record of each in each CRM that agrees with it but for the given share."""
    for name in ("staging", "unified", "meta"):
        con.execute(f"CREATE SCHEMA {name}")
    fields = schemas["contacts"].fields
    values = ", ".join(f"{value(name, field)} AS {name}" for name, field in fields.items())
    con.execute(
        f"CREATE TABLE unified.contacts AS SELECT 'g' || lpad(i::varchar, 9, '0') AS contact_id, {values}, "
        f"{len(CRMS)}::BIGINT AS source_count, {list(CRMS)} AS connections, now() AS updated_at "
        f"FROM range({number}) AS t(i)"
    )
    for crm in CRMS:
        stage(con, crm, list(fields), number, share)
    union = " UNION ALL ".join(
        f"SELECT 'g' || source_id AS contact_id, record_key, connection, source_id, is_deleted, is_in_scope, "
        f"first_modified_at, {place}::UINTEGER AS position FROM staging.{crm}__contacts"
        for place, crm in enumerate(CRMS, 1)
    )
    con.execute(f"CREATE TABLE unified.contact_sources AS {union}")
    told = ", ".join(f"1::UINTEGER AS {name}__source, now() AS {name}__since" for name in fields)
    con.execute(f"CREATE TABLE unified.contact_provenance AS SELECT contact_id, {told} FROM unified.contacts")
    con.execute(
        "CREATE TABLE unified.contact_pins (contact_id VARCHAR, field VARCHAR, value VARCHAR, who VARCHAR, "
        "pinned_at TIMESTAMPTZ)"
    )
    record_build(con, "unified.contacts", "as filled", number)
    note(con, schemas)
    con.execute("CHECKPOINT")


def note(con: duckdb.DuckDBPyConnection, schemas: Schemas) -> None:
    """The differences, as unify notes them when it has made the golden records."""
    schema = schemas["contacts"]
    seen = plan_of(schema, [Source(crm) for crm in CRMS])
    union = " UNION ALL ".join(f"FROM staging.{crm}__contacts" for crm in CRMS)
    con.execute(f"CREATE TEMP VIEW staged AS {union}")
    con.execute(
        "CREATE TEMP TABLE placed AS SELECT record_key, contact_id AS golden_id, 2 AS tier, false AS is_plain "
        "FROM unified.contact_sources"
    )
    names = seen.context(staged="staged", present_rules=[rule for rule in seen.rules if rule.name in FIELDS])
    query = differences(seen, "unified.contacts", {**names, "pinned_fields": []})
    con.execute(f"CREATE TABLE {table_of(schema)} AS {query}")
    record_differences(con, schema)


def value(name: str, field: CanonicalField) -> str:
    """SQL of a field of golden record `i`: of each from the fifth on, a third is empty."""
    if name not in FIELDS:
        return f"NULL::{field.duckdb_type}"
    text = f"'{name} ' || md5(i::varchar || '{name}')[:10]"
    return text if FIELDS.index(name) < 4 else f"CASE WHEN hash(i, '{name}') % 3 > 0 THEN {text} END"


def stage(con: duckdb.DuckDBPyConnection, crm: str, fields: list[str], number: int, share: float) -> None:
    """A CRM's records, in an order of their own."""
    changed = f"CASE WHEN hash(contact_id || '{crm}') % 100000 < {int(share * 100_000)} THEN 'x' ELSE first_name END"
    table = f"staging.{crm}__contacts"
    con.execute(
        f"CREATE TABLE {table} AS SELECT '{crm}:' || contact_id[2:] AS record_key, '{crm}' AS connection, "
        "contact_id[2:] AS source_id, now() AS modified_at, now() AS first_modified_at, now() AS seen_at, "
        "now() AS first_seen_at, false AS is_deleted, true AS is_in_scope, "
        f"{', '.join(fields).replace('first_name', f'{changed} AS first_name')}, NULL::JSON AS custom, "
        "[]::VARCHAR[] AS absent_fields, []::VARCHAR[] AS unreadable_fields, md5(contact_id) AS raw_hash, "
        "hash(contact_id, 'values') AS values_hash FROM unified.contacts ORDER BY hash(contact_id)"
    )
    con.execute(
        f"CREATE TABLE {table}_edits (record_key VARCHAR, field VARCHAR, edited_at TIMESTAMPTZ, is_echo BOOLEAN)"
    )
    record_build(con, table, "as filled", number)
    record_filled(con, table, fields)


def clock() -> tuple[float, float]:
    """Seconds, and seconds of processor time."""
    return time.perf_counter(), time.process_time()


def scan(con: duckdb.DuckDBPyConnection, *, whole: bool) -> tuple[float, float]:
    """Seconds, by both clocks, to read columns of all tables once and hash them; not whole: the compared ones alone."""
    beside = [
        "source_id", "modified_at", "values_hash", "is_deleted", "is_in_scope", "absent_fields", "unreadable_fields",
    ]  # fmt: skip
    told = ["contact_id", *(f"{name}__{part}" for name in FIELDS for part in ("source", "since"))]
    tables = {
        "unified.contacts": ["contact_id", *FIELDS],
        "unified.contact_sources": ["contact_id", "record_key", "connection", *(["position"] if whole else [])],
        **{f"staging.{crm}__contacts": ["record_key", *FIELDS, *(beside if whole else [])] for crm in CRMS},
        **({"unified.contact_provenance": told} if whole else {}),
    }
    started = clock()
    for table, columns in tables.items():
        con.execute(f"SELECT bit_xor(hash({', '.join(columns)})) FROM {table}").fetchall()
    return since(started)


def since(started: tuple[float, float]) -> tuple[float, float]:
    """Both clocks since then."""
    now = clock()
    return now[0] - started[0], now[1] - started[1]


def connection(crm: str, owner: Owner) -> Connection:
    """One CRM of the owner."""
    made = mapping(crm)
    return Connection(crm, owner, made, Settings(), False, made.connection)


def planned(con: duckdb.DuckDBPyConnection, connections: list[Connection], state: State, schemas: Schemas) -> int:
    """How many records the plans of all CRMs would write."""
    writes = 0
    for made in plan_all(connections, con, state, {"contacts": schemas["contacts"]}):
        if isinstance(made, Exception):
            raise made
        writes += made.writes
    return writes


def main() -> None:
    """Prints seconds, ratio, memory and machine."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    share = float(sys.argv[2]) if len(sys.argv) > 2 else 0.001
    schemas = dict(load_schemas(Path(__file__).resolve().parents[1] / "schemas"))
    with tempfile.TemporaryDirectory() as folder:
        owner = Owner("bench", Path(folder))
        path = Path(folder) / "warehouse.duckdb"
        if os.fork() == 0:  # a process of its own: what it takes is not the plan's memory
            with duckdb.connect(str(path), config=configuration(Path(folder) / "spill")) as con:
                fill(con, schemas, number, share)
            os._exit(0)
        os.wait()
        os.environ.setdefault("CROSSWALK_MEMORY", "1000MB")
        settings = configuration(Path(folder) / "spill")
        connections = [connection(crm, owner) for crm in CRMS]
        with open_state(owner) as state:
            whole, compared, took = [], [], []
            for _ in range(3):  # each time anew, so that nothing is kept from the time before
                with duckdb.connect(str(path), True, settings) as con:
                    scan(con, whole=True)
                    whole.append(scan(con, whole=True))
                    compared.append(scan(con, whole=False))
                    started = clock()
                    differ = planned(con, connections, state, schemas)
                    took.append(since(started))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, DuckDB {duckdb.__version__}"
    )
    print(f"{number} golden contacts, {len(CRMS)} CRMs, {len(FIELDS)} fields; {differ} records differ")
    for name, at in (("by the clock", 0), ("by processor time", 1)):
        least, less, most = (min(one[at] for one in measured) for measured in (whole, compared, took))
        print(
            f"{name}: scan with hash {least:.2f} s, three plans {most:.2f} s: ratio {most / least:.2f} "
            f"(compared columns alone {less:.2f} s: {most / less:.2f})"
        )
    print(f"peak {peak:.0f} MB")


if __name__ == "__main__":
    main()
