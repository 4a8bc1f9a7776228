"""Webhooks into a running service, so many a second for a minute, with a kill -9 in the middle; none may be lost.

python bench/webhooks.py [--rate 300] [--seconds 60]

Four of five deliveries carry a record, one points to records that must be fetched from an emulated CRM. A sender that
gets no 200 sends the same event again, as CRMs do. At the end every event must be in the inbox once, taken in or
overtaken, and the raw log must hold what was told last.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import os
import platform
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pipelines.sandbox.handle import start  # noqa: E402 - the project need not be installed

KEY, SECRET, PEOPLE, PHONES = "system-key-of-the-bench", "hook-secret-of-the-bench", 100, 5_000


@dataclass
class Service:
    """The service as a process, on one data folder and port."""

    data: Path
    environment: dict[str, str]
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Starts it; seconds until it answers."""
        began = time.perf_counter()
        words = ["serve", "--port", str(self.port), "--data-dir", str(self.data)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipelines", *words], cwd=ROOT, env=self.environment, stderr=subprocess.PIPE
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if b"serves at http" in line:
                self.port = int(line.split(b"serves at http://127.0.0.1:")[1].split()[0])
                return time.perf_counter() - began
        raise RuntimeError("the service did not start")

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Ends it well."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(60)


@dataclass
class Senders:
    """Many CRMs: each event at its moment, again until it is taken."""

    service: Service
    latencies: list[float] = field(default_factory=list)
    again: int = 0
    before: int = 0
    in_flight: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(60))

    async def send_all(self, requests: list[tuple[float, bytes]]) -> None:
        """Sends each at its moment (seconds from now)."""
        began = time.perf_counter()
        pool: asyncio.Queue[Any] = asyncio.Queue()
        tasks = []
        for at, request in requests:
            await asyncio.sleep(max(0.0, began + at - time.perf_counter()))
            tasks.append(asyncio.create_task(self._send(request, pool)))
        await asyncio.gather(*tasks)

    async def _send(self, request: bytes, pool: asyncio.Queue[Any]) -> None:
        pause = 1.0
        while not await self._once(request, pool):
            self.again += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, 16)

    async def _once(self, request: bytes, pool: asyncio.Queue[Any]) -> bool:
        """One try, with at most so many calls in flight as the CRMs together would have."""
        async with self.in_flight:
            began = time.perf_counter()
            try:
                streams = pool.get_nowait() if not pool.empty() else await self._connect()
                if await asyncio.wait_for(_exchange(streams, request), 10) == 200:
                    self.latencies.append(time.perf_counter() - began)
                    pool.put_nowait(streams)
                    return True
            except (OSError, EOFError, TimeoutError, asyncio.IncompleteReadError):
                pass
            return False

    async def _connect(self) -> Any:
        return await asyncio.open_connection("127.0.0.1", self.service.port)


async def _exchange(streams: Any, request: bytes) -> int:
    reader, writer = streams
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length"))
    await reader.readexactly(length)
    return int(head.split()[1])


def _request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def _requests(rate: int, seconds: int, people: list[str]) -> tuple[list[tuple[float, bytes]], dict[str, str]]:
    """What is sent and when; and the name that was told last of each telephone number."""
    made, last = [], {}
    for number in range(rate * seconds):
        at = number / rate
        if number % 5 == 0:
            ids = [int(people[number % len(people)])]
            moment = "2026-08-01T12:00:00+00:00"
            event = {"eventId": f"p{number}", "eventCreated": moment, "event": "peopleUpdated", "resourceIds": ids}
            body = json.dumps(event).encode()
            signature = hmac.new(KEY.encode(), base64.b64encode(body), hashlib.sha256).hexdigest()
            made.append((at, _request("/api/webhooks/follow_up_boss", body, {"FUB-Signature": signature})))
            continue
        phone = f"62812{number % PHONES:07d}@c.us"
        moment = f"2026-08-01T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z"
        record = {"secret": SECRET, "phone": phone, "name": f"Name {number}", "event_name": "Tech Conf"}
        record |= {"event_id": f"e{number}", "occurred_at": moment}
        made.append((at, _request("/api/webhooks/external", json.dumps(record).encode(), {})))
        last[phone] = f"Name {number}"
    return made, last


