"""The inbox by itself, on both stores: durable, once, ordered by what the events tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pipelines.connections.owner import Owner
from pipelines.service.context import Context
from pipelines.service.webhooks import inbox
from pipelines.service.webhooks.inbox import Arrival, Inbox, InboxFull
from pipelines.state.database import State, open_state

ROUTES = ("health",)


@pytest.fixture
def store(serve: Callable[..., Any], context_of: Callable[[TestClient], Context]) -> Iterator[State]:
    with serve() as client:
        yield context_of(client).store


@pytest.fixture
def box(store: State) -> Iterator[Inbox]:
    made = Inbox(store)
    made.start()
    yield made
    made.stop()


def arrival(event_id: str | None, moment: int | None = None, records: tuple[str, ...] = (), **more: Any) -> Arrival:
    named = [("contacts", i) for i in records]
    return Arrival("ann", "north", "x", {"id": records}, event_id, moment, named, **more)


def test_an_event_is_stored_once_whoever_brings_it(box: Inbox, store: State) -> None:
    together = box.store([arrival("a"), arrival("b"), arrival("a")])
    assert [s.outcome for s in together] == ["new", "new", "duplicate"]
    assert [s.outcome for s in box.store([arrival("b"), arrival("c")])] == ["duplicate", "new"]
    assert [s.outcome for s in box.store([arrival(None), arrival(None)])] == ["new", "new"]
    other = Arrival("bob", "north", "x", {}, "a")
    assert box.store([other])[0].outcome == "new"
    assert inbox.waiting(store) == {("ann", "north"): 5, ("bob", "north"): 1}


def test_what_is_older_than_what_was_told_is_skipped(box: Inbox, store: State) -> None:
    told = [
        arrival("1", 10, ("p",)), arrival("2", 5, ("p",)), arrival("3", 10, ("p",)), arrival("4", None, ("p",)),
        arrival("5", 7, ("p", "q")), arrival("6", 6, ("q",)), arrival("7", 6, ("q",), reason="no entity"),
    ]  # fmt: skip
    found = [box.store([one])[0] for one in told]
    assert [s.outcome for s in found] == ["new", "older", "new", "new", "new", "older", "set_aside"]
    assert [s.is_known for s in found] == [False, True, True, True, True, True, True]
    assert inbox.latest_of(store, "ann", "north", {"p", "q", "r"}) == {("contacts", "p"): 10, ("contacts", "q"): 7}
    waiting = inbox.next_of(store, "ann", "north", 10)
    assert len(waiting) == 4
    inbox.close(store, [(row["inbox_id"], inbox.DONE, None) for row in waiting])
    assert inbox.waiting(store) == {}


def test_many_at_once_share_commits_and_each_is_told(box: Inbox, store: State) -> None:
    outcomes: list[str] = []

    def send(number: int) -> None:
        for turn in range(20):
            outcomes.extend(s.outcome for s in box.store([arrival(f"{number}-{turn}")]))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["new"] * 160
    assert inbox.waiting(store) == {("ann", "north"): 160}


def test_one_delivery_may_hold_more_than_a_statement_takes(box: Inbox) -> None:
    """PostgreSQL takes 65,535 values in a statement; an event has ten."""
    events = [arrival(f"e{n}", 5, (f"r{n}",)) for n in range(7_000)]
    assert {one.outcome for one in box.store(events)} == {"new"}
    assert [one.outcome for one in box.store(events)] == ["duplicate"] * len(events)


def test_a_sender_that_went_away_is_not_waited_for(store: State) -> None:
    box = Inbox(store)
    gone = box.put([arrival("gone")])
    assert gone.cancel()
    kept = box.put([arrival("kept")])
    box.start()
    assert kept.result(120)[0].outcome == "new"
    box.stop()
    assert inbox.waiting(store) == {("ann", "north"): 1}


def test_a_full_inbox_says_so(store: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.service.webhooks.inbox.MOST_WAITING", 2)
    box = Inbox(store)
    done = [box.put([arrival(str(n))]) for n in range(2)]
    with pytest.raises(InboxFull):
        box.put([arrival("3")])
    box.start()
    assert [d.result(20)[0].outcome for d in done] == ["new", "new"]
    box.stop()


events = st.tuples(st.sampled_from("abcdef"), st.none() | st.integers(1, 5), st.sampled_from("pq"))


@settings(max_examples=25)
@given(st.lists(st.lists(events, min_size=1, max_size=4), min_size=1, max_size=6))
def test_however_they_are_grouped_the_outcome_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[tuple[str, int | None, str]]]
) -> None:
    """One after the other is the meaning; groups are only quicker."""
    seen: set[str] = set()
    latest: dict[str, int] = {}
    expected = []
    for event_id, moment, record in [event for group in groups for event in group]:
        is_older = moment is not None and latest.get(record, -1) > moment
        expected.append("duplicate" if event_id in seen else "older" if is_older else "new")
        if not is_older:
            latest[record] = max(latest.get(record, 0), moment or 0)
        seen.add(event_id)
    with open_state(Owner("_service", tmp_path_factory.mktemp("box"))) as store:
        box = Inbox(store)
        waiting = [box.put([arrival(i, m, (r,)) for i, m, r in group]) for group in groups]
        box.start()
        found = [stored.outcome for done in waiting for stored in done.result(20)]
        box.stop()
    assert found == expected


def test_it_is_quick(box: Inbox) -> None:
    began = time.process_time()
    done = [box.put([arrival(str(number), number, (str(number % 50),))]) for number in range(1000)]
    assert all(d.result(60)[0].outcome == "new" for d in done)
    assert time.process_time() - began < 3, "300 a second must cost a fraction of a processor"
