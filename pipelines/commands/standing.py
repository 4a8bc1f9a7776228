"""How two records stand now: one golden record or two, by which rule, and what an operator said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.mapping.canonical import CanonicalEntity

if TYPE_CHECKING:
    import duckdb

    from pipelines.state.database import State
    from pipelines.unify.identity.explain import Evidence


def by_rules(con: duckdb.DuckDBPyConnection, schema: CanonicalEntity, a: str, b: str) -> list[Evidence]:
    """What the declared rules of an entity found about two source records."""
    from pipelines.unify.identity.explain import Evidence

    found = con.execute(
        f"""select evidence, decision from unified.{schema.singular}_matches
            where (record_key_a = $1 and record_key_b = $2) or (record_key_a = $2 and record_key_b = $1)""",
        [a, b],
    ).fetchall()
    says = {"match": "joined by {}", "review": "{} fits, but another record fits as well: an operator is asked"}
    text = says[found[0][1]].format(found[0][0]) if found else "no rule ties these two, or a guard parts them"
    return [Evidence("rules", text, a, b, 0.0)]


def standing(
    con: duckdb.DuckDBPyConnection, state: State, schema: CanonicalEntity, a: str, b: str, *, would_join: bool
) -> list[Evidence]:
    """Operators' words about two source records, and whether they are one golden record now.

    Args:
        would_join: what the two alone would make of it.
    """
    from pipelines.unify.identity.explain import Evidence

    said = [
        Evidence("operator", f"{who} said {answer} on {at:%Y-%m-%d}", a, b, 0.0)
        for answer, who, at in _said(state, schema.entity, a, b)
    ]
    ids = [_golden_id(con, schema, key) for key in (a, b)]
    text = f"one {schema.singular}, {ids[0]}" if ids[0] == ids[1] else f"two {schema.entity}, {ids[0]} and {ids[1]}"
    if not said and (ids[0] == ids[1]) != would_join:
        text += ": decided by the other records they are tied to, looked at as a whole"
    return [*said, Evidence("now", text, a, b, 0.0)]


def _said(state: State, entity: str, a: str, b: str) -> list[tuple[str, str, object]]:
    from pipelines.state import answers

    rows = [row for batch in answers.load(state, entity) for row in batch.to_pylist()]
    return [(row["answer"], row["who"], row["at"]) for row in rows if {row["a"], row["b"]} == {a, b}]


def _golden_id(con: duckdb.DuckDBPyConnection, schema: CanonicalEntity, key: str) -> str:
    found = con.execute(
        f"select {schema.singular}_id from unified.{schema.singular}_sources where record_key = $1", [key]
    ).fetchall()
    return str(found[0][0])
