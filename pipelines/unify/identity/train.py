"""Splink as the trainer of the weights and the painter of a decision.

Splink sees our comparable records and our outcomes: each of its levels asks whether the SQL of `identity_compared.sql`
gives that outcome, so that what is trained is what is scored. Its EM runs on pairs blocked on mailbox, telephone and
address, never on names (addresses are made from names), and its chances for one person become the shipped ones.
"""

from __future__ import annotations

import logging
import re
from typing import Any

import duckdb

from pipelines.unify.identity.cleaning import make_macros
from pipelines.unify.identity.declaration import IdentityDeclaration
from pipelines.unify.identity.explain import Evidence, explain
from pipelines.unify.identity.model import Level, Model
from pipelines.unify.identity.names import make_nicknames
from pipelines.unify.identity.scoring import compared_query
from pipelines.unify.identity.tables import Tables
from pipelines.unify.identity.vocabulary import sql_text

BLOCKS = ("email", "phone", "address", "national_id", "birth")
ENOUGH = 50
"""Records that must share values of a column before EM is run on it."""
SAMPLE = 100_000
"""Records that Splink looks at; more would not make chances any steadier."""
LEAST = 0.0005
"""No outcome is impossible."""


def train(con: duckdb.DuckDBPyConnection, declaration: IdentityDeclaration, model: Model, tables: Tables) -> Model:
    """The model with the chances for one person that Splink estimates on the comparable records of the last match.

    Outcomes that Splink could not tell, or that are not fitted, keep theirs.
    """
    from splink import block_on

    outcomes = outcome_sql(declaration)
    comparisons = [_comparison(name, outcomes[name], model) for name in declaration.comparisons]
    odds = 2 ** model.prior_bits()["same"]
    linker = _linker(con, f"select * from {tables.known} order by rid limit {SAMPLE}", comparisons, odds)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for column in BLOCKS:
        if _filled(con, column):
            linker.training.estimate_parameters_using_expectation_maximisation(block_on(column))
    trained = model.model_copy(deep=True)
    for comparison in linker.misc.save_model_to_json(out_path=None)["comparisons"]:
        _adopt(trained.comparisons[comparison["output_column_name"]], comparison["comparison_levels"])
    con.execute("drop table splink_people")
    return trained


def _adopt(ours: dict[str, Level], levels: list[dict[str, Any]]) -> None:
    for told in levels:
        name, chance = told["label_for_charts"], told.get("m_probability")
        if name in ours and ours[name].fit and chance:
            ours[name].same = float(chance)
    for group in {level.group for level in ours.values()}:
        alternatives = [level for level in ours.values() if level.group == group and level.fit and not level.like]
        whole = sum(level.same for level in alternatives) or 1.0
        for level in alternatives:
            level.same = max(round(level.same / whole, 5), LEAST)
    for level in ours.values():
        if level.like:
            level.same = ours[level.like].same


def waterfall(
    con: duckdb.DuckDBPyConnection, a: str, b: str, declaration: IdentityDeclaration, model: Model, tables: Tables
) -> str:
    """Splink's waterfall chart of two records, as an HTML page that loads nothing: the bits that `explain` gives.

    Raises:
        KeyError: one of the record keys is unknown.
    """
    steps = [e for e in explain(con, a, b, declaration, model, tables) if e.what not in ("prior", "verdict", "guard")]
    few = f"select * from {tables.known} where record_key in ({sql_text(a)}, {sql_text(b)})"
    comparisons = [_bar(step) for step in steps]
    linker = _linker(con, few, comparisons, 2 ** model.prior_bits()["same"])
    records = linker.inference.predict().as_record_list()
    page: str = linker.visualisations.waterfall_chart(records).to_html(inline=True)
    con.execute("drop table splink_people")
    return page


def _bar(step: Evidence) -> dict[str, Any]:
    """One step of the explanation as a Splink comparison whose only outcome weighs as much as the step."""
    likely = min(0.5, 0.5 * 2.0**step.bits)
    chances = {"m_probability": likely, "u_probability": likely * 2.0**-step.bits}
    level = {"sql_condition": "record_key_l <> record_key_r", "label_for_charts": step.outcome, **chances}
    other = {"sql_condition": "ELSE", "label_for_charts": "else", "m_probability": 0.5, "u_probability": 0.5}
    return {"output_column_name": step.what, "comparison_levels": [level, other]}


def outcome_sql(declaration: IdentityDeclaration) -> dict[str, str]:
    """The SQL that says how far each comparison agrees, over Splink's pairs (`given_l`, `given_r`)."""
    text = compared_query("pairs", known="known")
    found = {
        name: case for case, name in re.findall(r"^        (case\n.*?\n        end) as (\w+),?$", text, re.S | re.M)
    }
    return {name: _for_splink(found[name]) for name in declaration.comparisons}


def _for_splink(case: str) -> str:
    case = case.replace("not is_gated", "true").replace("is_nickname", "list_contains(nicknames_l, given_r)")
    case = re.sub(r"\b(email|phone|address)_people\b", r"(case when \1_l = \1_r then 1 end)", case)
    return " ".join(re.sub(r"\b([ab])_(\w+)", lambda m: f"{m[2]}_{'l' if m[1] == 'a' else 'r'}", case).split())


def _comparison(name: str, outcome: str, model: Model) -> dict[str, Any]:
    silent = {"sql_condition": f"({outcome}) is null", "label_for_charts": "null", "is_null_level": True}
    levels = [
        {"sql_condition": f"({outcome}) = {sql_text(level)}", "label_for_charts": level}
        for level in model.comparisons[name]
    ]
    rest = {"sql_condition": "ELSE", "label_for_charts": "else"}
    return {"output_column_name": name, "comparison_levels": [silent, *levels, rest]}


def _linker(con: duckdb.DuckDBPyConnection, query: str, comparisons: list[dict[str, Any]], odds: float) -> Any:
    from splink import DuckDBAPI, Linker

    logging.getLogger("splink").setLevel(logging.ERROR)
    make_macros(con)
    make_nicknames(con)
    con.execute(
        """create or replace temp table splink_nicknames as
            select name, list(other) as nicknames from identity_nicknames group by name"""
    )
    con.execute(
        f"""create or replace table splink_people as
            select k.*, n.nicknames from ({query}) as k left join splink_nicknames as n on n.name = k.given"""
    )
    settings = {
        "link_type": "dedupe_only",
        "unique_id_column_name": "record_key",
        "probability_two_random_records_match": odds / (1 + odds),
        "comparisons": comparisons,
        "blocking_rules_to_generate_predictions": ["1 = 1"],
        "retain_intermediate_calculation_columns": True,
    }
    return Linker(DuckDBAPI(con).register("splink_people"), settings, log_level=logging.ERROR)


def _filled(con: duckdb.DuckDBPyConnection, column: str) -> bool:
    query = f"select count({column}) - count(distinct {column}) from splink_people"
    return bool(con.execute(query).fetchall()[0][0] >= ENOUGH)
