"""Search over a million contacts through the running service, as people type, while a sync runs beside it.

python bench/search.py [--contacts 1000000] [--rate 50] [--seconds 60] [--idle]

Requests leave at their moments whether the last was answered or not, and are timed from those moments. They type names,
e-mail addresses, telephone numbers in several punctuations, companies and towns, a few letters at a time, some with a
slip. The sync is the whole way of the built-in CRMs for another owner, again and again; --idle leaves it out.
The aim: at most 15 ms at the median and 80 ms at the 99th percentile, 50 requests a second, on 2 cores.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import duckdb
import jwt

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pipelines.connections.owner import Owner  # noqa: E402 - the project need not be installed
from pipelines.mapping.load import load_schemas  # noqa: E402
from pipelines.publish.swap import publish  # noqa: E402
from pipelines.service.search import store  # noqa: E402
from pipelines.service.search.build import refresh  # noqa: E402

SECRET = "a secret of the bench, which is thirty-two bytes and more"
SOURCES = ("brivity", "hubspot", "topproducer")
FIRST = (
    "John Mary Robert Linda Michael Susan David Karen James Nancy Carlos Ana Wei Ming Olga Ivan Fatima Ahmed Yuki Hana"
)
SYLLABLES = (
    "an ber cor dan el fin gar hol in jor kel lar mon nor os per quin ras sten tor ul ven wil yor zan mar lin ton"
)
TOWNS = "Springfield Riverside Franklin Greenville Bristol Clinton Fairview Salem Madison Georgetown Arlington Ashland"
COMPANY = "Acme Summit Pioneer Evergreen Bluebird Cornerstone Lakeside Golden Harbor Northern"


def make(owner: Owner, contacts: int) -> None:
    """Publishes contacts of three sources, two of five people in two of them; and logs with what the CRMs sent."""
    schema = load_schemas(ROOT / "schemas")
    owner.candidate.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(owner.candidate)) as con:
        con.execute("set TimeZone = 'UTC'")
        for name in ("staging", "unified"):
            con.execute(f"create schema {name}")
        con.execute(_people(contacts))
        fields = ", ".join(
            f"{made} as {name}" if (made := MADE.get(name)) else f"null::{field.duckdb_type} as {name}"
            for name, field in schema["contacts"].fields.items()
        )
        con.execute(
            f"""create table staging.contacts as select source || ':' || id as record_key, source as connection,
            id as source_id, timestamptz '2026-01-01' + to_seconds(n) as modified_at, now() as seen_at,
            false as is_deleted, true as is_in_scope, {fields}, '{{}}'::json as custom,
            md5(id || source) as raw_hash, hash(id, source) as values_hash from people order by record_key"""
        )
        con.execute(
            """create table unified.contact_sources as select 'c_' || person as contact_id,
            source || ':' || id as record_key, source as connection, id as source_id, false as is_deleted,
            true as is_in_scope from people order by record_key"""
        )
        deals = ", ".join(f"null::{field.duckdb_type} as {name}" for name, field in schema["deals"].fields.items())
        head = "record_key, connection, source_id, modified_at, seen_at, is_deleted, is_in_scope"
        con.execute(
            f"""create table staging.deals as select {head}, {deals}, custom, raw_hash, values_hash
            from staging.contacts limit 0"""
        )
        con.execute(
            """create table unified.deal_sources as select contact_id as deal_id, * exclude (contact_id)
            from unified.contact_sources limit 0"""
        )
        _logs(con, owner)
        con.execute("drop table people")
        con.execute("checkpoint")
    publish(owner, owner.candidate, "20260101T000000-bench0")


MADE = {
    "first_name": "first", "last_name": "last", "name": "null", "email": "email", "phone": "phone",
    "company": "company", "city": "town", "street": "street", "postal_code": "postal", "status": "'lead'",
}  # fmt: skip


def _people(contacts: int) -> str:
    def listed(words: str) -> str:
        return "[" + ", ".join(f"'{word}'" for word in words.split()) + "]"

    def pick(words: str, seed: int) -> str:
        return f"{listed(words)}[1 + (hash(person, {seed}) % {len(words.split())})::int]"

    last = f"upper({pick(SYLLABLES, 2)}[1]) || {pick(SYLLABLES, 2)}[2:] || {pick(SYLLABLES, 3)} || {pick(SYLLABLES, 4)}"
    return f"""create table people as select *, lower(first || '.' || last) || person || '@example.com' as email,
            '+1' || (2000000000 + hash(person, 9) % 7999999999)::varchar as phone
        from (select n, n // 7 * 5 + least(n % 7, 4) as person, (100000 + n)::varchar as id,
            {listed(" ".join(SOURCES))}[1 + n % 3] as source,
            {pick(FIRST, 1)} as first, {last} as last, {pick(TOWNS, 5)} as town,
            {pick(COMPANY, 6)} || ' ' || upper({pick(SYLLABLES, 7)}) || ' Ltd' as company,
            (1 + hash(person, 8) % 9999)::varchar || ' ' || {pick(TOWNS, 10)} || ' Street' as street,
            lpad((hash(person, 11) % 99999)::varchar, 5, '0') as postal
            from range({contacts}) as t(n))"""


def _logs(con: duckdb.DuckDBPyConnection, owner: Owner) -> None:
    for source in SOURCES:
        path = owner.raw(source)
        path.parent.mkdir(parents=True, exist_ok=True)
        con.execute(f"attach '{path}' as log")
        con.execute("create schema log.raw")
        con.execute(
            f"""create table log.raw.contacts as select id, md5(id || source) as hash, now() as seen,
            json_object('id', id, 'firstName', first, 'lastName', last, 'email', email, 'phones', [phone],
            'company', company, 'address', json_object('street', street, 'city', town, 'zip', postal)) as record
            from people where source = '{source}'"""
        )
        con.execute("detach log")


def typed(owner: Owner, number: int) -> list[str]:
    """What people type: pieces of what is there, with a slip in one of ten."""
    draw = random.Random(7)
    with duckdb.connect(str(owner.crm.resolve()), read_only=True) as con:
        picked = "select first_name, last_name, email, phone, company, city from staging.contacts"
        rows = con.execute(f"{picked} using sample 2000 rows (reservoir, 7)").fetchall()
    found = []
    for _ in range(number):
        first, last, email, phone, company, city = draw.choice(rows)
        kind = draw.random()
        if kind < 0.45:
            text = f"{first} {last}"
            text = text[: draw.randint(2, len(text))]
        elif kind < 0.6:
            text = last[: draw.randint(3, len(last))]
        elif kind < 0.72:
            digits = phone[2:]
            text = draw.choice([digits, f"({digits[:3]}) {digits[3:6]}-{digits[6:]}", f"+1 {digits[:3]}.{digits[3:6]}"])
        elif kind < 0.84:
            text = email[: draw.randint(4, len(email))]
        elif kind < 0.92:
            text = company[: draw.randint(4, len(company))]
        else:
            text = f"{last} {city[: draw.randint(2, len(city))]}"
        if draw.random() < 0.1 and len(text) > 5:
            at = draw.randrange(1, len(text) - 1)
            text = text[:at] + text[at + 1 :]
        found.append(text if len(text.strip()) > 1 else first)
    return found


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(data: Path, environment: dict[str, str]) -> Iterator[tuple[int, int]]:
    """The service as a process; gives its port and id."""
    words = [sys.executable, "-m", "pipelines", "serve", "--port", "0", "--data-dir", str(data)]
    process = subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if b"serves at http" in line:
                yield int(line.split(b"serves at http://127.0.0.1:")[1].split()[0]), process.pid
                return
        raise RuntimeError("the service did not start")
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def syncing(data: Path, wanted: bool) -> Iterator[list[int]]:
    """Syncs the built-in CRMs for another owner again and again, as jobs are: behind the requests; gives exit codes."""
    codes: list[int] = []
    if not wanted:
        yield codes
        return
    run = f"run brivity hubspot --sandbox --full-refresh --push off --json --data-dir {data}"
    loop = f"while :; do nice -n 10 {sys.executable} -m pipelines {run} >/dev/null 2>&1; echo $?; done"
    environment = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
    process = subprocess.Popen(
        ["sh", "-c", loop], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    try:
        yield codes
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        out = process.communicate()[0]
        codes += [int(line) for line in out.split()]


async def ask(port: int, queries: list[str], rate: float, token: str) -> tuple[list[float], int]:
    """Latencies in ms from each request's moment, and how many were not answered with 200."""
    latencies, failed = [], 0
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    began = time.perf_counter() + 0.5

    async def one(number: int, query: str) -> None:
        nonlocal failed
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        path = f"/api/crm/integrations/search?q={quote(query)}"
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        while True:
            is_used = bool(idle)
            reader, writer = idle.pop() if is_used else await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                break
            except (asyncio.IncompleteReadError, ConnectionError):
                if not is_used:  # one that was kept may have been closed meanwhile
                    raise
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(length)
        latencies.append((time.perf_counter() - due) * 1000)
        failed += not head.startswith(b"HTTP/1.1 200")
        idle.append((reader, writer))

    await asyncio.gather(*(one(number, query) for number, query in enumerate(queries)))
    return latencies, failed


