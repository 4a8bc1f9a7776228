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
from pipelines.unify.identity.sqlmodels import build, kind_of, render
from pipelines.unify.identity.tables import Tables

WIDER_KEYS = 200_000
"""In a set of n records, a "wider" key may be shared by up to this / n of them: 200 of 1,000, 20 of 10,000."""
PAIRS_PER_RECORD = 25
"""Pairs that are looked at, for each record of the set: all pairs of people with fifty records each."""
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
    tables: Tables,
    population: int,
    caps: dict[str, int] | None = None,
) -> dict[str, int]:
    """Fill `identity_pairs` (a, b, people per identifier) with every pair that a candidate rule finds.

    The keys and what too many share of them are left in `tables`, for a run over what changed.

    Args:
        population: how many records the frequencies were counted on.
        caps: how many records may share a key, by rule; None: measured on these records.

    Returns:
        The caps used.
    """
    rules = rules_of(declaration, columns)
    build(con, "identity_key_hashes", table=tables.keys, rules=rules, known=tables.known)
    search = Search(con, rules, list(declaration.identifiers), tables, declared_caps(declaration, population))
    most = PAIRS_PER_RECORD * max(population, SMALL)
    allowed = most
    while True:
        used = search.everyone(caps, allowed=allowed, crowd=most)
        if caps is not None or search.count("identity_pairs") <= most or allowed < population:
            return used
        allowed //= 2


def declared_caps(declaration: IdentityDeclaration, population: int) -> dict[str, int]:
    """How many records may share a key of each rule, as far as the declaration goes."""
    return {name: _at_most(candidate, population) for name, candidate in declaration.candidates.items()}


def _at_most(candidate: Candidate, population: int) -> int:
    return max(candidate.at_most, WIDER_KEYS // max(population, 1)) if candidate.wider else candidate.at_most


def keyed(rules: list[CandidateRule], hashes: str) -> str:
    """The SELECT of every record of a table of hashes under its key of each of the rules: rule, rid, key."""
    return render("identity_keyed", rules=rules, hashes=hashes)


@dataclass(frozen=True)
class Search:
    """One search for pairs. `names`: the identifiers; `declared`: how many records may share a key, by rule."""

    con: duckdb.DuckDBPyConnection
    rules: list[CandidateRule]
    names: list[str]
    tables: Tables
    declared: dict[str, int]

    def everyone(self, caps: dict[str, int] | None, *, allowed: int, crowd: int) -> dict[str, int]:
        """Fill `identity_pairs` from all records, rule by rule; no rule without a fixed cap brings more than `allowed`.

        Args:
            crowd: from so many pairs on, those that several rules found are put together before the end.
        """
        self._begin()
        crowds = self.tables.crowds
        self.con.execute(f"create or replace {kind_of(crowds)} {crowds} (rule utinyint, key ubigint, records integer)")
        used: dict[str, int] = {}
        for rule in self.rules:
            under = keyed([rule], self.tables.keys)
            build(self.con, "identity_blocks", keyed=under)
            most = self.declared[rule.name]
            used[rule.name] = self._measured(most, allowed) if caps is None else caps.get(rule.name, most)
            if not rule.neighbours:
                crowded = f"select rule, key, records from identity_blocks where records > {used[rule.name]}"
                self.con.execute(f"insert into {crowds} {crowded}")
            self._insert([rule], under, used)
            if self.count("identity_raw_pairs") > crowd:
                build(self.con, "identity_pairs", identifiers=self.names)
                self.con.execute("drop table identity_raw_pairs")
                self.con.execute("alter table identity_pairs rename to identity_raw_pairs")
        self._end()
        return used

    def touched(self, touched: str, beside: str, caps: dict[str, int]) -> None:
        """Fill `identity_pairs` with the pairs that have a record of one table.

        Args:
            touched: table of record ids (rid).
            beside: table (rule, rid, key) of all records that share a key with one of them.
        """
        self._begin()
        under = f"select rule, rid, key from {beside}"
        build(self.con, "identity_blocks", keyed=under)
        self._insert(self.rules, under, caps, touched)
        self._end()

    def _begin(self) -> None:
        spelled = ", ".join(f"{name} utinyint" for name in self.names)
        self.con.execute(f"create or replace temp table identity_raw_pairs (a ubigint, b ubigint, {spelled})")

    def _end(self) -> None:
        build(self.con, "identity_pairs", identifiers=self.names)
        for table in ("identity_raw_pairs", "identity_keys", "identity_blocks"):
            self.con.execute(f"drop table {table}")

    def _insert(self, rules: list[CandidateRule], under: str, caps: dict[str, int], touched: str | None = None) -> None:
        context: dict[str, Any] = {"rules": rules, "touched": touched, "identifiers": self.names, "caps": caps}
        context |= {"keyed": under, "frequencies": self.tables.frequencies, "known": self.tables.known}
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
