"""No mass accident (law L10): what is emptied, shrunken, doubled or changed wholesale stops; what stays does not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.connections.connection import Connection, Settings
from pipelines.connections.owner import Owner
from pipelines.extract.guard import SourceShrank, check_size
from pipelines.mapping.language import Mapping
from pipelines.push.guards import tripped

EXAMPLES = max(100, int(os.environ.get("LAW_EXAMPLES", "0")))
MAPPING = Mapping.model_validate(
    {
        "crm": "north",
        "label": "North",
        "connection": {"kind": "http", "base_url": "http://crm.test"},
        "entities": {"contacts": {"extract": {"path": "contacts"}, "id": "id", "fields": {"email": "email"}}},
    }
)
shares = st.floats(0.05, 1)
sizes = st.integers(0, 10**6)


def connection(**settings: Any) -> Connection:
    return Connection("north", Owner("law", Path("unused")), MAPPING, Settings(**settings), False, MAPPING.connection)


def counts(records: int, update: int = 0, create: int = 0) -> dict[str, dict[str, int]]:
    return {"contacts": {"records": records, "update": update, "create": create}}


def stops(found: int, known: int, share: float) -> bool:
    try:
        check_size("North", "contacts", found, known, share)
    except SourceShrank:
        return True
    return False


@settings(max_examples=EXAMPLES)
@given(known=sizes, share=shares, lost=sizes, more=sizes)
def test_an_extract_that_lost_its_source_stops(known: int, share: float, lost: int, more: int) -> None:
    assert not stops(known, known, share)
    assert not stops(lost, 0, share), "a first sync is exempt"
    assert stops(0, known, share) == (known > 0)
    fewer = max(0, known - lost)
    if stops(fewer, known, share):
        assert stops(max(0, fewer - more), known, share), "losing more is no better"


@settings(max_examples=EXAMPLES)
@given(records=sizes, update=sizes, create=sizes, share=shares, may=st.integers(0, 1000), more=sizes)
def test_a_plan_that_changes_too_much_stops(
    records: int, update: int, create: int, share: float, may: int, more: int
) -> None:
    to = connection(max_changed_share=share, max_creates=may)
    assert tripped(to, counts(records), {}, {}) == []
    assert bool(tripped(to, counts(records, create=create), {}, {})) == (create > may)
    if tripped(to, counts(records, update), {}, {}):
        assert update > share * records
        assert tripped(to, counts(records, update + more), {}, {}), "changing more is no better"
    if update > 10 and update > records:
        assert tripped(to, counts(records, update), {}, {})


@settings(max_examples=EXAMPLES)
@given(
    before=st.integers(1, 10**6),
    now=sizes,
    share=shares,
    metric=st.sampled_from(["records:south", "filled:south.email"]),
)
def test_a_source_that_emptied_or_shrank_stops_the_push(before: int, now: int, share: float, metric: str) -> None:
    to, known = connection(min_source_share=share), {("contacts", metric): float(before)}
    found = tripped(to, counts(before), known, {f"contacts/{metric}": float(now)})
    assert not (found and now >= before), "a source that grew is no accident"
    if metric.startswith("records") and now == 0:
        assert found
    if found:
        assert tripped(to, counts(before), known, {}), "nothing at all is no better"


@settings(max_examples=EXAMPLES)
@given(before=st.integers(20, 10**6), factor=st.floats(0, 4))
def test_a_model_that_doubled_stops_the_push(before: int, factor: float) -> None:
    known = {("contacts", "golden:"): float(before)}
    found = tripped(connection(), counts(before), known, {"contacts/golden:": before * factor})
    assert bool(found) == (factor > 1.5 and before * factor > before + 10)
