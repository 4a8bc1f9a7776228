"""A process whose children others may kill: for each line `FOLDER URL` on stdin it forks a child that does one whole
push run. It prints the child's process id, and after a second line the child's exit status, once it has ended.

The first run is its own: what that loads and compiles its children are born with.
"""

from __future__ import annotations

import os
import shutil
import sys
import urllib.request
from pathlib import Path
from typing import Any

import duckdb
import orjson
from push_warehouse import MAPPING, Warehouse

from pipelines.connections.connection import Connection, Settings
from pipelines.connections.owner import Owner
from pipelines.mapping.language import Mapping
from pipelines.mapping.load import load_schemas
from pipelines.push.apply import apply, recover
from pipelines.push.plan import plan
from pipelines.staging.read_back import RecordReader
from pipelines.state import registry, runs
from pipelines.state.database import State, open_state

PEOPLE = 24


def connection_to(url: str, owner: Owner) -> Connection:
    """Everybody is created; half of the people have an e-mail address to be found by."""
    mapping = orjson.loads(orjson.dumps(MAPPING))
    mapping["connection"] |= {"base_url": url, "concurrency": 4}
    del mapping["entities"]["deals"]
    contacts = mapping["entities"]["contacts"]
    contacts["push"]["create"] = "all"
    contacts["push"]["find"]["lag"] = 0.05
    made = Mapping.model_validate(mapping)
    return Connection("north", owner, made, Settings(), True, made.connection)


def fill(warehouse: Any, state: State, reader: RecordReader, records: list[dict[str, Any]]) -> None:
    """What extract, staging and unify would leave: north's records as they are, and the golden people."""
    warehouse.source("north", "contacts")
    known = registry.golden_of(state, "contacts", [f"north:{record['id']}" for record in records])
    for record, row in zip(records, reader("contacts", records), strict=True):
        number = int(record["id"])
        golden = known.get(f"north:{number}", f"g{number}" if number < PEOPLE else f"x{number}")
        values = {name: row[name] and orjson.loads(row[name]) for name in ("first_name", "email")}
        gaps = {"_absent_fields": row["absent_fields"], "_modified_at": record["updated"]}
        warehouse.record(golden, "north", "contacts", record["id"], **values, **gaps)
    for number in range(PEOPLE):
        kind = number % 4
        values = {"first_name": f"New{number}", **({"email": f"p{number}@x.org"} if kind != 3 else {})}
        warehouse.record(f"g{number}", "south", "contacts", str(number), **values)
        warehouse.golden("contacts", f"g{number}", **values)


def run(owner: Owner, url: str, schemas: Any) -> None:
    """Settles what is open, reads the CRM, plans and applies."""
    connection = connection_to(url, owner)
    reader = RecordReader(connection, schemas)
    with open_state(owner) as state:
        recover(connection, state, schemas, reader, run_id=runs.new_run_id(), backoff=0.01)
        with urllib.request.urlopen(f"{url}/contacts", timeout=250) as answer:
            records = orjson.loads(answer.read())["contacts"]
        with duckdb.connect(config={"threads": 1}) as con:
            warehouse = Warehouse(con, schemas)
            with warehouse.at_once():
                fill(warehouse, state, reader, records)
            made = plan(connection, con, state, schemas)
            apply(made, connection, state, schemas, reader, run_id=runs.new_run_id(), backoff=0.01)


def main() -> None:
    """One child for each pair of lines."""
    schemas = {"contacts": load_schemas(Path(__file__).parents[2] / "schemas")["contacts"]}
    folder, url = sys.stdin.readline().split()
    empty = Owner("empty", Path(folder))
    open_state(empty).close()
    run(Owner("ann", Path(folder)), url, schemas)
    print("ready", flush=True)
    for line in sys.stdin:
        folder, url = line.split()
        owner = Owner("ann", Path(folder))
        if not owner.state.exists():
            owner.root.mkdir(parents=True, exist_ok=True)
            shutil.copy(empty.state, owner.state)
        child = os.fork()
        if child == 0:
            try:
                run(owner, url, schemas)
                os._exit(0)
            except BaseException:  # noqa: BLE001 - a forked child must not return into the parent's loop
                import traceback

                traceback.print_exc()
                os._exit(1)
        print(child, flush=True)
        sys.stdin.readline()  # until then the child is at worst a zombie, so its id is nobody else's
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
