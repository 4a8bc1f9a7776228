"""Records that nobody touched since the plan, told by one list of what changed instead of a call for each of them.

A change that came after the plan's read has a later time than any record had that was read. So what a list shows that
begins at the latest of these times may have changed, and what it does not show has not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from pipelines.push.paths import get
from pipelines.push.reading import Reading, id_of
from pipelines.push.template import Call
from pipelines.push.units import MICROSECONDS, Unit
from pipelines.wire.moments import written
from pipelines.wire.names import build_paginator

FEWEST = 8
RECORDS_A_CALL = 4
"""The list is given up where it takes more calls than a quarter of the records."""


async def untouched(reading: Reading, units: Sequence[Unit], is_enough: Callable[[Unit], bool]) -> set[str]:
    """Ids of those records that surely are as they were when the plan was made, among those of which that is enough.

    Raises:
        CrmError: the list cannot be read.
    """
    push = reading.entity.push
    if push is None or push.freshness != "list":
        return set()
    asked = [unit for unit in units if is_enough(unit)]
    times = [unit.modified_at for unit in asked if unit.modified_at is not None]
    if len(asked) < FEWEST or len(times) < len(asked):
        return set()
    shown = await _changed_since(reading, max(times), len(asked) // RECORDS_A_CALL)
    return set() if shown is None else {str(unit.source_id) for unit in asked} - shown


async def _changed_since(reading: Reading, moment: int, most: int) -> set[str] | None:
    """Ids of what changed since a moment (us); None where the list is too long to be worth it."""
    extract = reading.entity.extract
    incremental = extract.incremental
    assert incremental is not None
    since = datetime.fromtimestamp(moment / MICROSECONDS, UTC) - timedelta(seconds=incremental.lag)
    fields = ",".join(reading.fields)
    params = {name: fields if value == "{fields}" else value for name, value in extract.params.items()}
    params |= {str(incremental.start_param): written(since, incremental.convert)}
    request: Any = SimpleNamespace(url=extract.path, params=params, json=None)
    paginator, found = build_paginator(extract.paginator), set[str]()
    paginator.init_request(request)
    for _ in range(most):
        call = Call("GET", request.url, request.params or {}, extract.headers)
        answer = await reading.client.send(call, f"read {reading.name}")
        records = get(answer.data, extract.data_selector)
        records = records if isinstance(records, list) else []
        found |= {id for record in records if (id := id_of(reading.entity, record)) is not None}
        paginator.update_state(_Shown(answer.data), records)  # type: ignore[arg-type]
        if not paginator.has_next_page:
            return None if paginator.broken_off or paginator.moved else found
        paginator.update_request(request)
        if request.url != extract.path:  # an address out of an answer gets no credentials here
            return None
    return None


class _Shown:
    """An answer as paginators look at it."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def json(self) -> Any:
        return self._data
