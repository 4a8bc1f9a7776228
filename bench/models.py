"""Staging, unify and plan of a million contacts of three connections, beside one scan that parses the same JSON once.

python bench/models.py [contacts in all, default 1000000]
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipelines.connections.connection import Connection, Settings
from pipelines.connections.owner import Owner
from pipelines.mapping.language import Mapping
from pipelines.mapping.load import load_schemas
from pipelines.push.plan import plan
from pipelines.staging.stage import stage
from pipelines.state.database import open_state
from pipelines.unify.run import unify
from pipelines.unify.sources import source_of
from pipelines.warehouse.connect import memory_limit, open_warehouse

SCHEMAS = Path(__file__).resolve().parents[1] / "schemas"
CRMS = ("east", "north", "south")
FIELDS: dict[str, Any] = {
    "first_name": "FirstName",
    "last_name": "LastName",
    "email": {"first_of": ["Email", "Emails.0"]},
    "phone": "Phone",
    "company": "Company",
    "job_title": "Title",
    "street": "Address.Street",
    "city": "Address.City",
    "state_or_province": "Address.State",
    "postal_code": "Address.Zip",
    "status": {"path": "Status", "values": {"Hot": "active", "New": "new", "Past Client": "past_client"}},
    "lead_source": "Source",
    "tags": {"each": "Tags"},
    "notes": {"path": "Notes", "write": "if_empty"},
    "created_at": "Created",
}
WRITTEN = [name for name, field in FIELDS.items() if isinstance(field, str) and name != "created_at"]
RECORD = """{
    'Id': i, 'FirstName': 'First' || i % 5000, 'LastName': 'Last' || i % 90000,
    'Email': CASE WHEN i % 10 < 8 THEN 'Person' || i || '@Example.com' END,
    'Phone': CASE WHEN i % 10 > 1 THEN '(' || 201 + i % 700 || ') 555-' || lpad((i % 10000)::varchar, 4, '0') END,
    'Company': 'Company ' || i % 3000, 'Title': 'Agent', 'Status': ['Hot', 'New', 'Past Client'][1 + i % 3],
    'Address': {'Street': i || ' Main Street', 'City': 'Springfield', 'State': 'IL',
                'Zip': lpad((i % 99999)::varchar, 5, '0')},
    'Source': 'Website', 'Tags': ['buyer', 'vip'], 'Notes': 'Met at the open house on street number ' || i,
    'Created': '2024-01-01T00:00:00Z', 'Modified': '2024-05-01T00:00:00Z', 'Score': i % 100, 'Region': 'West'
}"""


@dataclass(frozen=True)
class Measure:
    """One line of the result."""

    step: str
    seconds: float
    cpu: float
    peak_mb: int


def connection(owner: Owner, name: str) -> Connection:
    """A CRM with contacts of fifteen mapped fields."""
    push = {"fields": WRITTEN, "update_request": {"method": "PATCH", "path": "contacts/{id}"}}
    contacts = {"extract": {"path": "contacts"}, "id": "Id", "modified": "Modified", "fields": FIELDS, "push": push}
    spoken = {"base_url": "http://127.0.0.1"}
    mapping = Mapping.model_validate(
        {"crm": name, "label": name, "connection": spoken, "entities": {"contacts": contacts}}
    )
    return Connection(name, owner, mapping, Settings(), True, mapping.connection)


def fill(owner: Owner, name: str, number: int, first: int) -> None:
    """The raw log of one connection: one version of each record; a third of the people are in the next CRM as well."""
    owner.raw(name).parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(owner.raw(name))) as con:
        con.execute("CREATE SCHEMA raw")
        con.execute(
            f"CREATE TABLE raw.contacts AS SELECT i::varchar AS id, md5(i::varchar) AS hash, "
            f"'2024-05-01T00:00:00Z' AS modified, false AS deleted, now() AS seen, to_json({RECORD}) AS record, "
            f"NULL::varchar AS problem, 'load-1' AS _dlt_load_id FROM range({first}, {first + number}) AS t(i)"
        )


def measure(step: str, work: Callable[[], object]) -> Measure:
    """Run one step."""
    began, used = time.perf_counter(), time.process_time()
    work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return Measure(step, time.perf_counter() - began, time.process_time() - used, peak)


def floor(owner: Owner) -> None:
    """Parse each record once and keep what the mapped paths hold."""
    paths = ["/" + part.replace(".", "/") for part in _paths()]
    with open_warehouse(Owner("floor", owner.data_dir)) as con:
        for name in CRMS:
            con.execute(f"ATTACH '{owner.raw(name)}' AS log (READ_ONLY)")
            con.execute(
                f"CREATE TABLE floor_{name} AS "
                f"SELECT id, json_extract_string(record, {paths}) AS t FROM log.raw.contacts"
            )
            con.execute("DETACH log")


def _paths() -> list[str]:
    found = []
    for field in FIELDS.values():
        found += [field] if isinstance(field, str) else field.get("first_of", [field.get("path") or field.get("each")])
    return found


def changed(owner: Owner, name: str, number: int) -> None:
    """A second load: a new version of every thousandth record."""
    with duckdb.connect(str(owner.raw(name))) as con:
        con.execute(
            "INSERT INTO raw.contacts SELECT id, md5(hash), '2024-06-01T00:00:00Z', false, now(), "
            """json_merge_patch(record, '{"Title": "Broker"}'), NULL, 'load-2' FROM raw.contacts """
            f"WHERE id::bigint % 1000 = 0 LIMIT {number}"
        )


def main() -> None:
    """Fill three raw logs, then stage and unify them: all, nothing new, one in a thousand changed."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    each = number // len(CRMS)
    schemas = {"contacts": load_schemas(SCHEMAS)["contacts"]}
    with tempfile.TemporaryDirectory(prefix="bench-models-") as folder:
        owner = Owner("bench", Path(folder))
        for place, name in enumerate(CRMS):
            fill(owner, name, each, place * each * 2 // 3)
        lines = [measure("floor: parse once, keep the texts", lambda: floor(owner))]
        with open_warehouse(owner) as con, open_state(owner) as state:
            connections = [connection(owner, name) for name in CRMS]

            def stage_all() -> None:
                for one in connections:
                    stage(con, one, schemas)

            def unify_all() -> None:
                unify(con, state, schemas, [source_of(one) for one in connections])

            def plan_all() -> None:
                for one in connections:
                    plan(one, con, state, schemas)

            for what in ("all records new", "nothing new", "one in a thousand changed"):
                if what.startswith("one"):
                    for name in CRMS:
                        changed(owner, name, each)
                lines.append(measure(f"staging: {what}", stage_all))
                lines.append(measure(f"unify: {what}", unify_all))
                lines.append(measure(f"plan: {what}", plan_all))
    show(lines, each * len(CRMS))


def show(lines: list[Measure], number: int) -> None:
    """Print the steps, each beside the floor."""
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, duckdb {duckdb.__version__}"
    )
    print(f"{number} contacts from {len(CRMS)} connections, {len(FIELDS)} fields, memory cap {memory_limit()}")
    print(f"{'step':<40} {'seconds':>8} {'cpu s':>7} {'x floor':>8} {'peak MB':>8}")
    for line in lines:
        ratio = line.seconds / lines[0].seconds
        print(f"{line.step:<40} {line.seconds:>8.2f} {line.cpu:>7.2f} {ratio:>8.2f} {line.peak_mb:>8}")


if __name__ == "__main__":
    main()
