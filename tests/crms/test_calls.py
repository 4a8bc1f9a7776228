"""A sync makes no more calls than it must: records / page size, 2 for each window, the list of deletions, the login.

The list of an office's own fields is one call an entity, and one of the two for its first window. Counted by the
emulated CRMs themselves, whole and by changes, on pages so small that there are many.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipelines.connections.project import Project
from pipelines.connections.resolve import resolve
from pipelines.extract.job import EntityRead
from pipelines.extract.run import extract
from pipelines.mapping.language import Mapping
from pipelines.sandbox.handle import SandboxHandle, start

PEOPLE, PAGE, DAYS = 120, 5, 20
PAGE_WORDS = {"limit", "pagesize", "per_page", "page_size"}
CRMS = [
    "brivity", "brivity_core", "external", "follow_up_boss", "hubspot", "kvcore", "mri_vault", "salesforce",
    "topproducer", "vaultre", "zoho",
]  # fmt: skip
WINDOWED = {"follow_up_boss", "hubspot", "salesforce", "vaultre", "zoho"}


def small_pages(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: PAGE if k in PAGE_WORDS and isinstance(v, int) else small_pages(v) for k, v in value.items()}
    return [small_pages(v) for v in value] if isinstance(value, list) else value


@dataclass
class Crm:
    """One emulated CRM, its connection, and what its two syncs came to."""

    name: str
    sandbox: SandboxHandle
    connection: Any
    reads: dict[str, list[EntityRead]]
    calls: dict[str, list[dict[str, Any]]]

    def sync(self, kind: str) -> None:
        """Reads, and notes what the CRM counted."""
        self.sandbox.admin("DELETE", "calls")
        self.reads[kind] = extract(self.connection)
        self.calls[kind] = self.sandbox.admin("GET", "calls")[self.name]

    def change_half(self) -> None:
        """Users edit records on many days."""
        for day in range(DAYS):
            self.sandbox.admin("POST", f"{self.name}/clock", {"stop_at": time.time() - (DAYS - day) * 43_200})
            changed = {"kind": "change", "records": PEOPLE // DAYS, "seed": day}
            self.sandbox.admin("POST", f"{self.name}/disturb", changed)
        self.sandbox.admin("POST", f"{self.name}/clock", {"go": True})


@pytest.fixture(scope="module")
def crms(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Iterator[Callable[[str], Crm]]:
    data = tmp_path_factory.mktemp("calls")
    made: dict[str, Crm] = {}
    with start(data / "sandbox", CRMS, size=PEOPLE) as sandbox:

        def synced(name: str) -> Crm:
            if name not in made:
                found = resolve(name, Project(project_root, data), sandbox_environment=sandbox.environment(name))
                whole = found.mapping.model_dump(by_alias=True, exclude_none=True)
                for entity in whole["entities"].values():
                    entity["extract"] = small_pages(entity["extract"])
                if name == "salesforce":
                    sandbox.admin("PATCH", "salesforce/settings", {"batch_size": PAGE})
                wire = found.wire.model_copy(update={"limits": []})  # the emulated CRMs do not enforce theirs here
                connection = replace(found, mapping=Mapping.model_validate(whole), wire=wire)
                made[name] = crm = Crm(name, sandbox, connection, {}, {})
                crm.sync("whole")
                crm.change_half()
                crm.sync("changes")
                crm.sync("nothing")
            return made[name]

        yield synced


def most_calls(crm: Crm, kind: str) -> int:
    """What the law allows."""
    most = 1  # login
    for read in crm.reads[kind]:
        block = crm.connection.entities[read.entity]
        records = read.new + read.changed + read.unchanged
        size = records or 1 if block.extract.paginator in (None, "single_page") else PAGE
        most += math.ceil(records / size) + 2 * read.windows
        if block.deleted is not None and block.deleted.feed is not None:
            most += 2
        if block.extract.beside is not None:
            most += math.ceil(PEOPLE / block.extract.beside.size) + 1
    return most


@pytest.mark.parametrize("name", CRMS)
@pytest.mark.parametrize("kind", ["whole", "changes", "nothing"])
def test_no_call_too_many(crms: Callable[[str], Crm], name: str, kind: str) -> None:
    crm = crms(name)
    calls = crm.calls[kind]
    assert sum(call["count"] for call in calls) <= most_calls(crm, kind), (crm.reads[kind], calls)
    assert all(call["status"] < 400 for call in calls), calls
    assert all(read.complete for read in crm.reads[kind])


@pytest.mark.parametrize("name", CRMS)
def test_windows_only_where_a_read_is_long(crms: Callable[[str], Crm], name: str) -> None:
    crm = crms(name)
    at_once = crm.connection.wire.concurrency
    most = max(read.windows for read in crm.reads["whole"])
    assert (most > 1) == (name in WINDOWED)
    assert most <= 1 + 6 * at_once, crm.reads["whole"]
    assert all(read.windows == 1 for read in crm.reads["nothing"] if not read.full)


def test_more_than_page_tokens_lead_to(crms: Callable[[str], Crm]) -> None:
    """Zoho's tokens end after so many records: a stream that comes near goes on by time, and none is refused."""
    crm, most = crms("zoho"), 3 * PAGE
    crm.sandbox.admin("PATCH", "zoho/settings", {"token_rows": most})
    whole = crm.connection.mapping.model_dump(by_alias=True, exclude_none=True)
    whole["entities"]["contacts"]["extract"]["windows"]["most"] = most
    connection = replace(crm.connection, mapping=Mapping.model_validate(whole))
    (read,) = extract(connection, full_refresh=True, entities=["contacts"])
    crm.sandbox.admin("PATCH", "zoho/settings", {"token_rows": 100_000})
    assert read.complete
    assert read.new + read.changed + read.unchanged == len(crm.sandbox.admin("GET", "zoho/records?entity=Contacts"))


@pytest.mark.parametrize("name", ["follow_up_boss", "zoho"])
def test_windows_are_read_side_by_side(crms: Callable[[str], Crm], name: str) -> None:
    """Where each answer takes a while, calls arrive before the one before them was answered."""
    crm, latency = crms(name), 0.2
    crm.sandbox.admin("PATCH", f"{name}/settings", {"latency_ms": 1000 * latency})
    crm.sandbox.admin("DELETE", "calls")
    extract(crm.connection, full_refresh=True, entities=["contacts"])
    crm.sandbox.admin("PATCH", f"{name}/settings", {"latency_ms": 0})
    arrived = sorted(call["seconds"] for call in crm.sandbox.admin("GET", f"{name}/log"))
    assert any(later - one < latency for one, later in pairwise(arrived)), arrived
