"""Entities that rules alone decide: properties, deals, users. The clusters are put together by the same engine."""

from __future__ import annotations

from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

from pipelines.unify.identity.answers import make_answers
from pipelines.unify.identity.cleaning import make_macros
from pipelines.unify.identity.clusters import MOST_BITS, make_components, merge_best
from pipelines.unify.identity.declaration import IdentityDeclaration, Rule
from pipelines.unify.identity.records import columns_of
from pipelines.unify.identity.sqlmodels import render
from pipelines.unify.identity.tables import Tables


def match_by_rules(
    con: duckdb.DuckDBPyConnection,
    records: str,
    declaration: IdentityDeclaration,
    tables: Tables,
    answers: str | None,
) -> int:
    """Fill the matches and clusters of an entity whose `identity:` is `kind: rules`.

    Returns:
        How many pairs the rules found. Rules whose columns the data lack are left out.
    """
    make_macros(con)
    columns = columns_of(con, records)
    within = declaration.apart_within if declaration.apart_within in columns else None
    rules = _make_keys(con, records, declaration, columns)
    _make_edges(con, rules, within)
    make_answers(con, answers, "identity_rule_keys")
    con.execute(
        """create or replace temp table identity_ties as
           select a, b from identity_edges as s where decision = 'match'
               and not exists (from identity_answers as w where w.a = s.a and w.b = s.b and not w.is_same)
           union select a, b from identity_answers where is_same"""
    )
    make_components(con)
    con.execute(
        """create or replace temp table identity_members as
           select c.rid, coalesce(s.same, c.rid) as cluster
           from identity_components as c left join identity_same as s using (rid)"""
    )
    _make_scores(con)
    if within:
        con.execute(
            f"""create or replace temp table identity_places as
                select distinct m.cluster, k.{within} as place
                from identity_members as m join identity_rule_keys as k using (rid) where k.{within} is not null"""
        )
    merge_best(con, match_bits=0, largest=declaration.guards.largest, one_of_each_place=within is not None)
    con.execute(f"create or replace table {tables.matches} as from identity_edges where decision <> 'no'")
    clusters = render("identity_clusters", known="identity_rule_keys", matches=tables.matches, scope=None)
    con.execute(f"create or replace table {tables.clusters} as {clusters}")
    return int(con.execute("select count(*) from identity_edges").fetchall()[0][0])


def _make_scores(con: duckdb.DuckDBPyConnection) -> None:
    """What ties and parts the records of a component, in the form in which people's pairs are weighed."""
    con.execute(
        f"""create or replace temp table identity_inner_scores as
            select a, b, {MOST_BITS}::float as bits, false as is_gated, decision = 'no' as is_vetoed,
                null::varchar as given_name, null::varchar as birth_date, null::varchar as national_id
            from identity_edges where decision <> 'review'"""
    )


def _make_keys(
    con: duckdb.DuckDBPyConnection, records: str, declaration: IdentityDeclaration, columns: set[str]
) -> list[dict[str, Any]]:
    selected = ["hash(record_key::varchar) as rid", "record_key::varchar as record_key"]
    if declaration.apart_within in columns:
        selected.append(str(declaration.apart_within))
    rules = []
    for number, (name, rule) in enumerate(declaration.rules.items()):
        if not all(_columns(part) <= columns for part in [*rule.same, *([rule.each] if rule.each else [])]):
            continue
        selected.append(f"{_key(rule)} as key_{number}")
        if rule.each:
            selected.append(f"list_distinct({rule.each}) as each_{number}")
        guards = [guard for guard in rule.unless_different if _columns(guard) <= columns]
        selected += [f"({guard})::varchar as guard_{number}_{i}" for i, guard in enumerate(guards)]
        rules.append(
            {
                "name": name.replace("_", " "),
                "key": f"key_{number}",
                "each": f"each_{number}" if rule.each else None,
                "guards": [f"guard_{number}_{i}" for i in range(len(guards))],
                "at_most": rule.at_most,
            }
        )
    con.execute(f"create or replace temp table identity_rule_keys as select {', '.join(selected)} from {records}")
    return rules


def _key(rule: Rule) -> str:
    """What two records of one thing share, as one text; NULL where a part is empty."""
    parts = [f"nullif(({part})::varchar, '')" for part in rule.same]
    known = " and ".join(f"{part} is not null" for part in parts)
    return f"case when {known} then concat_ws(chr(31), {', '.join(parts)}) end"


def _columns(expression: str) -> set[str]:
    return {column.name for column in sqlglot.parse_one(expression, read="duckdb").find_all(exp.Column)}


def _make_edges(con: duckdb.DuckDBPyConnection, rules: list[dict[str, Any]], within: str | None) -> None:
    none = """select '' as record_key_a, '' as record_key_b, 0::ubigint as a, 0::ubigint as b, 0::float as bits,
        0::float as probability, '' as decision, '' as evidence limit 0"""
    found = render("identity_rule_edges", rules=rules, within=within, bits=MOST_BITS) if rules else none
    con.execute(f"create or replace temp table identity_edges as {found}")
