"""A search that ends at a cap is read to its end, also where more records than the cap share one moment."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.connections.errors import SettingsError
from pipelines.extract.source import pages
from pipelines.mapping.language import Extract
from pipelines.wire.names import build_paginator

CAP, SIZE = 8, 2
KEPT: dict[str, Callable[[Any, Any], bool]] = {
    "GTE": lambda v, w: v >= w, "GT": lambda v, w: v > w, "EQ": lambda v, w: v == w, "LT": lambda v, w: v < w,
}  # fmt: skip
WAY = {
    "type": "search_window", "by": "at", "since": "t0", "until": "t9", "cap": CAP, "under": "properties",
    "cursor_path": "next", "cursor_body_path": "after",
}  # fmt: skip


def search(served: list[dict[str, Any]]) -> Callable[[Any, int], Any]:
    """A search as HubSpot has it: one group of filters, one sort, and no result past the cap."""

    def value(record: dict[str, Any], name: str) -> Any:
        return record["id"] if name == "id" else record["properties"][name]

    def answer(request: Any, _: int) -> Any:
        body = json.loads(request.body)
        (sort,), (group,) = body["sorts"], body["filterGroups"]
        rows = sorted(served, key=lambda r: (value(r, sort["propertyName"]), r["id"]))
        for one in group["filters"]:
            held = [(r, value(r, one["propertyName"])) for r in rows]
            rows = [r for r, v in held if KEPT[one["operator"]](v, type(v)(one["value"]))]
        after = int(body.get("after", 0))
        if after + SIZE > CAP:
            return 400, b'{"message": "paging past the cap"}', {}
        answered: dict[str, Any] = {"items": rows[after : after + SIZE], "total": len(rows)}
        if after + SIZE < len(rows):
            answered["next"] = str(after + SIZE)
        return 200, json.dumps(answered).encode(), {}

    return answer


def read(wire: Any, **more: Any) -> tuple[list[int], Any]:
    block = {"path": "search", "method": "POST", "data_selector": "items", "json": {"limit": SIZE}}
    extract = Extract.model_validate(block)
    paginator = build_paginator({**WAY, **more})
    found = [r["id"] for page in pages(wire, "x", extract, paginator) for r in json.loads(page.content)["items"]]
    return found, paginator


def records(times: list[str]) -> list[dict[str, Any]]:
    return [{"id": i + 1, "properties": {"at": at}} for i, at in enumerate(times)]


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(times=st.lists(st.sampled_from(["t1", "t2", "t3"]), max_size=30))
def test_a_capped_search_is_read_to_its_end(wired: Callable[..., Any], times: list[str]) -> None:
    wire, _ = wired(search(records(times)))
    found, paginator = read(wire)
    assert sorted(set(found)) == list(range(1, len(times) + 1))
    assert not paginator.broken_off


def test_one_moment_that_fills_many_searches_is_read_by_id(wired: Callable[..., Any]) -> None:
    wire, adapter = wired(search(records(["t1"] * 20 + ["t2"])))
    assert sorted(set(read(wire)[0])) == list(range(1, 22))
    sorts = [json.loads(request.body)["sorts"][0]["propertyName"] for request in adapter.requests]
    assert {"at", "id"} == set(sorts)


def test_what_lies_outside_of_the_read_is_not_asked_for(wired: Callable[..., Any]) -> None:
    wire, _ = wired(search(records(["t1", "t2", "t3", "t4"])))
    assert read(wire, since="t2", until="t4")[0] == [2, 3]


def test_moments_are_written_as_the_search_wants_them(wired: Callable[..., Any]) -> None:
    moments = ["2026-01-01T00:00:00.123Z"] * 3 + ["2026-01-01T00:00:01Z"] * 9
    asked: list[str] = []

    def answer(request: Any, _: int) -> Any:
        filters = json.loads(request.body)["filterGroups"][0]["filters"]
        asked.extend(one["value"] for one in filters if one["propertyName"] == "at")
        shown = records(moments)[:2] if len(asked) <= 2 else []
        return 200, json.dumps({"items": shown, "next": "2" if shown else None}).encode(), {}

    wire, _ = wired(answer)
    end, shown = "64060588800000", "1767225600123"
    read(wire, since="0", until=end, value_format="epoch_ms", cap=3)
    assert asked == ["0", end, shown, shown, end], "the whole; that moment by id; what is past it"


def test_it_says_what_it_needs() -> None:
    with pytest.raises(SettingsError, match="by"):
        build_paginator({"type": "search_window", "cap": 3})
