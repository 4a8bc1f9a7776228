"""Which pairs of records are looked at; their number is bounded, whatever the data.

A key that too many records share is left out: all its pairs would cost much and tell little. What is too many is
declared, and is less where the pairs were more than `PAIRS_PER_RECORD`. These caps are measured once, with the model,
and held as it is held. Of an identifier that too many records share (copies of one person, a hundred of them) each
record is still looked at beside those next to it by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from pipelines.unify.identity.declaration import Candidate, IdentityDeclaration
from pipelines.unify.identity.sqlmodels import build, render

WIDER_KEYS = 200_000
"""In a set of n records, a "wider" key may be shared by up to this / n of them: 200 of 1,000, 20 of 10,000."""
PAIRS_PER_RECORD = 25
"""Pairs that are looked at, for each record of the set: all pairs of people with fifty records each."""
HASHES = "identity_key_hashes"
"""Temporary table: the keys of every record."""
SMALL = 20_000
"""A set of fewer records counts as so many: looking costs nothing."""


@dataclass(frozen=True)
class CandidateRule:
    """One candidate rule as the SQL models want it; `number` is its place among all."""

    number: int
    name: str
    on: list[str]
    neighbours: int
    identifier: str | None
    each: str | None
    most_people: int


def rules_of(declaration: IdentityDeclaration, columns: set[str]) -> list[CandidateRule]:
    """All rules in the order declared."""
    rules = []
    for number, (name, candidate) in enumerate(declaration.candidates.items()):
        identifier = declaration.identifiers.get(name)
        each = identifier.each if identifier and identifier.each in columns else None
        most_people = identifier.most_people if identifier else 0
        whose = name if identifier else None
        rules.append(CandidateRule(number, name, candidate.on, candidate.neighbours, whose, each, most_people))
    return rules


def make_pairs(
    con: duckdb.DuckDBPyConnection,
    declaration: IdentityDeclaration,
    columns: set[str],
    *,
    known: str,
    frequencies: str,
    population: int,
    caps: dict[str, int] | None = None,
    touched: str | None = None,
) -> dict[str, int]:
    """Fill `identity_pairs` (a, b, people per identifier) with every pair that a candidate rule finds.

    Args:
        population: how many records the frequencies were counted on.
        caps: how many records may share a key, by rule; None: measured on these records.
        touched: table of record ids (rid): only pairs with one of them. Then `identity_key_hashes` is there already.

    Returns:
        The caps used.
    """
    rules = rules_of(declaration, columns)
    if touched:
        con.execute(
            f"""create or replace temp table identity_touched_hashes as
                select h.* from {HASHES} as h semi join {touched} as t on t.rid = h.rid"""
        )
    else:
        make_key_hashes(con, rules, known)
    names = list(declaration.identifiers)
    search = _Search(con, rules, names, known, frequencies, touched, declared_caps(declaration, population))
    most = PAIRS_PER_RECORD * max(population, SMALL)
    allowed = most
    while True:
        used = search.run(caps, allowed=allowed, crowd=most)
        if caps is not None or search.count("identity_pairs") <= most or allowed < population:
            con.execute(f"drop table {HASHES}")
            return used
        allowed //= 2


def declared_caps(declaration: IdentityDeclaration, population: int) -> dict[str, int]:
    """How many records may share a key of each rule, as far as the declaration goes."""
    return {name: _at_most(candidate, population) for name, candidate in declaration.candidates.items()}


def _at_most(candidate: Candidate, population: int) -> int:
    return max(candidate.at_most, WIDER_KEYS // max(population, 1)) if candidate.wider else candidate.at_most


def make_key_hashes(
    con: duckdb.DuckDBPyConnection, rules: list[CandidateRule], known: str, table: str = HASHES
) -> None:
    """Make `table` of the keys of comparable records, one column for each rule."""
    build(con, "identity_key_hashes", table=table, rules=rules, known=known)


def make_beside(con: duckdb.DuckDBPyConnection, rules: list[CandidateRule], asked: list[str]) -> None:
    """Fill `identity_beside` (rule, rid, key) with the records that have a key of some others.

    Args:
        asked: tables of the hashes of those others.
    """
    each_rule = [
        {"keyed": keyed([rule], HASHES), "asked": " union all ".join(keyed([rule], table) for table in asked)}
        for rule in rules
    ]
    build(con, "identity_beside", each_rule=each_rule)


def keyed(rules: list[CandidateRule], hashes: str) -> str:
    """The SELECT of every record of a table of hashes under its key of each of the rules: rule, rid, key."""
    return render("identity_keyed", rules=rules, hashes=hashes)


@dataclass(frozen=True)
class _Search:
    """One search for pairs over one table of comparable records. `names`: the identifiers."""

    con: duckdb.DuckDBPyConnection
    rules: list[CandidateRule]
    names: list[str]
    known: str
    frequencies: str
    touched: str | None
    declared: dict[str, int]

    def run(self, caps: dict[str, int] | None, *, allowed: int, crowd: int) -> dict[str, int]:
        """Fill `identity_pairs`; no rule without a fixed cap brings more than `allowed`.

        Args:
            crowd: from so many pairs on, those that several rules found are put together before the end.
        """
        spelled = ", ".join(f"{name} utinyint" for name in self.names)
        self.con.execute(f"create or replace temp table identity_raw_pairs (a ubigint, b ubigint, {spelled})")
        used: dict[str, int] = {}
        for rules in [self.rules] if self.touched else [[rule] for rule in self.rules]:
            under = self._under(rules)
            build(self.con, "identity_blocks", keyed=under)
            for rule in rules:
                most = self.declared[rule.name]
                used[rule.name] = self._measured(most, allowed) if caps is None else caps.get(rule.name, most)
            self._insert(rules, under, used)
            if self.count("identity_raw_pairs") > crowd:
                build(self.con, "identity_pairs", identifiers=self.names)
                self.con.execute("drop table identity_raw_pairs")
                self.con.execute("alter table identity_pairs rename to identity_raw_pairs")
        build(self.con, "identity_pairs", identifiers=self.names)
        for table in ("identity_raw_pairs", "identity_keys", "identity_blocks"):
            self.con.execute(f"drop table {table}")
        return used

    def _under(self, rules: list[CandidateRule]) -> str:
        """The SELECT of records under their keys of some rules: of all, or of those that share one with the touched."""
        if not self.touched:
            return keyed(rules, HASHES)
        make_beside(self.con, rules, ["identity_touched_hashes"])
        return "select rule, rid, key from identity_beside"

    def _insert(self, rules: list[CandidateRule], under: str, caps: dict[str, int]) -> None:
        context: dict[str, Any] = {"rules": rules, "touched": self.touched, "identifiers": self.names, "caps": caps}
        context |= {"keyed": under, "frequencies": self.frequencies, "known": self.known}
        crowded = [f"rule = {rule.number} and records > {caps[rule.name]}" for rule in rules if rule.neighbours]
        is_crowded = crowded and self.count(f"identity_blocks where {' or '.join(crowded)}")
        for beside in (False, True) if is_crowded else (False,):
            build(self.con, "identity_keys", **context, fits=not beside)
            pairs = render("identity_rule_pairs", **context, beside=beside)
            self.con.execute(f"insert into identity_raw_pairs {pairs}")

    def _measured(self, most: int, allowed: int) -> int:
        """The largest number of records, up to `most`, at which the rule brings no more than `allowed` pairs."""
        sizes = self.con.execute(
            f"select records, count(*) from identity_blocks where records <= {most} group by 1 order by 1"
        ).fetchall()
        pairs = 0
        for records, blocks in sizes:
            pairs += blocks * records * (records - 1) // 2
            if pairs > allowed:
                return max(int(records) - 1, 2)
        return most

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.con.execute(f"select count(*) from {table}").fetchall()[0][0])
