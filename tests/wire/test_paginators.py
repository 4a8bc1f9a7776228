"""Paging: every way gives every record once, with as few calls as can be, ahead of time where positions are known."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipelines.extract.source import pages
from pipelines.mapping.language import Extract
from pipelines.wire.names import build_paginator


def records(count: int) -> list[dict[str, Any]]:
    return [{"id": i + 1, "at": f"t{i:04}"} for i in range(count)]


def query_of(request: Any) -> dict[str, str]:
    return {k: v[0] for k, v in parse_qs(urlsplit(request.url).query).items()}


def read(
    wire: Any, extract: dict[str, Any], paginator: dict[str, Any] | str | None, expected: int | None = None
) -> Any:
    built = build_paginator(paginator)
    built.expected = expected
    found = []
    block = Extract.model_validate({"path": "contacts", "data_selector": "items", **extract})
    for page in pages(wire, "contacts", block, built):
        if page.content:
            body = json.loads(page.content)
            found += [r["id"] for r in (body["items"] if isinstance(body, dict) else body)]
    for under_way in list(wire.ahead._under_way.values()):
        under_way.result()  # else chance decides whether a call asked for in vain is made before all is cancelled
    wire.close()
    return found, built


def by_position(served: list[dict[str, Any]], size: int, *, total: str | None = "total") -> Callable[[Any, int], Any]:
    def answer(request: Any, _: int) -> Any:
        query = query_of(request)
        start = int(query["offset"]) if "offset" in query else (int(query["page"]) - 1) * size
        body: dict[str, Any] = {"items": served[start : start + size]}
        if total == "total":
            body["total"] = len(served)
        elif total == "pages":
            body["total"] = -(-len(served) // size)
        elif total == "more":
            body["more"] = start + size < len(served)
        return 200, json.dumps(body).encode(), {}

    return answer


WAYS: list[tuple[dict[str, Any], str | None]] = [
    ({"type": "offset", "limit": 4}, "total"),
    ({"type": "offset", "limit": 4, "total_path": None}, None),
    ({"type": "offset", "limit": 4}, None),
    ({"type": "page_number", "base_page": 1, "total_path": "total"}, "pages"),
    ({"type": "page_number", "base_page": 1, "records_path": "total", "page_size": 4}, "total"),
    ({"type": "page_number", "base_page": 1, "total_path": None, "page_size": 4}, None),
    ({"type": "page_number", "base_page": 1, "total_path": None, "has_more_path": "more"}, "more"),
    ({"type": "page_number", "base_page": 1, "total_path": None}, None),
]


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(count=st.integers(0, 30), way=st.sampled_from(WAYS), known=st.sampled_from([None, 0, -5, 7]))
@example(count=1, way=WAYS[-1], known=7)  # the length of pages is not said, and the only page is a short one
def test_positions(wired: Callable[..., Any], count: int, way: tuple[dict[str, Any], str | None], known: Any) -> None:
    block, total = way
    served = records(count)
    wire, adapter = wired(by_position(served, 4, total=total), concurrency=4)
    expected = None if known is None else max(0, count + known)
    found, _ = read(wire, {}, block, expected)
    assert found == [r["id"] for r in served]
    pages_needed = max(1, -(-count // 4))
    too_many = max(0, -(-(expected or 0) // 4) - pages_needed)  # what the last read made us expect in vain
    assert len(adapter.requests) <= pages_needed + 2 + too_many
    if expected == count:
        assert len(adapter.requests) <= pages_needed + 1


def test_pages_are_fetched_ahead_within_the_limits(wired: Callable[..., Any]) -> None:
    at_once, most, lock, are_four = [0], [0], threading.Lock(), threading.Event()
    served = by_position(records(40), 4)

    def answer(request: Any, number: int) -> Any:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
            if at_once[0] == 4:
                are_four.set()
        assert number == 1 or are_four.wait(60), "they were never four"
        with lock:
            at_once[0] -= 1
        return served(request, number)

    wire, adapter = wired(answer, concurrency=4)
    found, _ = read(wire, {}, {"type": "offset", "limit": 4})
    assert found == list(range(1, 41))
    assert most[0] == 4
    assert len(adapter.requests) == 10


def test_a_crm_that_serves_fewer_than_asked_for_is_stepped_through(wired: Callable[..., Any]) -> None:
    wire, _ = wired(by_position(records(10), 3))
    assert read(wire, {}, {"type": "offset", "limit": 5})[0] == list(range(1, 11))


def test_a_list_that_changes_is_noticed(wired: Callable[..., Any]) -> None:
    served = records(9)

    def answer(request: Any, number: int) -> Any:
        if number == 2:
            served.append({"id": 10})
        return by_position(served, 4)(request, number)

    wire, _ = wired(answer, concurrency=1)
    found, paginator = read(wire, {}, {"type": "offset", "limit": 4})
    assert (found, paginator.moved) == (list(range(1, 11)), True)


def test_a_page_that_cannot_be_read_is_stepped_over(wired: Callable[..., Any]) -> None:
    good = by_position(records(12), 4)
    wire, _ = wired(lambda r, n: (200, b"<html>", {}) if query_of(r)["offset"] == "4" else good(r, n))
    found, paginator = read(wire, {}, {"type": "offset", "limit": 4})
    assert (found, paginator.broken_off) == ([1, 2, 3, 4, 9, 10, 11, 12], True)


def linked(served: list[dict[str, Any]], size: int, form: str) -> Callable[[Any, int], Any]:
    def answer(request: Any, _: int) -> Any:
        start = int(query_of(request).get("after", "0"))
        body: dict[str, Any] = {"items": served[start : start + size]}
        nxt = start + size if start + size < len(served) else None
        if form == "absolute":
            body["next"] = f"https://crm.test/v1/contacts?after={nxt}" if nxt else None
        elif form == "relative":
            body |= {"next": f"/v1/contacts?after={nxt}"} if nxt else {}
        elif form == "empty":
            body["next"] = f"https://crm.test/v1/contacts?after={nxt}" if nxt else ""
        else:
            assert not (nxt and start and "page" in query_of(request))
            body["info"] = {"token": str(nxt or "stale"), "more": bool(nxt)}
        return 200, json.dumps(body).encode(), {}

    return answer


@pytest.mark.parametrize("form", ["absolute", "relative", "empty"])
def test_addresses_of_next_pages(wired: Callable[..., Any], form: str) -> None:
    wire, adapter = wired(linked(records(10), 4, form))
    assert read(wire, {"params": {"size": 4}}, {"type": "json_link", "next_url_path": "next"})[0] == list(range(1, 11))
    assert len(adapter.requests) == 3


def test_tokens_with_a_flag_and_without_the_page(wired: Callable[..., Any]) -> None:
    wire, adapter = wired(linked(records(10), 4, "token"))
    way = {
        "type": "page_token", "token_path": "info.token", "token_param": "after", "more_path": "info.more",
        "drop": ["page"],
    }  # fmt: skip
    assert read(wire, {"params": {"page": 1}}, way)[0] == list(range(1, 11))
    assert len(adapter.requests) == 3


def test_a_reference_that_goes_round_breaks_off(wired: Callable[..., Any]) -> None:
    body = json.dumps({"items": [{"id": 1}], "next": "/v1/contacts?after=1"}).encode()
    wire, adapter = wired(lambda *_: (200, body, {}))
    _, paginator = read(wire, {}, {"type": "json_link", "next_url_path": "next"})
    assert paginator.broken_off
    assert len(adapter.requests) == 2


def test_another_hosts_address_is_not_followed(wired: Callable[..., Any]) -> None:
    body = json.dumps({"items": [{"id": 1}], "next": "https://evil.test/v1/contacts"}).encode()
    wire, _ = wired(lambda *_: (200, body, {}))
    with pytest.raises(Exception, match="another host"):
        read(wire, {}, "next_url")


@pytest.mark.parametrize("status", [204, 304])
def test_nothing_at_all_is_an_empty_list(wired: Callable[..., Any], status: int) -> None:
    wire, adapter = wired(lambda *_: (status, b"", {}))
    assert read(wire, {}, {"type": "offset", "limit": 4})[0] == []
    assert len(adapter.requests) == 1


def test_a_bare_array_in_one_answer(wired: Callable[..., Any]) -> None:
    wire, _ = wired(lambda *_: (200, json.dumps(records(1)).encode(), {}))
    assert read(wire, {"data_selector": None}, "single_page")[0] == [1]
