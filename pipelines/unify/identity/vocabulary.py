"""The words of `vocabulary.yml`: read once, by every cleaning rule."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from pipelines.mapping.document import read_document


@cache
def vocabulary() -> dict[str, Any]:
    """All word lists by name, `generations` as a mapping."""
    words: dict[str, Any] = read_document(Path(__file__).with_name("vocabulary.yml")).data
    return words


def sql_text(value: object) -> str:
    """A text literal of SQL."""
    return "'" + str(value).replace("'", "''") + "'"


def sql_list(values: object) -> str:
    """A list literal of SQL, sorted so that the text of a model does not change between runs."""
    assert isinstance(values, list | tuple | set | frozenset)
    return "[" + ", ".join(sql_text(value) for value in sorted(map(str, values))) + "]"


def sql_map(values: dict[str, str]) -> str:
    """A map literal of SQL."""
    return f"map({sql_list_in_order(list(values))}, {sql_list_in_order(list(values.values()))})"


def sql_list_in_order(values: list[str]) -> str:
    """A list literal of SQL that keeps the order given."""
    return "[" + ", ".join(map(sql_text, values)) + "]"
