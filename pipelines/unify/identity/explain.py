"""Why two records are together or apart, comparison by comparison."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

import duckdb

from pipelines.unify.identity.candidates import make_pairs
from pipelines.unify.identity.cleaning import make_macros
from pipelines.unify.identity.declaration import IdentityDeclaration
from pipelines.unify.identity.match import match_bits
from pipelines.unify.identity.model import Model
from pipelines.unify.identity.names import make_nicknames
from pipelines.unify.identity.records import columns_of
from pipelines.unify.identity.scoring import make_scores
from pipelines.unify.identity.tables import Tables

SHOWN = {
    "given_name": "given",
    "family_name": "family",
    "middle_name": "middle",
    "email": "email",
    "phone": "phone",
    "place": "address",
    "birth_date": "birth",
    "national_id": "national_id",
    "company": "company",
    "generation": "generation",
}
"""Which column of the comparable record stands for a comparison."""


@dataclass(frozen=True)
class Evidence:
    """One step from "any two records" to the verdict.

    Attributes:
        what: comparison, or `prior`, `household`, `guard`, `verdict`.
        outcome: how far it agrees, in a word or a sentence.
        bits: what it adds to the log2 odds of one person (against strangers; `household` is what is taken off
            because two of one household would look alike, too); for the verdict the sum.
    """

    what: str
    outcome: str
    value_a: str | None
    value_b: str | None
    bits: float


def make_pair_scores(
    con: duckdb.DuckDBPyConnection,
    declaration: IdentityDeclaration,
    model: Model,
    tables: Tables,
    pairs: list[tuple[str, str]],
) -> None:
    """Fill `identity_pair_scores` with every comparison's weight, for pairs of record keys, candidates or not."""
    make_macros(con)
    make_nicknames(con)
    con.execute("create or replace temp table identity_asked (record_key_a varchar, record_key_b varchar)")
    con.executemany("insert into identity_asked values (?, ?)", [list(pair) for pair in pairs])
    con.execute(
        f"""create or replace temp table identity_few as select * from {tables.known}
            where record_key in (
                select record_key_a from identity_asked union select record_key_b from identity_asked)"""
    )
    few = Tables("identity_few", tables.frequencies, "identity_few_keys", "identity_few_crowds", "", "")
    make_pairs(
        con,
        declaration,
        columns_of(con, "identity_few"),
        tables=few,
        population=model.population or 1,
        caps=model.caps,
    )
    shared = ", ".join(f"p.{name}" for name in declaration.identifiers)
    con.execute(
        f"""create or replace temp table identity_asked_pairs as
            select least(x.rid, y.rid) as a, greatest(x.rid, y.rid) as b, {shared}
            from identity_asked as q
            join identity_few as x on x.record_key = q.record_key_a
            join identity_few as y on y.record_key = q.record_key_b
            left join identity_pairs as p on p.a = least(x.rid, y.rid) and p.b = greatest(x.rid, y.rid)"""
    )
    make_scores(
        con, "identity_pair_scores", "identity_asked_pairs", declaration, model, known="identity_few", explain=True
    )


def explain(
    con: duckdb.DuckDBPyConnection,
    a: str,
    b: str,
    declaration: IdentityDeclaration,
    model: Model,
    tables: Tables,
) -> list[Evidence]:
    """Every comparison's evidence, first the prior, last the verdict.

    Raises:
        KeyError: one of the record keys is unknown.
    """
    make_pair_scores(con, declaration, model, tables, [(a, b)])
    result = con.execute("select * from identity_pair_scores")
    rows = result.fetchall()
    if not rows:
        raise KeyError(f"no record {a} or no record {b}")
    row = dict(zip([column[0] for column in result.description or []], rows[0], strict=True))
    values = {key: _values(con, key) for key in (a, b)}
    steps = [Evidence("prior", "any two records", None, None, round(model.prior_bits()["same"], 2))]
    for name in declaration.comparisons:
        if row[name] is not None:
            column = SHOWN[name]
            steps.append(Evidence(name, row[name], values[a][column], values[b][column], round(row[f"same_{name}"], 2)))
    namesake = row["same_bits"] - steps[0].bits - sum(row[f"same_{name}"] for name in declaration.comparisons)
    if namesake < -0.05:
        steps.append(Evidence("namesakes", "given and family names go together", None, None, round(namesake, 2)))
    household = -log2(1 + 2 ** row["household_bits"])
    steps.append(Evidence("household", "two of one household or office", None, None, round(household, 2)))
    raised = row["bits"] - row["same_bits"] - household
    if raised > 0.05:
        said = "a record without a name is who alone has its mailbox, telephone or number"
        steps.append(Evidence("nameless", said, None, None, round(raised, 2)))
    return [*steps, *_guards(row), _verdict(row, match_bits(declaration, model))]


def _values(con: duckdb.DuckDBPyConnection, key: str) -> dict[str, str | None]:
    result = con.execute("select * from identity_few where record_key = $key", {"key": key})
    rows = result.fetchall()
    names = [column[0] for column in result.description or []]
    return {name: None if value is None else str(value) for name, value in zip(names, rows[0], strict=True)}


def _guards(row: dict[str, object]) -> list[Evidence]:
    guards = []
    if row["is_gated"]:
        guards.append(
            Evidence("guard", "given names differ and nothing personal agrees: never joined unasked", None, None, 0.0)
        )
    if row["is_vetoed"]:
        guards.append(Evidence("guard", "generations differ (Jr, Sr): never joined", None, None, 0.0))
    return guards


def _verdict(row: dict[str, object], sure: float) -> Evidence:
    bits = float(str(row["bits"]))
    chance = 1 / (1 + 2.0**-bits)
    joined = bits >= sure and not row["is_gated"] and not row["is_vetoed"]
    return Evidence(
        "verdict", f"{'one person' if joined else 'not joined'}: chance {chance:.1%}", None, None, round(bits, 2)
    )
