"""L1, L3, L9 and L10 for extract: whatever happens to a CRM while it is read, the next run sees what it holds.

The examples run against a CRM in memory and append with plain SQL instead of dlt, so that there can be many; a few run
the same machine over dlt.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import extract_memory as memory
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from law_settings import MEMORY

from pipelines.extract.load import load
from pipelines.extract.run import extract
from pipelines.wire.errors import CrmError

QUIET = timedelta(minutes=30)
LAG = 5


keys = st.sampled_from([f"k{i}" for i in range(9)])
edit = st.tuples(st.just("put"), keys, st.integers(0, 3))
late = st.tuples(st.just("late"), keys, st.integers(0, LAG - 2))  # shows up with a time that has passed already
same = st.tuples(st.just("same"), keys, st.integers(0, 3))  # shares the time of the edit before it
remove = st.tuples(st.just("remove"), keys, st.just(0))
action = st.one_of(edit, late, same, remove)
during = st.dictionaries(st.integers(1, 4), st.lists(action, max_size=3), max_size=3)
fault = st.sampled_from([b'{"contacts": [{"id', b"<html>", (500, b"oops"), (429, b"slow down")])
faults = st.dictionaries(st.integers(1, 5), fault, max_size=2)
run = st.tuples(st.lists(action, max_size=5), during, faults)
world = st.fixed_dictionaries(
    {
        "order": st.sampled_from(["id", "updated_at"]),
        "paging": st.sampled_from(["offset", "page", "token"]),
        "has_total": st.booleans(),
        "filters": st.booleans(),
        "skew": st.integers(-3600, 3600).map(lambda s: timedelta(seconds=s)),
    }
)


def act(crm: Any, actions: list[tuple[str, str, int]]) -> None:
    for kind, key, value in actions:
        if kind == "remove":
            if len(crm.records) > 1:  # an empty source is an accident, and stops (L10)
                crm.remove(key)
            continue
        before = crm.now
        crm.now += timedelta(seconds=9 * value) if kind == "put" else timedelta()
        crm.put(key, name=f"{kind}{value}", at=crm.now - timedelta(seconds=value) if kind == "late" else None)
        if kind == "same":
            crm.records[key]["updated_at"] = memory.iso(before + crm.skew)


def made(tmp: Path, shape: dict[str, Any], honoured: bool, *, get: bool) -> tuple[Any, Any]:
    crm = memory.MemoryCrm(page_size=2, **shape)
    if crm.paging == "token":
        crm.order = "id"
    act(crm, [("put", f"k{i}", 0) for i in range(5)])
    paginators = {
        "offset": {"type": "offset", "limit": 2},
        "page": {"type": "page_number", "base_page": 1, "total_path": None, "page_size": 2},
        "token": {"type": "page_token", "token_path": "next", "token_param": "after"},
    }
    incremental = {"start_param": "updated_since", "lag": LAG, "convert": "iso_ms", "honoured": honoured}
    extract_block = {"paginator": paginators[crm.paging], "incremental": incremental}
    more = {} if get else {"get": None}
    return crm, memory.connection(tmp, extract=extract_block, deleted={"reconcile": "1h"}, **more)


def read(crm: Any, connection: Any, loader: Callable[..., str] = memory.append) -> Any:
    crm.calls.clear()
    return extract(connection, adapter=crm, loader=loader, allow_shrink=True, backoff=0.0)[0]


def reconcile(crm: Any, connection: Any, loader: Callable[..., str] = memory.append) -> None:
    """What the passing of a day brings: everything is read, and what is missing is looked for."""
    with duckdb.connect(str(connection.owner.raw(connection.name))) as con:
        con.execute("update raw._reads set read_at = read_at - interval 2 hour")
    for _ in range(2):
        read(crm, connection, loader)


def check_no_missed_change(shape: dict[str, Any], runs: list[Any], get: bool, loader: Callable[..., str]) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        crm, connection = made(Path(folder), shape, honoured=shape["filters"], get=get)
        for actions, meanwhile, faulty in runs:
            act(crm, actions)
            crm.hooks[:] = [lambda n, meanwhile=meanwhile: act(crm, meanwhile.get(n, []))]
            crm.faults = dict(faulty)
            try:
                read(crm, connection, loader)
            except CrmError:
                crm.hooks.clear()
            crm.hooks.clear()
            crm.faults.clear()
        crm.now += QUIET
        done = read(crm, connection, loader)
        held = memory.current(connection)
        assert {k: v for k, v in held.items() if k in crm.records} == crm.records
        assert done.complete
        reconcile(crm, connection, loader)
        assert memory.current(connection) == crm.records
        check_conservation(connection, done)


def check_conservation(connection: Any, done: Any) -> None:
    """L1: every record served is a version that was there, a new one, or the repetition of one."""
    rows = memory.rows(
        connection,
        """
        select count(*), count(distinct (id, hash, seen)) from raw.contacts""",
    )
    assert rows[0][0] == rows[0][1]
    assert done.records >= done.new + done.changed + done.unchanged


some_runs = st.lists(run, min_size=1, max_size=2)


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(shape=world, runs=some_runs, get=st.booleans())
def test_no_change_is_missed(shape: dict[str, Any], runs: list[Any], get: bool) -> None:
    check_no_missed_change(shape, runs, get, memory.append)


@pytest.mark.slow
@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(shape=world, runs=some_runs, get=st.booleans())
def test_no_change_is_missed_in_three_hundred_worlds(shape: dict[str, Any], runs: list[Any], get: bool) -> None:
    check_no_missed_change(shape, runs, get, memory.append)


@pytest.mark.slow
@settings(max_examples=5, suppress_health_check=list(HealthCheck))
@given(shape=world, runs=some_runs, get=st.booleans())
def test_no_change_is_missed_over_dlt(shape: dict[str, Any], runs: list[Any], get: bool) -> None:
    check_no_missed_change(shape, runs, get, load)
