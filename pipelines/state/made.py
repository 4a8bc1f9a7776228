"""Records that we made in the CRMs, and when: what else a CRM put into them is nobody's edit."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import sqlalchemy as sa

from pipelines.state import arrow
from pipelines.state.database import State
from pipelines.state.push_tables import created


def load_made(state: State, entity: str) -> Iterator[pa.RecordBatch]:
    """Records of an entity that a push made, in any CRM, without those it met: (record_key, at)."""
    mine = sa.and_(created.c.entity == entity, created.c.how == "done")
    with state.read() as connection:
        yield from arrow.read_arrow(connection, [created.c.record_key, created.c.at], mine)
