"""Reads the SQL that mappings contain: conditions over canonical names, expressions over `record`."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pipelines.mapping.problems import listed, nearest_name

Complaint = tuple[str, str, str]
"""What was found, what was expected, the nearest known name."""


def complaints(text: str, columns: Collection[str]) -> Iterator[Complaint]:
    """What is wrong with one DuckDB expression that may name only `columns`. It is parsed, never run."""
    # sqlglot takes a third of a second to import; most mappings contain no SQL.
    import sqlglot
    from sqlglot import expressions as exp
    from sqlglot.errors import SqlglotError

    try:
        statements = sqlglot.parse(f"select {text}", read="duckdb")
    except SqlglotError as error:
        yield f"not readable as SQL: {_first_line(error)}", "a DuckDB expression", ""
        return
    tree = statements[0] if len(statements) == 1 else None
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1 or set(_clauses(tree)) - {"expressions"}:
        yield "more than one expression", "one DuckDB expression, such as status = 'lead'", ""
        return
    if tree.find(exp.Subquery, exp.Star, exp.Table, exp.AggFunc, exp.Window) is not None:
        yield "reads more than its own record", "an expression over one record", ""
    bound = {str(name) for found in tree.find_all(exp.Lambda) for name in found.expressions}
    for name in dict.fromkeys(column.name for column in tree.find_all(exp.Column) if not column.table):
        if name not in columns and name not in bound and name.lower() not in columns:
            near = nearest_name(name, columns)
            yield f"{name!r} is no known column", "" if near else listed(columns), near


def _clauses(tree: object) -> list[str]:
    return [key for key, value in getattr(tree, "args", {}).items() if value]


def _first_line(error: Exception) -> str:
    details = getattr(error, "errors", None)
    said = details[0].get("description") if details else str(error)
    if "Required keyword" in str(said):
        return "something is missing beside an operator"
    return " ".join(str(said).split())[:120].rstrip(".")
