"""Who is who: source records in, clusters out.

    records -> identity_records -> identity_pairs -> identity_scores -> ties -> clusters
               comparable form     looked at         weighed            sure    checked as a whole

Everything per record is SQL (`pipelines/models/identity_*.sql`); the weights are a file one can read (`weights.yml`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

import duckdb

from pipelines.unify.identity.answers import make_answers
from pipelines.unify.identity.calibrate import calibrate
from pipelines.unify.identity.candidates import make_pairs
from pipelines.unify.identity.clusters import make_members
from pipelines.unify.identity.declaration import IdentityDeclaration
from pipelines.unify.identity.incremental import gather, keep_unchanged, pair_again, widen
from pipelines.unify.identity.model import Model, load_model
from pipelines.unify.identity.records import make_frequencies, make_known, make_records
from pipelines.unify.identity.rules import match_by_rules
from pipelines.unify.identity.scoring import make_scores
from pipelines.unify.identity.sqlmodels import build
from pipelines.unify.identity.tables import Tables, tables_of
from pipelines.unify.sql import existing


@dataclass(frozen=True)
class MatchSummary:
    """Where the results of one run are, and the model it used (to be kept for the next).

    Attributes:
        pairs: how many were looked at.
        looked_at: temporary table (record_key) of the records that were looked at again; None: all were.
    """

    pairs: int
    model: Model
    tables: Tables
    looked_at: str | None = None


def bits_of(probability: float) -> float:
    """A chance as log2 of its odds."""
    return log2(probability / (1 - probability))


def match(
    con: duckdb.DuckDBPyConnection,
    records: str,
    declaration: IdentityDeclaration,
    *,
    model: Model | None = None,
    answers: str | None = None,
    output_schema: str = "unified",
    changed: str | None = None,
) -> MatchSummary:
    """Cluster the records of a table.

    Args:
        con: connection that holds the records; results are written to it.
        records: table or view, one row per source record: record_key and any canonical columns.
        declaration: the `identity:` block of the entity's schema.
        model: a calibrated model, used as it is, with the frequencies that are in the connection already;
            None calibrates the shipped one on these records.
        answers: table of operators' answers (record_key_a, record_key_b, answer: same or different).
        output_schema: schema of the tables made: `<entity>_matches` (pairs with evidence and decision) and
            `<entity>_clusters` (record_key, cluster: the smallest record key in it); `<entity>_comparable` and
            `<entity>_frequencies` are kept for the next run.
        changed: table with the record_key of every record that is new, changed, gone, or was answered about since the
            last run with this model: only they and their neighbours are looked at, with the result of a full run.
    """
    con.execute(f"create schema if not exists {output_schema}")
    tables = tables_of(declaration, output_schema)
    if declaration.kind == "rules":
        pairs = match_by_rules(con, records, declaration, tables, answers)
        _drop(con)
        return MatchSummary(pairs, model or load_model(), tables)
    there = existing(con)
    kept = model is not None and model.population is not None and tables.frequencies in there
    if kept and changed and {tables.known, tables.keys, tables.crowds, tables.clusters} <= there:
        assert model is not None
        return _match_changed(con, records, declaration, model, answers, tables, changed)
    columns = make_records(con, records)
    if not kept:
        population = make_frequencies(con, tables.frequencies, declaration, columns)
    else:
        assert model is not None
        population = model.population or 1
    make_known(con, tables.known, tables.frequencies)
    con.execute("drop table identity_records")
    caps = make_pairs(
        con,
        declaration,
        columns,
        tables=tables,
        population=population,
        caps=model.caps if model else None,
    )
    if model is None or model.population is None:
        fitted = calibrate(con, declaration, model or load_model(), known=tables.known, population=population)
        model = fitted.model_copy(update={"caps": caps})
    pairs = _score(con, declaration, model, tables.known, tables.matches)
    _cluster(con, declaration, model, tables, answers, tables.clusters, near=tables.known)
    _drop(con)
    return MatchSummary(pairs, model, tables)


def _match_changed(
    con: duckdb.DuckDBPyConnection,
    records: str,
    declaration: IdentityDeclaration,
    model: Model,
    answers: str | None,
    tables: Tables,
    changed: str,
) -> MatchSummary:
    pair_again(con, records, declaration, model, tables, changed)
    gather(con, tables)
    pairs = _score(con, declaration, model, "identity_near", "identity_edges")
    widen(con, tables)
    _cluster(
        con, declaration, model, tables, answers, "identity_clusters", near="identity_near", scope="identity_scope"
    )
    keep_unchanged(con, tables)
    con.execute(
        f"""create or replace temp table looked_at as
            select record_key from identity_clusters
            union select record_key::varchar from {changed}"""
    )
    _drop(con)
    return MatchSummary(pairs, model, tables, looked_at="looked_at")


def match_bits(declaration: IdentityDeclaration, model: Model) -> float:
    """From how many bits on two records are one person: as declared, unless answers taught otherwise."""
    return model.match_bits if model.match_bits is not None else bits_of(declaration.thresholds.match)


def review_bits(declaration: IdentityDeclaration, model: Model) -> float:
    """From how many bits on an operator is asked."""
    declared = model.review_bits if model.review_bits is not None else bits_of(declaration.thresholds.review)
    return min(declared, match_bits(declaration, model))


def _score(
    con: duckdb.DuckDBPyConnection, declaration: IdentityDeclaration, model: Model, known: str, edges: str
) -> int:
    """Make the table `edges` from `identity_pairs`; how many pairs there were."""
    asked = review_bits(declaration, model)
    make_scores(con, "identity_scores", "identity_pairs", declaration, model, known=known, floor=asked)
    build(
        con,
        "identity_edges",
        table=edges,
        known=known,
        comparisons=declaration.comparisons,
        match_bits=match_bits(declaration, model),
        review_bits=asked,
    )
    pairs = int(con.execute("select count(*) from identity_pairs").fetchall()[0][0])
    con.execute("drop table identity_pairs")
    con.execute("drop table identity_scores")
    return pairs


def _cluster(
    con: duckdb.DuckDBPyConnection,
    declaration: IdentityDeclaration,
    model: Model,
    tables: Tables,
    answers: str | None,
    clusters: str,
    *,
    near: str,
    scope: str | None = None,
) -> None:
    """Make the table `clusters`, for the records of `scope` (rid) or all; `near` has their comparable records."""
    make_answers(con, answers, near, scope)
    within = f"semi join {scope} as x on x.rid = s.a semi join {scope} as y on y.rid = s.b" if scope else ""
    con.execute(
        f"""create or replace temp table identity_ties as
            select s.a, s.b from {tables.matches} as s {within}
            where s.decision = 'match'
                and not exists (from identity_answers as w where w.a = s.a and w.b = s.b and not w.is_same)
            union
            select a, b from identity_answers where is_same"""
    )
    make_members(
        con,
        declaration,
        model,
        known=near,
        frequencies=tables.frequencies,
        matches=tables.matches,
        match_bits=match_bits(declaration, model),
    )
    build(con, "identity_clusters", table=clusters, known=near, matches=tables.matches, scope=scope)


def _drop(con: duckdb.DuckDBPyConnection) -> None:
    names = con.execute(
        "select table_name from duckdb_tables() where temporary and table_name like 'identity\\_%' escape '\\'"
    ).fetchall()
    for (name,) in names:
        con.execute(f"drop table temp.{name}")
