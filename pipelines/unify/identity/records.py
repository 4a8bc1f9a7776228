"""Source records to comparable records, and how often their values occur."""

from __future__ import annotations

import duckdb

from pipelines.unify.identity.cleaning import make_macros
from pipelines.unify.identity.declaration import IdentityDeclaration
from pipelines.unify.identity.model import PERSON_TERMS
from pipelines.unify.identity.names import make_ascii, make_nicknames
from pipelines.unify.identity.sqlmodels import build, render
from pipelines.unify.identity.vocabulary import vocabulary

TEXTS = (
    *("first_name", "middle_name", "last_name", "name_suffix", "nickname", "name", "email", "phone"),
    *("company", "street", "city", "postal_code", "birth_date", "national_id"),
)
LISTS = ("emails", "phones")
INPUT = frozenset({"record_key", *TEXTS, *LISTS})
"""The columns of a source record that identity reads."""


def columns_of(con: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    """Names of the columns of a table or view."""
    return {str(row[0]) for row in con.execute(f"describe {table}").fetchall()}


def make_records(con: duckdb.DuckDBPyConnection, records: str) -> set[str]:
    """Fill `identity_records` from a table of source records.

    Returns:
        The columns the source has.
    """
    make_macros(con)
    make_nicknames(con)
    columns = columns_of(con, records)
    foreign = make_ascii(con, records, columns)
    text = render("identity_input", records=records, columns=columns, foreign=sorted(foreign), texts=TEXTS, lists=LISTS)
    con.execute(f"create or replace temp view identity_input as {text}")
    words = vocabulary()
    suffixes = [*words["credentials"], *words["generations"]]
    build(
        con,
        "identity_names",
        honorifics=words["honorifics"],
        suffixes=suffixes,
        generations=words["generations"],
        no_names=words["no_names"],
    )
    build(con, "identity_records", public_mail=words["public_mail"])
    con.execute("drop view identity_input")
    return columns


def frequency_kinds(declaration: IdentityDeclaration, columns: set[str]) -> dict[str, dict[str, object]]:
    """What is counted: plain values by records, identifiers by people."""
    kinds: dict[str, dict[str, object]] = {
        name: {"column": name, "each": None, "people": False} for name in PERSON_TERMS
    }
    for name, identifier in declaration.identifiers.items():
        each = identifier.each if identifier.each in columns else None
        kinds[f"{name}_people"] = {"column": identifier.column, "each": each, "people": True}
    return kinds


def make_frequencies(
    con: duckdb.DuckDBPyConnection, table: str, declaration: IdentityDeclaration, columns: set[str]
) -> int:
    """Count the values of `identity_records` into `table` (kind, value, records, people).

    Returns:
        The number of records counted.
    """
    kinds = frequency_kinds(declaration, columns)
    con.execute(f"create or replace table {table} (kind varchar, value varchar, records integer, people utinyint)")
    for kind, source in kinds.items():
        con.execute(f"insert into {table} {render('identity_frequencies', kind=kind, source=source)}")
    return int(con.execute("select count(*) from identity_records").fetchall()[0][0])


def make_known(con: duckdb.DuckDBPyConnection, table: str, frequencies: str) -> None:
    """Make `table` from `identity_records` and how often their values occur."""
    con.execute(
        f"create or replace table {table} as {render('identity_known', terms=PERSON_TERMS, frequencies=frequencies)}"
    )
