"""From scored pairs to clusters: the strongest ties first, and every cluster looked at as a whole.

Records that ties connect are one component. Where a component of three or more is not tied throughout, all its pairs
are weighed, and clusters are put together like this: two clusters that are each other's best become one, as long as
what ties their records outweighs, on average, what parts them. A weak bridge between two tight groups is so never
crossed, a contradiction counts against every merge it touches, and the order of records plays no part.
"""

from __future__ import annotations

import duckdb

from pipelines.unify.identity.declaration import IdentityDeclaration
from pipelines.unify.identity.model import Model
from pipelines.unify.identity.scoring import make_near, make_scores
from pipelines.unify.identity.sqlmodels import build

COMPLETE_UP_TO = 80
"""All pairs of a component are weighed up to this size; beyond, only those that were candidates."""
MOST_BITS = 8
"""No single pair pulls a cluster together or apart with more than this."""
SILENCE_BITS = 1
"""What a pair without contradiction pulls apart at most: a phone here and an e-mail there are no argument."""


def make_components(con: duckdb.DuckDBPyConnection) -> None:
    """Fill `identity_components` (rid, component) for every record in `identity_ties`."""
    con.execute(
        """create or replace temp table identity_components as
           select distinct rid, rid as component
           from (select a as rid from identity_ties union all select b from identity_ties)"""
    )
    changed = 1
    while changed:
        build(con, "identity_components_next")
        changed = con.execute("select count(*) from identity_components_next where is_news").fetchall()[0][0]
        con.execute(
            "drop table identity_components; alter table identity_components_next rename to identity_components"
        )


def make_members(
    con: duckdb.DuckDBPyConnection,
    declaration: IdentityDeclaration,
    model: Model,
    *,
    known: str,
    frequencies: str,
    matches: str,
    match_bits: float,
) -> None:
    """Fill `identity_members` (rid, cluster) for every record in `identity_ties`.

    Reads `identity_ties`, `identity_answers` and `identity_same` (rid, same: must be together).
    """
    make_components(con)
    guards = declaration.guards
    build(con, "identity_loose", largest=guards.largest)
    loose = "select c.rid from identity_components as c semi join identity_loose as l on l.component = c.component"
    make_near(con, "identity_inner", loose, known)
    build(
        con,
        "identity_inner_pairs",
        identifiers={
            name: {
                "column": identifier.column,
                "each": identifier.each,
                "most_people": identifier.most_people,
            }
            for name, identifier in declaration.identifiers.items()
        },
        known="identity_inner",
        frequencies=frequencies,
        matches=matches,
        complete_up_to=COMPLETE_UP_TO,
    )
    make_scores(con, "identity_inner_scores", "identity_inner_pairs", declaration, model, known="identity_inner")
    con.execute(
        """create or replace temp table identity_members as
           select c.rid, case when l.component is null then c.component else coalesce(s.same, c.rid) end as cluster
           from identity_components as c
           left join identity_loose as l using (component)
           left join identity_same as s using (rid)"""
    )
    merge_best(con, match_bits=match_bits, largest=guards.largest)


def merge_best(
    con: duckdb.DuckDBPyConnection, *, match_bits: float, largest: int, one_of_each_place: bool = False
) -> None:
    """Merge the clusters of `identity_members`, best first, until nothing ties any two of them.

    What ties two clusters is the sum of what ties their records, so that the links of a round are made from those of
    the round before; a component in which nothing was merged is done.

    Args:
        match_bits: from how many bits on two clusters may become one.
        largest: no cluster gets more records.
        one_of_each_place: clusters that have a place in common (`identity_places`: cluster, place) never become one.
    """
    build(con, "identity_links", most_bits=MOST_BITS, silence_bits=SILENCE_BITS)
    while True:
        build(con, "identity_merges", match_bits=match_bits, largest=largest, one_of_each_place=one_of_each_place)
        if not con.execute("select count(*) from identity_merges").fetchall()[0][0]:
            return
        for table in ("identity_members", *(["identity_places"] if one_of_each_place else [])):
            con.execute(f"update {table} set cluster = m.stays from identity_merges as m where cluster = m.goes")
        build(con, "identity_links_next")
        con.execute("drop table identity_links; alter table identity_links_next rename to identity_links")
