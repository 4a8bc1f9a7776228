"""What the tables of the state are made of: their register, and the kinds of columns.

Moments are whole microseconds since 1970 (UTC) in columns named `*_at`, `at`, `until` or `since`: SQLite has no time
type, and a million of them must reach Arrow without being parsed. Values of records are JSON text.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, Text
from sqlalchemy.types import TypeEngine

metadata = MetaData()


def text(name: str, *, key: bool = False, null: bool = False) -> Column[str]:
    """A column of text; never NULL unless `null`."""
    return Column(name, Text, primary_key=key, nullable=null)


def moment(name: str, *, null: bool = True) -> Column[int]:
    """A column of microseconds since 1970."""
    return Column(name, BigInteger, nullable=null)


def count(name: str, default: str = "0", kind: type[TypeEngine[int]] = Integer) -> Column[int]:
    """A column that counts; never NULL."""
    return Column(name, kind, nullable=False, server_default=default)
