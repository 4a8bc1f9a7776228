"""How much of a CRM's limit a sync uses with 150 ms on every call: each CRM read whole, and then by its changes.

    python bench/latency.py [crm ...] [--latency 150] [--side-by-side 2]

The emulated CRMs wait that long before every answer and enforce their limits. Pages are made small, so that few records
make many calls. Calls and times are the emulator's own. For a limit that binds, `share` is the time that the limit
itself asks for beside the time that was taken, from the first full window to the last: 1.00 cannot be passed. `most` is
the largest number of calls in any window. Where no limit binds, the calls in flight on average say what does. `stall`
is how long this machine kept a sleeping thread waiting: what it held up is counted as under way for so much longer, so
that no call is refused, but fewer are made. From a twentieth of a limit's seconds on a low share tells of the machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import tempfile
import threading
import time
from bisect import bisect_right
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")

from pipelines.connections.connection import Connection  # noqa: E402 - the project need not be installed
from pipelines.connections.project import Project  # noqa: E402
from pipelines.connections.resolve import resolve  # noqa: E402
from pipelines.extract.run import extract  # noqa: E402
from pipelines.mapping.language import Limit, Mapping  # noqa: E402
from pipelines.sandbox.handle import SandboxHandle, start  # noqa: E402

# People of the emulated office, and records on a page: so many that each limit binds for several of its windows.
SIZES = {
    "hubspot": (500, 5), "follow_up_boss": (1700, 2), "vaultre": (500, 5), "mri_vault": (500, 5), "kvcore": (600, 5),
    "topproducer": (500, 5), "brivity": (500, 5), "salesforce": (1000, 5), "zoho": (500, 10), "external": (300, 0),
    "brivity_core": (300, 0),
}  # fmt: skip
PAGE_WORDS = {"limit", "pagesize", "per_page", "page_size"}
LONG = 1800.0
DAY = 86_400
CHANGED_DAYS = 60
WANTED = 0.9
STALLED = 0.05


@dataclass
class Seen:
    """What the CRM saw of one sync: arrivals (s), calls as 'METHOD path', statuses."""

    at: list[float]
    calls: list[str]
    statuses: list[int]

    @classmethod
    def of(cls, log: list[dict[str, Any]]) -> Seen:
        """From the sandbox's log."""
        rows = sorted(log, key=lambda row: row["seconds"])
        calls = [f"{row['method']} {row['target'].split('?')[0]}" for row in rows]
        return cls([row["seconds"] for row in rows], calls, [row["status"] for row in rows])

    def under(self, limit: Limit) -> list[float]:
        """Arrivals of the calls that a limit counts."""
        pattern = re.compile(limit.match or "")
        return [at for at, call in zip(self.at, self.calls, strict=True) if pattern.search(call)]


def share_of(at: list[float], limit: Limit) -> float | None:
    """Time the limit asks for beside time taken, over whole windows behind the first; None: too few calls for that."""
    windows = (len(at) - 1) // limit.requests
    if windows < 2:
        return None
    return (windows - 1) * limit.seconds / (at[windows * limit.requests] - at[limit.requests])


def most_in(at: list[float], seconds: float) -> int:
    """The largest number of calls in any window."""
    return max((bisect_right(at, begin + seconds - 1e-9) - i for i, begin in enumerate(at)), default=0)


def small_pages(value: Any, size: int) -> Any:
    """A block whose pages hold `size` records."""
    if isinstance(value, dict):
        return {
            key: size if key in PAGE_WORDS and isinstance(member, int) and size else small_pages(member, size)
            for key, member in value.items()
        }
    return [small_pages(member, size) for member in value] if isinstance(value, list) else value


def with_small_pages(connection: Connection, size: int) -> Connection:
    """The connection, its lists cut into small pages."""
    whole = connection.mapping.model_dump(by_alias=True, exclude_none=True)
    for entity in whole["entities"].values():
        entity["extract"] = small_pages(entity["extract"], size)
    return replace(connection, mapping=Mapping.model_validate(whole))


