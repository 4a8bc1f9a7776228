"""Echoes line by line, as staging and the plan read them."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa

from pipelines.state import arrow, echoes
from pipelines.state.database import State


def echo_lines(state: State, entity: str, *, rewritten: bool = False) -> list[dict[str, Any]]:
    """record_key, field, old, sent, read_back, since and sent_at of each echo, ordered by record and field."""
    loaded = echoes.load(state, entity, rewritten=rewritten)
    with duckdb.connect() as con:
        con.register("loaded", pa.Table.from_batches(loaded, schema=arrow.arrow_schema(echoes.COLUMNS)))
        lines = con.sql(f"{echoes.lines_sql('loaded')} order by record_key, field").to_arrow_table()
    return list(lines.to_pylist())
