"""What operators said: `same` pairs start together, `different` pairs never meet, not even through third records."""

from __future__ import annotations

import duckdb
import pyarrow as pa


def make_answers(con: duckdb.DuckDBPyConnection, answers: str | None, known: str, scope: str | None = None) -> None:
    """Fill `identity_answers` (a, b, is_same) and `identity_same` (rid, same) from a table of answers.

    Args:
        answers: table with record_key_a, record_key_b and answer (`same` or `different`; others are ignored), or None.
        known: table of comparable records; answers about records that are not there wait for them.
        scope: table of record ids (rid); other records' answers are left out.
    """
    source = answers or "(select null as record_key_a, null as record_key_b, null as answer limit 0)"
    con.execute(
        f"""create or replace temp table identity_answers as
            select least(x.rid, y.rid) as a, greatest(x.rid, y.rid) as b, bool_and(w.answer = 'same') as is_same
            from {source} as w
            join {known} as x on x.record_key = w.record_key_a
            join {known} as y on y.record_key = w.record_key_b
            {f"semi join {scope} as s on s.rid = x.rid semi join {scope} as z on z.rid = y.rid" if scope else ""}
            where w.answer in ('same', 'different') and x.rid <> y.rid
            group by 1, 2"""
    )
    rows = con.execute("select a, b, is_same from identity_answers order by a, b").fetchall()
    groups = together([(a, b) for a, b, same in rows if same], [(a, b) for a, b, same in rows if not same])
    table = pa.table({"rid": pa.array(groups, pa.uint64()), "same": pa.array(groups.values(), pa.uint64())})
    con.register("identity_groups", table)
    con.execute("create or replace temp table identity_same as from identity_groups")
    con.unregister("identity_groups")


def together(same: list[tuple[int, int]], different: list[tuple[int, int]]) -> dict[int, int]:
    """Groups of records that were said to be the same, each record with the smallest of its group.

    A `same` that would bring a `different` pair together is left out: wrongly merging is worse than missing.
    """
    group = {rid: {rid} for pair in same for rid in pair}
    apart: dict[int, set[int]] = {}
    for a, b in different:
        apart.setdefault(a, set()).add(b)
        apart.setdefault(b, set()).add(a)
    for a, b in sorted(same):
        one, other = group[a], group[b]
        if one is other or any(apart.get(rid, set()) & other for rid in one):
            continue
        one |= other
        for rid in other:
            group[rid] = one
    return {rid: min(members) for rid, members in group.items()}
