"""Records that we made in the CRMs, and when: what else a CRM put into them is nobody's edit; none is made twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import sqlalchemy as sa

from pipelines.state import arrow
from pipelines.state.database import State
from pipelines.state.push_tables import IN_WORK, created, intents
from pipelines.state.tables import redirects


def load_made(state: State, entity: str) -> Iterator[pa.RecordBatch]:
    """Records of an entity that a push made, in any CRM, without those it met: (record_key, at)."""
    mine = sa.and_(created.c.entity == entity, created.c.how == "done")
    with state.read() as connection:
        yield from arrow.read_arrow(connection, [created.c.record_key, created.c.at], mine)


def since(state: State, connection_name: str, entity: str, golden_ids: Sequence[str]) -> dict[str, str]:
    """Why golden records are not to be created, whatever a plan of earlier says, by golden id; most have no reason.

    A plan that was saved may be applied a second time, and what it creates may have no key to be found by.
    """
    with state.read() as connection:
        moved = sa.select(redirects.c.from_id, redirects.c.to_id).where(
            redirects.c.entity == entity, redirects.c.from_id.in_(golden_ids)
        )
        living = {**{one: one for one in golden_ids}, **{str(old): str(new) for old, new in connection.execute(moved)}}
        ids = sorted({*living, *living.values()})
        mine = (created.c.connection == connection_name, created.c.entity == entity, created.c.golden_id.in_(ids))
        made = connection.execute(sa.select(created.c.golden_id, created.c.run_id).where(*mine))
        found = {str(golden): f"run {run} has brought it there since the plan was made" for golden, run in made}
        mine = (intents.c.connection == connection_name, intents.c.entity == entity, intents.c.golden_id.in_(ids))
        doubtful = (IN_WORK, intents.c.action == "create", intents.c.status.in_(("open", "uncertain")))
        for (golden,) in connection.execute(sa.select(intents.c.golden_id).where(*mine, *doubtful)):
            found.setdefault(str(golden), "nobody knows whether it was created before; see crosswalk failures")
    return {old: why for old, new in living.items() if (why := found.get(old) or found.get(new))}