def main() -> None:
    """Makes, indexes, serves, asks, tells."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--contacts", type=int, default=1_000_000)
    words.add_argument("--rate", type=float, default=50)
    words.add_argument("--seconds", type=float, default=60)
    words.add_argument("--data", type=Path, help="A folder to make the contacts in, or in which an earlier call did")
    words.add_argument("--idle", action="store_true", help="no sync beside")
    said = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="crosswalk-bench-") as folder:
        data = said.data or Path(folder)
        owner = Owner("default", data)
        if not owner.crm.exists():
            make(owner, said.contacts)
        began = time.perf_counter()
        refresh(owner)
        made = time.perf_counter() - began
        size = (store.current(owner) or owner.crm).stat().st_size / 1e6
        machine = f"{platform.machine()}, {os.cpu_count()} cores"
        print(f"{said.contacts:,} contacts indexed in {made:.1f} s, {size:,.0f} MB; {machine}")
        token = jwt.encode({"sub": "default", "exp": time.time() + 3600}, SECRET, "HS256")
        environment = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
        environment |= {"JWT_SECRET": SECRET, "UNIFIED_RATE_LIMIT_PER_MINUTE": "1000000"}
        queries = typed(owner, int(said.rate * said.seconds))
        with serving(data, environment) as (port, pid):
            asyncio.run(ask(port, queries[:200], said.rate, token))  # caches warm, as in a service that runs
            with syncing(data, not said.idle) as codes:
                time.sleep(0 if said.idle else 5)
                before = cpu_seconds(pid)
                latencies, failed = asyncio.run(ask(port, queries, said.rate, token))
                used = (cpu_seconds(pid) - before) * 1000 / len(queries)
        latencies.sort()
        p50, p99 = statistics.median(latencies), latencies[int(len(latencies) * 0.99)]
        ended = f"{len(codes)} syncs ended beside (exit codes {sorted(set(codes))})"
        beside = "nothing beside" if said.idle else ended
        asked = f"{len(latencies)} requests at {said.rate:g} a second, {failed} failed"
        print(f"{asked}; {beside}; load {os.getloadavg()[0]:.1f}")
        print(f"p50 {p50:.1f} ms (15), p99 {p99:.1f} ms (80), longest {latencies[-1]:.1f} ms")
        print(f"the service used {used:.1f} ms of a processor for a request")


if __name__ == "__main__":
    main()
