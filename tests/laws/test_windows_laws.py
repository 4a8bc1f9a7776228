"""L2 and L3 for windows that are read side by side: whatever moves meanwhile, the next run has what the CRM holds.

The CRM pages by positions, the worst that can be: a record that leaves a window moves all behind it.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import extract_memory as memory
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from law_settings import EXAMPLES, MEMORY

from pipelines.extract.run import extract

LAG = 5
DAY = 86_400


keys = st.integers(1, 40)
action = st.one_of(
    st.tuples(st.just("edit"), keys, st.integers(0, 3)),
    st.tuples(st.just("late"), keys, st.integers(1, LAG - 2)),  # shows up with a time that has passed already
    st.tuples(st.just("remove"), keys, st.just(0)),
    st.tuples(st.just("add"), st.integers(41, 70), st.just(0)),
)
during = st.dictionaries(st.integers(1, 30), st.lists(action, min_size=1, max_size=3), max_size=6)
# when the records changed last: spread, at one time, all but a few at one time
times = st.one_of(
    st.lists(st.integers(0, 300 * DAY), min_size=40, max_size=40),
    st.just([7 * DAY] * 40),
    st.lists(st.sampled_from([0, DAY, DAY + 1, 300 * DAY]), min_size=40, max_size=40),
)
world = st.fixed_dictionaries(
    {
        "order": st.sampled_from(["updated_at", "id"]),
        "ends": st.sampled_from(["open", "closed", "ignored"]),
        "skew": st.integers(-3600, 3600).map(lambda s: timedelta(seconds=s)),
    }
)
by = st.sampled_from(["modified", "id"])


# a list that comes oldest change first, and says not how long it is: its tokens name a place in the order or a position
rising_world = st.fixed_dictionaries(
    {
        "paging": st.sampled_from(["place", "cursor"]),
        "order": st.sampled_from(["updated_at", "updated_at", "id"]),
        "ends": st.sampled_from(["open", "closed"]),
        "filters": st.sampled_from([True, True, False]),
        "most": st.sampled_from([None, 8, 30]),
        "skew": st.integers(-3600, 3600).map(lambda s: timedelta(seconds=s)),
        "has_total": st.just(False),
    }
).filter(lambda shape: not shape["most"] or (shape["order"] == "updated_at" and shape["filters"]))


def made(folder: Path, shape: dict[str, Any], by: str, offsets: list[int]) -> tuple[Any, Any]:
    crm = memory.MemoryCrm(**{"page_size": 2, "paging": "cursor", **shape})
    begun = crm.now
    for number, offset in enumerate(offsets, 1):
        crm.put(f"k{number:03}", at=begun + timedelta(seconds=offset), number=number, name="first")
    crm.now = begun + timedelta(days=301)
    windows: dict[str, Any] = {"by": by, "total_path": "total"}
    if by == "id":
        windows |= {"start_param": "id_after", "end_param": "id_before"}
    elif by == "rising":
        windows = {"by": "modified", "rising": True, "most": crm.most}
    block = {
        "paginator": {"type": "cursor", "cursor_path": "next", "cursor_param": "after"},
        "params": {"limit": "2"},
        "incremental": {
            "start_param": "updated_since", "end_param": "updated_before", "lag": LAG, "convert": "iso_ms"
        },
        "windows": windows,
    }  # fmt: skip
    key = "number" if by == "id" else ["id"]
    return crm, memory.connection(folder, extract=block, id=key, get=None, deleted={"reconcile": "1h"})


def act(crm: Any, actions: list[tuple[str, int, int]]) -> None:
    for kind, number, value in actions:
        key = f"k{number:03}"
        if kind == "remove":
            crm.remove(key)
        elif kind == "add" or key in crm.records:
            crm.now += timedelta(seconds=value)
            at = crm.now - timedelta(seconds=value) if kind == "late" else None
            crm.put(key, name=f"{kind}{value}", number=number, at=at)


def read(crm: Any, connection: Any) -> Any:
    crm.calls.clear()
    return extract(connection, adapter=crm, loader=memory.append, allow_shrink=True, backoff=0.0)[0]


def held(connection: Any) -> dict[str, Any]:
    return {record["id"]: record for record in memory.current(connection).values()}


def check(shape: dict[str, Any], by: str, offsets: list[int], runs: list[dict[int, Any]]) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        crm, connection = made(Path(folder), shape, by, offsets)
        for meanwhile in runs:
            crm.hooks[:] = [lambda n, meanwhile=meanwhile: act(crm, meanwhile.get(n, []))]
            read(crm, connection)
            crm.hooks.clear()
            crm.now += timedelta(minutes=3)
        done = read(crm, connection)
        assert done.complete
        now = held(connection)
        assert {k: v for k, v in now.items() if k in crm.records} == crm.records
        with duckdb.connect(str(connection.owner.raw(connection.name))) as con:
            con.execute("update raw._reads set read_at = read_at - interval 2 hour")
        for _ in range(2):
            read(crm, connection)
        assert held(connection) == crm.records


some_runs = st.lists(during, min_size=1, max_size=2)


@settings(max_examples=max(6, EXAMPLES // 3), suppress_health_check=list(HealthCheck))
@given(shape=world, by=by, offsets=times, runs=some_runs)
def test_no_change_is_missed(shape: dict[str, Any], by: str, offsets: list[int], runs: list[Any]) -> None:
    check(shape, by, offsets, runs)


@settings(max_examples=max(6, EXAMPLES // 3), suppress_health_check=list(HealthCheck))
@given(shape=rising_world, offsets=times, runs=some_runs)
def test_no_change_is_missed_where_windows_end_by_themselves(
    shape: dict[str, Any], offsets: list[int], runs: list[Any]
) -> None:
    """Where tokens are positions, a deletion moves what is behind it without a sign; then none happens meanwhile."""
    if shape["most"]:
        offsets = [n * DAY for n in range(40)]  # what happened in one second must come by one token's list
    if shape["paging"] == "cursor":
        runs = [{n: [a for a in actions if a[0] != "remove"] for n, actions in one.items()} for one in runs]
    check(shape, "rising", offsets, runs)


def test_windows_that_end_by_themselves_are_read_side_by_side(tmp_path: Path) -> None:
    shape = {"order": "updated_at", "paging": "place", "has_total": False}
    crm, connection = made(tmp_path, shape, "rising", [n * 3 * DAY for n in range(60)])
    done = read(crm, connection)
    assert held(connection) == crm.records
    assert (done.new, done.complete) == (60, True)
    assert done.windows > 4
    assert crm.calls["list"] <= 60 / 2 + 2 * done.windows
    read(crm, connection)
    assert crm.calls["list"] == 1


def test_what_changed_in_the_second_of_a_border_is_in_one_window(tmp_path: Path) -> None:
    """The filter leaves out the very moment that is named, and two pages of records stand on every border."""
    shape = {"order": "updated_at", "paging": "place", "has_total": False, "ends": "open"}
    crm, connection = made(tmp_path, shape, "rising", [n // 4 for n in range(60)])
    crm.now = memory.START + timedelta(seconds=20)
    assert read(crm, connection).windows > 4
    assert held(connection) == crm.records


def test_a_list_that_does_not_rise_is_read_as_one_stream(tmp_path: Path) -> None:
    """Whatever its mapping says: a window would end at the first late record, with earlier ones behind it."""
    shape = {"order": "id", "paging": "place", "has_total": False}
    crm, connection = made(tmp_path, shape, "rising", [n * 7 % 60 * 5 * DAY for n in range(60)])
    assert read(crm, connection).complete
    assert held(connection) == crm.records


def test_an_edit_while_windows_are_read_is_noticed_and_read_again(tmp_path: Path) -> None:
    """Tokens are positions here: what was read already leaves its place, and a record behind it slips through."""
    shape = {"order": "updated_at", "paging": "cursor", "has_total": False}
    crm, connection = made(tmp_path, shape, "rising", [n * 3 * DAY for n in range(60)])
    crm.hooks[:] = [lambda n: act(crm, [("edit", 1, 0)]) if n == 6 else None]
    first = read(crm, connection)
    assert (first.bookmark, "moved while they were read" in first.warnings[0]) == (None, True)
    crm.hooks.clear()
    crm.now += timedelta(minutes=3)
    assert read(crm, connection).bookmark is not None
    assert held(connection) == crm.records


def test_more_than_tokens_serve_are_read_by_their_times(tmp_path: Path) -> None:
    """One stream at a time, which may not go on after 8 records; in the end all are there, and none was refused."""
    shape = {"order": "updated_at", "paging": "place", "has_total": False, "most": 8}
    crm, connection = made(tmp_path, shape, "rising", [n * 3 * DAY for n in range(60)])
    one_by_one = replace(connection, wire=connection.wire.model_copy(update={"concurrency": 1}))
    done = read(crm, one_by_one)
    assert (done.new, done.complete, held(connection)) == (60, True, crm.records)
    assert crm.calls["list"] <= 60 / 2 + 2 * done.windows


def test_more_in_one_second_than_tokens_serve_is_told(tmp_path: Path) -> None:
    shape = {"order": "updated_at", "paging": "place", "has_total": False, "most": 8}
    crm, connection = made(tmp_path, shape, "rising", [0] * 60)
    assert not read(crm, connection).complete


@pytest.mark.parametrize("by", ["modified", "id"])
@pytest.mark.parametrize("order", ["updated_at", "id"])
def test_windows_are_read_and_nothing_twice(by: str, order: str, tmp_path: Path) -> None:
    shape = {"order": order, "ends": "open"}
    crm, connection = made(tmp_path, shape, by, [n * 3 * DAY for n in range(60)])
    done = read(crm, connection)
    assert held(connection) == crm.records
    end, start = ("updated_before", "updated_since") if by == "modified" else ("id_before", "id_after")
    windows = {tuple(sorted(p for p in call.split("&") if end in p or start in p)) for call in crm.log}
    assert len(windows) > 4
    assert crm.calls["list"] <= 60 / 2 + 2 * len(windows)
    assert (done.records, done.new, done.complete) == (60, 60, True)
    read(crm, connection)
    assert crm.calls["list"] == (1 if by == "modified" else crm.calls["list"])


def test_the_order_of_windows_does_not_matter(tmp_path: Path) -> None:
    """L2: one after the other, side by side and as one stream they leave the same."""
    left = []
    for name, at_once, has_windows in (("a", 1, True), ("b", 8, True), ("c", 1, False)):
        crm, connection = made(tmp_path / name, {"order": "updated_at"}, "modified", [n % 7 * DAY for n in range(60)])
        entity = connection.mapping.entities["contacts"]
        block = entity.extract if has_windows else entity.extract.model_copy(update={"windows": None})
        entities = {"contacts": entity.model_copy(update={"extract": block})}
        wire = connection.mapping.connection.model_copy(update={"concurrency": at_once})
        mapping = connection.mapping.model_copy(update={"connection": wire, "entities": entities})
        read(crm, replace(connection, mapping=mapping, wire=wire))
        rows = memory.rows(connection, "select id, hash, modified from raw.contacts_current order by id")
        left.append(rows)
    assert left[0] == left[1] == left[2]


def test_records_that_are_in_no_window_are_found(tmp_path: Path) -> None:
    """L1: what has no time of change is in the list, but in no window of time."""
    crm, connection = made(tmp_path, {"order": "id", "ends": "closed"}, "modified", [n * DAY for n in range(60)])
    for key in ("k003", "k044"):
        del crm.records[key]["updated_at"]
    assert read(crm, connection).complete
    assert held(connection) == crm.records
