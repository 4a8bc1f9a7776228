"""The plan over a million golden contacts and three CRMs, beside one scan of the same tables with a hash.

    python bench/push_plan.py [golden records, default 1000000] [share that differs, default 0.001]

The scan reads, once, the columns that the plans read: those of golden contacts, of each CRM's records, of who belongs
to whom, and of the lineage. Beside it stands a scan of less: keys and compared fields alone, without what the plan
wants to know of a record beside its fields, and without lineage. Prints both ratios, by the clock and by processor
time, which says more where other programs run.
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
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.language import Mapping
from pipelines.mapping.load import Schemas, load_schemas
from pipelines.push.plan import plan
from pipelines.push.planned import Plan
from pipelines.state.database import State, open_state
from pipelines.warehouse.build import record_build
from pipelines.warehouse.connect import configuration

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


def fill(con: duckdb.DuckDBPyConnection, schema: CanonicalEntity, number: int, share: float) -> None:
    """Golden contacts, and a record of each in each CRM that agrees with it but for the given share."""
    for name in ("staging", "unified", "meta"):
        con.execute(f"CREATE SCHEMA {name}")
    others = ", ".join(f'NULL::{f.duckdb_type} AS "{n}"' for n, f in schema.fields.items() if n not in FIELDS)
    values = ", ".join(f"'{field} ' || md5(i::varchar || '{field}')[:10] AS {field}" for field in FIELDS)
    con.execute(
        f"CREATE TABLE unified.contacts AS SELECT 'g' || lpad(i::varchar, 9, '0') AS contact_id, {values}, {others} "
        f"FROM range({number}) AS t(i)"
    )
    con.execute(
        "CREATE TABLE unified.contact_lineage AS SELECT contact_id, unnest(['first_name', 'email', 'phone']) AS field, "
        "'v' AS value, 'east' AS connection, 'x' AS source_id, now() AS since, 'latest' AS rule FROM unified.contacts"
    )
    for crm in CRMS:
        changed = (
            f"CASE WHEN hash(contact_id || '{crm}') % 100000 < {int(share * 100_000)} THEN 'x' ELSE first_name END"
        )
        con.execute(
            f"CREATE TABLE staging.{crm}__contacts AS SELECT '{crm}:' || contact_id[2:] AS record_key, "
            f"'{crm}' AS connection, contact_id[2:] AS source_id, now() AS modified_at, false AS is_deleted, "
            f"true AS is_in_scope, * EXCLUDE (contact_id) REPLACE ({changed} AS first_name), NULL::JSON AS custom, "
            "[]::VARCHAR[] AS absent_fields, []::VARCHAR[] AS unreadable_fields, 'h' AS raw_hash, "
            "1::UBIGINT AS values_hash FROM unified.contacts ORDER BY hash(contact_id)"
        )
        con.execute(
            f"CREATE TABLE staging.{crm}__contacts_edits (record_key VARCHAR, field VARCHAR, edited_at TIMESTAMPTZ, "
            "is_echo BOOLEAN)"
        )
    union = " UNION ALL ".join(
        f"SELECT 'g' || source_id AS contact_id, record_key, connection, source_id, is_deleted, is_in_scope "
        f"FROM staging.{crm}__contacts" for crm in CRMS
    )  # fmt: skip
    con.execute(f"CREATE TABLE unified.contact_sources AS {union}")
    record_build(con, "unified.contacts", "as filled", number)
    con.execute("CHECKPOINT")


def clock() -> tuple[float, float]:
    """Seconds, and seconds of processor time."""
    return time.perf_counter(), time.process_time()


def scan(con: duckdb.DuckDBPyConnection, *, whole: bool) -> tuple[float, float]:
    """Seconds, by both clocks, to read columns of all tables once and hash them; not whole: the compared ones alone."""
    beside = [
        "source_id", "modified_at", "values_hash", "is_deleted", "is_in_scope", "absent_fields", "unreadable_fields",
    ]  # fmt: skip
    tables = {
        "unified.contacts": ["contact_id", *FIELDS],
        "unified.contact_sources": ["contact_id", "record_key", "connection"],
        **{f"staging.{crm}__contacts": ["record_key", *FIELDS, *(beside if whole else [])] for crm in CRMS},
        **({"unified.contact_lineage": ["contact_id", "field", "connection", "since"]} if whole else {}),
    }
    started = clock()
    for table, columns in tables.items():
        con.execute(f"SELECT bit_xor(hash({', '.join(columns)})) FROM {table}").fetchall()
    return since(started)


def since(started: tuple[float, float]) -> tuple[float, float]:
    """Both clocks since then."""
    now = clock()
    return now[0] - started[0], now[1] - started[1]


def planned(crm: str, owner: Owner, con: duckdb.DuckDBPyConnection, state: State, schemas: Schemas) -> Plan:
    """The plan of one CRM."""
    made = mapping(crm)
    one = Connection(crm, owner, made, Settings(), False, made.connection)
    return plan(one, con, state, {"contacts": schemas["contacts"]})


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
                fill(con, schemas["contacts"], number, share)
            os._exit(0)
        os.wait()
        os.environ.setdefault("CROSSWALK_MEMORY", "1000MB")
        settings = configuration(Path(folder) / "spill")
        with open_state(owner) as state:
            whole, compared, took = [], [], []
            for _ in range(3):  # each time anew, so that nothing is kept from the time before
                with duckdb.connect(str(path), True, settings) as con:
                    scan(con, whole=True)
                    whole.append(scan(con, whole=True))
                    compared.append(scan(con, whole=False))
                    started = clock()
                    plans = [planned(crm, owner, con, state, schemas) for crm in CRMS]
                    took.append(since(started))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, DuckDB {duckdb.__version__}"
    )
    differ = sum(one.writes for one in plans)
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