async def _kill_in_the_middle(service: Service, senders: Senders, seconds: float) -> float:
    await asyncio.sleep(seconds / 2)
    senders.before = len(senders.latencies)
    service.kill()
    return await asyncio.to_thread(service.start)


async def _both(service: Service, senders: Senders, requests: list[tuple[float, bytes]], seconds: int) -> float:
    down, _ = await asyncio.gather(_kill_in_the_middle(service, senders, seconds), senders.send_all(requests))
    return down


def _inbox(data: Path) -> dict[str, int]:
    with sqlite3.connect(f"file:{data}/_service/state.sqlite?mode=ro", uri=True) as con:
        found = con.execute("select status, count(*) from webhook_inbox group by status").fetchall()
        events = con.execute("select count(distinct event_id) from webhook_inbox").fetchall()
    return {**dict(found), "events": events[0][0]}


def _drained(data: Path, seconds: float = 600) -> float:
    began = time.perf_counter()
    while _inbox(data).get("queued"):
        if time.perf_counter() - began > seconds:
            raise RuntimeError(f"not drained: {_inbox(data)}")
        time.sleep(0.5)
    return time.perf_counter() - began


def _wrong(data: Path, last: dict[str, str]) -> int:
    """Records of the raw log that are not as they were told last."""
    with duckdb.connect(str(data / "default" / "raw" / "external.duckdb"), read_only=True) as con:
        names = dict(con.execute("select id, record ->> 'name' from raw.contacts_current").fetchall())
    return sum(names.get(phone) != name for phone, name in last.items())


def main() -> None:
    """Prints latencies, and what was lost: nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--no-kill", action="store_true")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, start(Path(folder) / "s", ["follow_up_boss"], size=PEOPLE) as crm:
        data = Path(folder) / "data"
        environment = os.environ | crm.environment("follow_up_boss") | {
            "FOLLOW_UP_BOSS_SYSTEM_KEY": KEY, "EXTERNAL_CRM_API_URL": "http://127.0.0.1:9/", "JWT_SECRET": "j" * 40,
            "EXTERNAL_CRM_API_KEY": "k", "EXTERNAL_CRM_WEBHOOK_SECRET": SECRET, "WEBHOOK_REFRESH_SECONDS": "3600",
        }  # fmt: skip
        run = [
            sys.executable,
            "-m",
            "pipelines",
            "run",
            "follow_up_boss",
            "--data-dir",
            str(data),
            "--stages",
            "extract",
        ]
        subprocess.run(run, cwd=ROOT, env=environment, check=True, capture_output=True)
        with duckdb.connect(str(data / "default" / "raw" / "follow_up_boss.duckdb"), read_only=True) as con:
            people = [row[0] for row in con.execute("select id from raw.contacts_current").fetchall()]
        requests, last = _requests(said.rate, said.seconds, people)
        service = Service(data, environment)
        service.start()
        senders = Senders(service)
        if said.no_kill:
            asyncio.run(senders.send_all(requests))
        down = 0.0 if said.no_kill else asyncio.run(_both(service, senders, requests, said.seconds))
        waited = _drained(data)
        found, wrong = _inbox(data), _wrong(data, last)
        service.stop()
    untroubled = senders.latencies[: senders.before or None]
    ordered = sorted(senders.latencies)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    killed = "nothing killed" if said.no_kill else f"kill -9 in the middle (up again after {down:.1f} s)"
    print(f"{len(requests)} events, {said.rate} a second, {killed}")
    p50, p99 = (1000 * ordered[int(len(ordered) * share)] for share in (0.5, 0.99))
    print(f"answered after {1000 * statistics.median(untroubled):.1f} ms (p50 before the kill)")
    print(f"answered after {p50:.1f} ms (p50), {p99:.1f} ms (p99) over all")
    print(f"sent again {senders.again}; drained {waited:.0f} s after the last; inbox {found}")
    print(f"lost {len(requests) - found['events']}, records not as told last {wrong} of {len(last)}")
    sys.exit(1 if found["events"] != len(requests) or wrong else 0)


if __name__ == "__main__":
    main()
