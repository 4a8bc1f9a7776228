"""What operators decided about identity: these two records are the same, or they are not (law L11)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pyarrow as pa
import sqlalchemy as sa

from pipelines.state import arrow, rows, stamps
from pipelines.state.database import State, now_us
from pipelines.state.tables import match_answers

Answer = Literal["same", "different", "unsure"]


def put(state: State, entity: str, record_keys: tuple[str, str], answer: Answer, who: str) -> None:
    """Writes an answer down; a new answer about the same two records replaces the old.

    Raises:
        ValueError: both keys are the same record.
    """
    a, b = sorted(record_keys)
    if a == b:
        raise ValueError(f"{a} is one record: there is nothing to decide")
    with state.write() as connection:
        rows.upsert(connection, match_answers, [(entity, a, b, answer, who, now_us())])
        stamps.renew(connection, f"answers:{entity}")


def forget(state: State, entity: str, record_keys: tuple[str, str]) -> None:
    """Takes an answer back: the machine decides again."""
    a, b = sorted(record_keys)
    table = match_answers.c
    with state.write() as connection:
        connection.execute(sa.delete(match_answers).where(table.entity == entity, table.a == a, table.b == b))
        stamps.renew(connection, f"answers:{entity}")


def load(state: State, entity: str) -> Iterator[pa.RecordBatch]:
    """The answers as batches of (a, b, answer, who, at), with a < b."""
    columns = [match_answers.c[name] for name in ("a", "b", "answer", "who", "at")]
    with state.read() as connection:
        yield from arrow.read_arrow(connection, columns, match_answers.c.entity == entity)


def stamp(state: State, entity: str) -> str:
    """A word that changes whenever an answer does."""
    return stamps.read(state, f"answers:{entity}")
