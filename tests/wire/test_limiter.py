"""The limiter: exact in every sliding window, quick where it may be, shared, and humble after a 429."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.mapping.language import Limit
from pipelines.wire.limiter import Limiter, QuotaExhausted
from pipelines.wire.quota import BUCKETS, MemoryStore, Quota


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def limiter(*limits: tuple[int, float], **more: Any) -> tuple[Limiter, Clock]:
    clock = Clock()
    made = Limiter([Limit(requests=r, seconds=s) for r, s in limits], clock=clock, sleep=clock.sleep, **more)
    return made, clock


def most_in_any(times: list[float], seconds: float) -> int:
    return max(sum(start <= t < start + seconds for t in times) for start in times)


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
        made.acquire("GET", "/contacts")
        times.append(clock.now)
        made.throttled(0.3) if i in throttles else made.succeeded()
    for requests, seconds in limits:
        assert most_in_any(times, seconds) <= requests


@settings(max_examples=100)
@given(jitter=st.lists(st.floats(0, 0.07), min_size=60, max_size=60))
def test_calls_that_arrive_closer_together_still_fit(jitter: list[float]) -> None:
    made, clock = limiter((10, 1.0))
    arrived = []
    for late in jitter:
        made.acquire("GET", "/")
        arrived.append(clock.now + late)
    assert most_in_any(arrived, 1.0) <= 10


@settings(max_examples=100)
@given(ways=st.lists(st.tuples(st.floats(0, 0.09), st.floats(0, 0.09)), min_size=60, max_size=60))
def test_answers_tell_how_late_calls_may_have_arrived(ways: list[tuple[float, float]]) -> None:
    """What a call took longer than the quickest may have passed before it arrived, or after."""
    made, clock = limiter((10, 1.0))
    made.answered(made.take("GET", "/"))  # the quickest there is
    arrived, under_way = [clock.now], []
    for late, slow in ways:
        while isinstance(seconds := made.take("GET", "/"), float):
            clock.now += seconds
        arrived.append(clock.now + late)
        under_way.append((clock.now + min(late + slow, 0.09), seconds))
        for at, sent in [pair for pair in under_way if pair[0] <= clock.now]:
            under_way.remove((at, sent))
            sent.took = at - sent.at
    assert most_in_any(arrived, 1.0) <= 10


@pytest.mark.parametrize(("requests", "seconds"), [(10, 1.0), (190, 10.0), (5, 1.0), (250, 10.0)])
def test_a_quiet_network_leaves_nearly_all_of_the_limit(requests: int, seconds: float) -> None:
    made, clock = limiter((requests, seconds))
    begun, count = clock.now, int(requests / seconds * 60)
    for _ in range(count):
        while isinstance(taken := made.take("GET", "/"), float):
            clock.now += taken
        made.answered(taken)
    assert count / (clock.now - begun) >= 0.96 * requests / seconds


@pytest.mark.parametrize(("requests", "seconds"), [(10, 1.0), (190, 10.0), (5, 1.0), (250, 10.0)])
def test_nine_tenths_of_the_limit_are_reached(requests: int, seconds: float) -> None:
    made, clock = limiter((requests, seconds))
    begun = clock.now
    count = int(requests / seconds * 60)
    for _ in range(count):
        made.acquire("GET", "/")
    assert count / (clock.now - begun) >= 0.9 * requests / seconds


def test_a_few_calls_do_not_wait() -> None:
    made, clock = limiter((10, 1.0))
    for _ in range(8):
        made.acquire("GET", "/")
    assert clock.now == 1000.0


def test_only_matching_calls_count() -> None:
    clock = Clock()
    made = Limiter([Limit(requests=1, seconds=5, match="^PUT /people")], clock=clock, sleep=clock.sleep)
    for _ in range(20):
        made.acquire("GET", "/people")
    assert clock.now == 1000.0
    made.acquire("put", "/people/1")
    made.acquire("PUT", "/people/2")
    assert clock.now > 1005


def test_a_reserve_is_left_to_others() -> None:
    clock = Clock()
    made = Limiter([Limit(requests=10, seconds=1, reserve=0.5)], clock=clock, sleep=clock.sleep)
    times = []
    for _ in range(30):
        made.acquire("GET", "/")
        times.append(clock.now)
    assert most_in_any(times, 1.0) == 5


def test_after_too_many_all_wait_then_go_at_half_the_rate_and_climb_back() -> None:
    made, clock = limiter((10, 1.0))
    made.acquire("GET", "/")
    made.throttled(3.0)
    made.throttled(3.0)  # calls in flight together report one and the same excess
    assert made.share == 0.5
    made.acquire("GET", "/")
    assert clock.now >= 1003
    for _ in range(200):
        made.acquire("GET", "/")
        made.succeeded()
    assert made.share == 1.0


def test_a_call_with_a_limit_of_its_own_closes_that_alone() -> None:
    clock = Clock()
    limits = [Limit(requests=250, seconds=10), Limit(requests=25, seconds=10, match="^PUT /people")]
    made = Limiter(limits, clock=clock, sleep=clock.sleep)
    made.throttled(4.0, "PUT", "/people/7")
    made.acquire("GET", "/people")
    assert (clock.now, made.share) == (1000.0, 1.0)
    made.acquire("PUT", "/people/7")
    assert clock.now >= 1004.0
    made.throttled(2.0, "GET", "/people")
    made.acquire("GET", "/deals")
    assert (clock.now >= 1006.0, made.share) == (True, 0.5)


def test_threads_and_tasks_share_it() -> None:
    made = Limiter([Limit(requests=20, seconds=0.5)])
    times: list[float] = []

    def thread() -> None:
        for _ in range(10):
            made.acquire("GET", "/")
            times.append(time.monotonic())

    async def task() -> None:
        for _ in range(10):
            await made.acquire_async("GET", "/")
            times.append(time.monotonic())

    threads = [threading.Thread(target=thread) for _ in range(3)]
    [t.start() for t in threads]
    asyncio.run(task())
    [t.join() for t in threads]
    assert len(times) == made.calls == 40
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
    made, _ = limiter((3, 86400.0))
    for _ in range(3):
        made.acquire("GET", "/")
    with pytest.raises(QuotaExhausted, match="quota of 3 calls in 24 hours is used up"):
        made.acquire("GET", "/")
