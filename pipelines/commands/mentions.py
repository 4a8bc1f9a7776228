"""Which other records speak of a person who is forgotten: a note on a deal, a relative's card, any free text.

They are somebody else's records, so they are not changed; the operator is told which they are, never what they say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

from pipelines.connections.owner import Owner
from pipelines.extract.shape import literal
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.state.erasing import Person
from pipelines.warehouse.models import ident

SHORTEST_NAME, FEWEST_DIGITS, MOST_DIGITS = 2, 7, 9
NO_WORD = r"[^\pL\pN]"


def mentions(owner: Owner, person: Person, schema: CanonicalEntity) -> list[str]:
    """Records of the raw logs, `<connection>:<entity>/<id>`, any version of which names the person.

    By full name, e-mail address or telephone number, as the published file knows them. The caller holds the extract
    locks, and has not erased anything yet.

    Args:
        owner: whose.
        person: whose own records are left out.
        schema: of the person's entity.
    """
    pattern = _pattern(_words(owner, person, schema))
    if not pattern:
        return []
    found: list[str] = []
    for path in sorted(owner.raw("x").parent.glob("*.duckdb")):
        own = [source_id for name, source_id in person.records if name == path.stem]
        with duckdb.connect() as con:
            con.execute(f"attach {literal(str(path))} as log (read_only)")
            for entity in _entities(con):
                skipped = own if entity == person.entity else []
                query = f"""select distinct id from log.raw.{ident(entity)}
                    where regexp_matches(lower(record::varchar), ?) and id not in (select unnest(?::varchar[]))
                    order by id"""
                rows = con.execute(query, [pattern, skipped]).fetchall()
                found += [f"{path.stem}:{entity}/{row[0]}" for row in rows]
    return found


def _entities(con: duckdb.DuckDBPyConnection) -> list[str]:
    query = """select table_name from duckdb_tables() where database_name = 'log' and schema_name = 'raw'
        and not starts_with(table_name, '_') order by 1"""
    return [str(row[0]) for row in con.execute(query).fetchall()]


def _words(owner: Owner, person: Person, schema: CanonicalEntity) -> Mapping[str, set[str]]:
    """What the person is known by: names, e-mail addresses and telephone numbers."""
    known: dict[str, set[str]] = {"name": set(), "email": set(), "phone": set()}
    kinds = {name: field.of or field.type for name, field in schema.fields.items()}
    wanted = [name for name, kind in kinds.items() if kind in ("email", "phone")]
    names = [name for name in ("first_name", "last_name") if name in kinds]
    for row in _published(owner, person, [*wanted, *names]):
        for name in wanted:
            values = row[name] if isinstance(row[name], list) else [row[name]]
            known[kinds[name]] |= {str(value) for value in values if value}
        parts = [str(row[name] or "").strip() for name in names]
        if len(parts) > 1 and all(len(part) >= SHORTEST_NAME for part in parts):
            known["name"] |= {" ".join(parts), ", ".join(reversed(parts))}
    return known


def _published(owner: Owner, person: Person, columns: list[str]) -> Iterator[dict[str, Any]]:
    if not owner.crm.exists() or not columns:
        return
    query = f"""select {", ".join(map(ident, columns))} from staging.{ident(person.entity)}
        where record_key in (select unnest(?::varchar[]))"""
    with duckdb.connect(str(owner.crm.resolve()), read_only=True) as con:
        try:
            rows = con.execute(query, [person.record_keys]).fetchall()
        except duckdb.CatalogException:
            return
    yield from (dict(zip(columns, row, strict=True)) for row in rows)


def _forms(word: str) -> set[str]:
    """The word as JSON may write it, in small letters: as it is, or with escapes for what is not ASCII."""
    escaped = {json.dumps(cased)[1:-1].lower() for cased in (word, word.lower(), word.upper())}
    return {json.dumps(word, ensure_ascii=False)[1:-1].lower(), *escaped}


def _pattern(words: Mapping[str, set[str]]) -> str:
    """One regular expression over a record's JSON in small letters."""
    texts = sorted({re.escape(form) for word in words["name"] | words["email"] for form in _forms(word)})
    found = [f"(^|{NO_WORD})({'|'.join(texts)})($|{NO_WORD})"] if texts else []
    for number in sorted(words["phone"]):
        digits = re.sub(r"[^0-9]", "", number.partition(";")[0])[-MOST_DIGITS:]
        if len(digits) >= FEWEST_DIGITS:  # without the country, and however it is written
            found.append(r"[ ()./-]{0,3}".join(digits) + "($|[^0-9])")
    return "|".join(found)