def change_half(sandbox: SandboxHandle, crm: str, people: int) -> None:
    """What users do in two months: changes at other times, not all in one second."""
    for day in range(CHANGED_DAYS):
        sandbox.admin("POST", f"{crm}/clock", {"stop_at": time.time() - (CHANGED_DAYS - day) * DAY / 2})
        changed = {"kind": "change", "records": people // CHANGED_DAYS, "seed": day}
        sandbox.admin("POST", f"{crm}/disturb", changed)
    sandbox.admin("POST", f"{crm}/clock", {"go": True})


class Stall:
    """The longest that a thread which wanted to sleep for 10 ms was kept beyond them (s)."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self._over.is_set():
            began = time.perf_counter()
            time.sleep(0.01)
            self.longest = max(self.longest, time.perf_counter() - began - 0.01)

    def told(self) -> float:
        """Ends watching."""
        self._over.set()
        return self.longest


def measure(crm: str, latency: float) -> tuple[list[str], bool]:
    """The lines of one CRM, and whether all is as it should be."""
    people, size = SIZES[crm]
    lines, is_good = [], True
    with tempfile.TemporaryDirectory() as folder, start(Path(folder) / "sandbox", [crm], size=people) as sandbox:
        connection = resolve(crm, Project(ROOT, Path(folder)), sandbox_environment=sandbox.environment(crm))
        connection = with_small_pages(connection, size)
        if crm == "salesforce":
            sandbox.admin("PATCH", f"{crm}/settings", {"batch_size": size})
        sandbox.admin("PATCH", f"{crm}/settings", {"latency_ms": latency, "enforce_limits": True})
        for kind in ("full", "incremental"):
            sandbox.admin("DELETE", "calls")
            began, stall = time.perf_counter(), Stall()
            extract(connection)
            seconds = time.perf_counter() - began
            seen = Seen.of(sandbox.admin("GET", f"{crm}/log"))
            stalled = stall.told()
            found, good = told(connection, seen, seconds, latency / 1000, stalled)
            lines += [
                f"{crm:15} {kind:12} {found[0]}  stall {stalled:.2f} s",
                *(f"{'':29}{line}" for line in found[1:]),
            ]
            is_good = is_good and good
            if kind == "full":
                sandbox.admin("PATCH", f"{crm}/settings", {"latency_ms": 0})
                change_half(sandbox, crm, people)
                sandbox.admin("PATCH", f"{crm}/settings", {"latency_ms": latency})
    return lines, is_good


def told(connection: Connection, seen: Seen, seconds: float, latency: float, stalled: float) -> tuple[list[str], bool]:
    """One sync in words, and whether it is as it should be."""
    refused = sum(status in (403, 429) for status in seen.statuses)
    first = f"{len(seen.at):4} calls {seconds:6.1f} s {len(seen.at) / seconds:6.1f}/s  refused {refused}"
    lines, is_good, binds = [first], refused == 0, False
    for limit in connection.wire.limits:
        at = seen.under(limit)
        named = f"{limit.requests} in {limit.seconds:g} s" + (f" ({limit.match})" if limit.match else "")
        if limit.seconds >= LONG:
            lines.append(f"{named}: {len(at)} used")
            is_good = is_good and len(at) <= limit.requests
            continue
        most, share = most_in(at, limit.seconds), share_of(at, limit)
        is_good = is_good and most <= limit.requests
        if share is not None and most >= WANTED * limit.requests:
            binds = True
            is_machines = stalled > STALLED * limit.seconds
            below = "" if share >= WANTED else "  below 0.9: the machine stalled" if is_machines else "  BELOW 0.9"
            lines.append(f"{named}: share {share:.2f}, most {most}{below}")
            is_good = is_good and (share >= WANTED or is_machines)
        else:
            lines.append(f"{named}: does not bind, most {most}")
    if not binds:
        lines.append(
            f"latency binds: {len(seen.at) * latency / seconds:.1f} of {connection.wire.concurrency} in flight"
        )
    return lines, is_good


def main() -> None:
    """Prints each CRM's lines; exit code 1 where a limit was passed or not used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crms", nargs="*", default=list(SIZES))
    parser.add_argument("--latency", type=float, default=150)
    parser.add_argument("--side-by-side", type=int, default=2)
    given = parser.parse_args()
    began = time.perf_counter()
    load = os.getloadavg()[0]
    print(f"{given.latency:g} ms a call; {os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}")
    all_good = True
    with ProcessPoolExecutor(given.side_by_side, get_context("spawn")) as pool:
        for lines, is_good in pool.map(measure, given.crms, [given.latency] * len(given.crms)):
            print("\n".join(lines), flush=True)
            all_good = all_good and is_good
    print(f"{'all as wanted' if all_good else 'NOT as wanted'}, {time.perf_counter() - began:.0f} s")
    raise SystemExit(0 if all_good else 1)


if __name__ == "__main__":
    main()
