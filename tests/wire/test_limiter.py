"""The limiter: exact in every sliding window, whatever the network does; shared, and humble after a 429."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.mapping.language import Limit
from pipelines.wire.limiter import KINDS_MOST, SURE, Limiter, QuotaExhausted, Sent
from pipelines.wire.quota import BUCKETS, MemoryStore, Quota


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def limiter(*limits: tuple[int, float]) -> tuple[Limiter, Clock]:
    clock = Clock()
    return Limiter([Limit(requests=r, seconds=s) for r, s in limits], clock=clock), clock


def waited(made: Limiter, clock: Clock, method: str = "GET", path: str = "/") -> Sent:
    """The call, once it may be made."""
    while isinstance(taken := made.take(method, path), float):
        clock.now += taken
    return taken


def at_once(made: Limiter, clock: Clock, method: str = "GET", path: str = "/") -> float:
    """Makes a call that takes no time; when it was made."""
    made.answered(waited(made, clock, method, path))
    return clock.now


def most_in_any(times: list[float], seconds: float) -> int:
    """The most in any window; one that begins where another is full by a rounding error is none."""
    return max(sum(start <= t < start + seconds - 1e-9 for t in times) for start in times)


@settings(max_examples=300)
@given(
    limits=st.lists(st.tuples(st.integers(1, 30), st.sampled_from([0.5, 1.0, 10.0])), min_size=1, max_size=3),
    gaps=st.lists(st.floats(0, 0.4), min_size=5, max_size=80),
    throttles=st.sets(st.integers(0, 79), max_size=3),
)
def test_no_window_ever_holds_more_than_allowed(
    limits: list[tuple[int, float]], gaps: list[float], throttles: set[int]
) -> None:
    made, clock = limiter(*limits)
    times = []
    for i, gap in enumerate(gaps):
        clock.now += gap
        times.append(at_once(made, clock))
        made.throttled(0.3) if i in throttles else made.succeeded()
    for requests, seconds in limits:
        assert most_in_any(times, seconds) <= requests


@dataclass
class Network:
    """Calls on their way: each is counted by the CRM after some of the time that it takes."""

    made: Limiter
    clock: Clock
    counted: list[float] = field(default_factory=list)
    under_way: list[tuple[float, Sent]] = field(default_factory=list)

    def call(self, path: str, until_counted: float, until_answered: float) -> None:
        """Waits for the limiter, letting answers arrive meanwhile, and sends a call."""
        while isinstance(taken := self.made.take("GET", path), float):
            self.pass_to(self.clock.now + taken)
        self.counted.append(self.clock.now + until_counted)
        self.under_way.append((self.clock.now + until_counted + until_answered, taken))

    def pass_to(self, moment: float) -> None:
        """Time passes; answers arrive in it."""
        self.under_way.sort(key=lambda pair: pair[0])
        while self.under_way and self.under_way[0][0] <= moment:
            self.clock.now, sent = self.under_way.pop(0)
            self.made.answered(sent)
        self.clock.now = max(self.clock.now, moment)


WAY = st.tuples(st.floats(0, 3), st.floats(0, 3))


@settings(max_examples=200)
@given(ways=st.lists(WAY, min_size=20, max_size=80), gap=st.floats(0, 0.2))
def test_whatever_the_network_does_no_window_of_the_crm_is_passed(ways: list[tuple[float, float]], gap: float) -> None:
    """Of kinds that are not known yet nothing is believed: a call may be counted at any moment before its answer."""
    made, clock = limiter((10, 1.0), (25, 10.0))
    network = Network(made, clock)
    for n, (there, back) in enumerate(ways):
        network.pass_to(clock.now + gap)
        network.call("/" + "x" * n, there, back)
    assert most_in_any(network.counted, 1.0) <= 10
    assert most_in_any(network.counted, 10.0) <= 25


@settings(max_examples=200)
@given(
    base=st.tuples(st.floats(0, 0.4), st.floats(0, 0.4)),
    ways=st.lists(WAY, min_size=60, max_size=60),
)
def test_a_known_kind_of_call_is_late_by_no_more_than_it_took_longer(
    base: tuple[float, float], ways: list[tuple[float, float]]
) -> None:
    made, clock = limiter((10, 1.0))
    network = Network(made, clock)
    for _ in range(SURE):
        network.call("/", *base)  # the quickest there is
        network.pass_to(clock.now + sum(base))
    for there, back in ways:
        network.call("/", base[0] + there, base[1] + back)
    assert most_in_any(network.counted, 1.0) <= 10


@pytest.mark.parametrize(("requests", "seconds"), [(10, 1.0), (190, 10.0), (5, 1.0), (250, 10.0)])
def test_a_distant_crm_is_asked_nearly_as_often_as_it_allows(requests: int, seconds: float) -> None:
    made, clock = limiter((requests, seconds))
    network = Network(made, clock)
    for _ in range(int(requests / seconds * 60)):
        network.call("/", 0.1, 0.05)
    assert len(network.counted) / (network.counted[-1] - network.counted[0]) >= 0.95 * requests / seconds


def test_a_call_without_an_answer_keeps_its_place() -> None:
    made, clock = limiter((2, 1.0))
    lost, _ = waited(made, clock), at_once(made, clock)
    for _ in range(5):
        at_once(made, clock)
    times = [at_once(made, clock) for _ in range(5)]
    assert all(later - one >= 1.0 for one, later in pairwise(times))
    made.answered(lost, is_typical=False)
    clock.now += 1.1
    assert at_once(made, clock) == at_once(made, clock) == clock.now


def test_a_call_that_failed_tells_nothing_of_the_way() -> None:
    """A refused connection takes no time; calls that arrive would seem late beside it."""
    made, clock = limiter((10, 1.0))
    network = Network(made, clock)
    for n in range(60):
        if n % 5 == 0:
            made.answered(waited(made, clock), is_typical=False)
        network.call("/", 0.3, 0.1)
    begun = clock.now
    for _ in range(100):
        network.call("/", 0.3, 0.1)
    assert 100 / (clock.now - begun) >= 9.4


def test_kinds_without_end_are_forgotten() -> None:
    made, clock = limiter()
    for n in range(3 * KINDS_MOST):
        at_once(made, clock, path="/" + "x" * n)
    assert len(made._answers._kinds) <= KINDS_MOST


def test_a_few_calls_do_not_wait() -> None:
    made, clock = limiter((10, 1.0))
    for _ in range(8):
        at_once(made, clock)
    assert clock.now == 1000.0


def test_only_matching_calls_count() -> None:
    clock = Clock()
    made = Limiter([Limit(requests=1, seconds=5, match="^PUT /people")], clock=clock)
    for _ in range(20):
        at_once(made, clock, "GET", "/people")
    assert clock.now == 1000.0
    at_once(made, clock, "put", "/people/1")
    at_once(made, clock, "PUT", "/people/2")
    assert clock.now > 1005


def test_a_reserve_is_left_to_others() -> None:
    clock = Clock()
    made = Limiter([Limit(requests=10, seconds=1, reserve=0.5)], clock=clock)
    times = []
    for _ in range(30):
        times.append(at_once(made, clock))
    assert most_in_any(times, 1.0) == 5


def test_after_too_many_all_wait_then_go_at_half_the_rate_and_climb_back() -> None:
    made, clock = limiter((10, 1.0))
    at_once(made, clock)
    made.throttled(3.0)
    made.throttled(3.0)  # calls in flight together report one and the same excess
    assert made.share == 0.5
    at_once(made, clock)
    assert clock.now >= 1003
    for _ in range(200):
        at_once(made, clock)
        made.succeeded()
    assert made.share == 1.0


def test_a_call_with_a_limit_of_its_own_closes_that_alone() -> None:
    clock = Clock()
    limits = [Limit(requests=250, seconds=10), Limit(requests=25, seconds=10, match="^PUT /people")]
    made = Limiter(limits, clock=clock)
    made.throttled(4.0, "PUT", "/people/7")
    at_once(made, clock, "GET", "/people")
    assert (clock.now, made.share) == (1000.0, 1.0)
    at_once(made, clock, "PUT", "/people/7")
    assert clock.now >= 1004.0
    made.throttled(2.0, "GET", "/people")
    at_once(made, clock, "GET", "/deals")
    assert (clock.now >= 1006.0, made.share) == (True, 0.5)


def test_threads_and_tasks_share_it() -> None:
    made = Limiter([Limit(requests=20, seconds=0.5)])
    times: list[float] = []

    def go() -> float:
        taken = made.take("GET", "/")
        if not isinstance(taken, Sent):
            return taken
        times.append(time.monotonic())
        made.answered(taken)
        return 0.0

    def thread() -> None:
        for _ in range(10):
            while seconds := go():
                time.sleep(seconds)

    async def task() -> None:
        for _ in range(10):
            while seconds := go():
                await asyncio.sleep(seconds)

    async def tasks() -> None:
        await asyncio.gather(task(), task())

    threads = [threading.Thread(target=thread) for _ in range(3)]
    [t.start() for t in threads]
    asyncio.run(tasks())
    [t.join() for t in threads]
    assert len(times) == made.calls == 50
    assert most_in_any(sorted(times), 0.5) <= 20


def test_a_days_quota_is_shared_and_outlives_the_program() -> None:
    store, day = MemoryStore(), Limit(requests=1000, seconds=86400)
    now = [1_800_000_000.0]
    taken = 0
    for _ in range(4):  # four processes, one after the other
        quota = Quota(day, store, now=lambda: now[0])
        while taken < 10_000 and quota.take() == 0 and taken % 300 != 299:
            taken += 1
        taken += 1
    assert 900 < taken <= 1004
    later = Quota(day, store, now=lambda: now[0] + 86400 + 2 * 86400 / BUCKETS)
    assert later.take() == 0


@settings(max_examples=100)
@given(steps=st.lists(st.tuples(st.floats(0, 8 * 3600), st.integers(1, 60)), min_size=1, max_size=20))
def test_no_sliding_day_holds_more_than_the_quota(steps: list[tuple[float, int]]) -> None:
    now, times = [1_800_000_000.0], []
    quota = Quota(Limit(requests=100, seconds=86400), MemoryStore(), now=lambda: now[0])
    for gap, calls in steps:
        now[0] += gap
        times += [now[0] for _ in range(calls) if quota.take() == 0]
    if times:
        assert most_in_any(times, 86400) <= 100


def test_a_used_up_quota_says_so_instead_of_waiting_for_hours() -> None:
    made, clock = limiter((3, 86400.0))
    for _ in range(3):
        at_once(made, clock)
    with pytest.raises(QuotaExhausted, match="quota of 3 calls in 24 hours is used up"):
        at_once(made, clock)
