"""The organisation that an owner is, where the owner is one and no person."""

from __future__ import annotations

import sqlalchemy as sa

from pipelines.state import rows
from pipelines.state.database import State
from pipelines.state.tables import stamps

VARIABLE = "WRAPPER_ORG_CODE"
"""What mappings name an organisation by."""
_STAMP = "organisation"


def note(state: State, organisation: str) -> None:
    """From now on the owner of this state is that organisation; nothing is written where it is so already."""
    if code_of(state) != organisation:
        with state.write() as connection:
            rows.upsert(connection, stamps, [(_STAMP, organisation)])


def code_of(state: State) -> str | None:
    """The organisation, as the user sync names it; None: the owner is a person."""
    with state.read() as connection:
        found = connection.execute(sa.select(stamps.c.value).where(stamps.c.name == _STAMP)).scalar()
    return None if found is None else str(found)
