"""How good clusters are, where the truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from pipelines.unify.identity.sqlmodels import build


@dataclass(frozen=True)
class Quality:
    """Pairwise and B-cubed precision, recall and F1 (0 to 1), and what was glued together.

    Attributes:
        over_merged: clusters that mix two people or more.
        most_people: people in the worst of them; 1 where none is mixed.
        worst: up to ten over-merged clusters as (cluster, people, records), the worst first.
    """

    records: int
    precision: float
    recall: float
    f1: float
    b3_precision: float
    b3_recall: float
    b3_f1: float
    over_merged: int
    most_people: int
    worst: list[tuple[str, int, int]]


def evaluate(con: duckdb.DuckDBPyConnection, clusters: str, truth: str) -> Quality:
    """Measure clusters against the truth, over the records that have one.

    Args:
        clusters: table with record_key and cluster.
        truth: table with record_key and truth (any type).
    """
    build(con, "identity_overlaps", clusters=clusters, truth=truth)
    records, found, known, both, precise, complete = con.execute(
        """with c as (select sum(records) as n from identity_overlaps group by cluster),
                t as (select sum(records) as n from identity_overlaps group by truth)
           select
               coalesce((select sum(n) from c), 0)::bigint,
               coalesce((select sum(n * (n - 1) / 2) from c), 0)::double,
               coalesce((select sum(n * (n - 1) / 2) from t), 0)::double,
               coalesce((select sum(records * (records - 1) / 2) from identity_overlaps), 0)::double,
               coalesce((select sum(records * records / in_cluster) from identity_overlaps), 0)::double,
               coalesce((select sum(records * records / in_truth) from identity_overlaps), 0)::double"""
    ).fetchall()[0]
    worst = con.execute(
        """select cluster, count(*), sum(records)::bigint from identity_overlaps
           group by cluster having count(*) > 1 order by 2 desc, 3 desc, 1"""
    ).fetchall()
    con.execute("drop table identity_overlaps")
    pairs = _f1(both / found if found else 1.0, both / known if known else 1.0)
    cubed = _f1(precise / records if records else 1.0, complete / records if records else 1.0)
    return Quality(records, *pairs, *cubed, len(worst), worst[0][1] if worst else 1, worst[:10])


def _f1(precision: float, recall: float) -> tuple[float, float, float]:
    whole = precision + recall
    return precision, recall, 2 * precision * recall / whole if whole else 0.0
