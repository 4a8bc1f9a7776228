"""People in a file, with or without the truth about them: for measuring the matching on data of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.staging.phones import parse_phones, phone_key
from pipelines.warehouse.models import ident, literal


class FileProblem(ValueError):  # noqa: N818 - the words people read
    """The file, or what is said of its columns, does not do; the text names all that is wrong."""


def read_people(
    con: duckdb.DuckDBPyConnection,
    file: Path,
    schema: CanonicalEntity,
    *,
    truth: str,
    names: Mapping[str, str] | None = None,
    region: str = "US",
) -> list[str]:
    """Makes the table `people`: record_key, truth, and every canonical column that the file has.

    Args:
        con: where to.
        file: CSV or Parquet; columns named as in the schema count as such.
        schema: the canonical entity.
        truth: the column that says who a record is about.
        names: theirs -> ours; several of theirs for one of ours are joined in the order given.
        region: of telephone numbers without a country code.

    Returns:
        The canonical columns found.

    Raises:
        FileProblem: no such column, or no such canonical field: all of them.
    """
    reader = f"read_csv({literal(str(file))}, all_varchar = true)" if file.suffix == ".csv" else literal(str(file))
    con.execute(f"create or replace temp table people_file as select * from {reader}")
    theirs = [row[0] for row in con.execute("describe people_file").fetchall()]
    sources = _sources(theirs, schema, truth, names or {})
    columns = [f"'file:' || row_number() over () as record_key, {ident(truth)}::varchar as truth"]
    columns += [_column(ours, found, schema) for ours, found in sources.items()]
    con.execute(f"create or replace table people as select {', '.join(columns)} from people_file")
    con.execute("drop table people_file")
    if "phone" in sources:
        _normalise_phones(con, region)
    return list(sources)


def _sources(theirs: list[str], schema: CanonicalEntity, truth: str, names: Mapping[str, str]) -> dict[str, list[str]]:
    wrong = [f"the file has no column {name!r}" for name in [truth, *names] if name not in theirs]
    wrong += [f"{ours!r} is no field of {schema.entity}" for ours in names.values() if ours not in schema.fields]
    if wrong:
        raise FileProblem("; ".join(wrong) + f"; the file has {', '.join(theirs)}")
    found: dict[str, list[str]] = {}
    for theirs_name, ours in names.items():
        found.setdefault(ours, []).append(theirs_name)
    for name in theirs:
        if name in schema.fields and name != truth and name not in names:
            found.setdefault(name, [name])
    return found


def _column(ours: str, theirs: list[str], schema: CanonicalEntity) -> str:
    joined = f"nullif(trim(concat_ws(' ', {', '.join(ident(name) for name in theirs)})), '')"
    kind = schema.fields[ours].duckdb_type
    if kind in ("VARCHAR", "DATE"):
        return f"{joined} as {ident(ours)}"
    return f"try_cast({ident(theirs[0])} as {kind}) as {ident(ours)}"


def _normalise_phones(con: duckdb.DuckDBPyConnection, region: str) -> None:
    parse_phones(con, "(select phone from people)", region)
    con.execute(
        f"""update people set phone = p.e164 from phone_numbers as p
            where p.raw = {phone_key("people.phone")} and p.region = {literal(region)}"""
    )
