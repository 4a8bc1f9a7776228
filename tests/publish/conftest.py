"""A small warehouse in the shape that staging and unify leave (docs/architecture.md)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipelines.connections.owner import Owner
from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.load import load_schemas
from pipelines.warehouse.connect import open_warehouse


@pytest.fixture(scope="session")
def schemas(project_root: Path) -> dict[str, CanonicalEntity]:
    return load_schemas(project_root / "schemas")


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner("test", tmp_path / "data")


@pytest.fixture
def warehouse(owner: Owner, schemas: dict[str, CanonicalEntity]) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(owner) as con:
        fill_warehouse(con, schemas, rows=20)
        yield con


def fill_warehouse(con: duckdb.DuckDBPyConnection, schemas: dict[str, CanonicalEntity], rows: int) -> None:
    """Every table that the published file may have, `rows` golden records of each entity with one source each."""
    for entity in schemas.values():
        _staging(con, entity, rows)
        _unified(con, entity)
    con.execute("""
        create or replace table quality.rejected_records as select 'brivity' as connection, 'contacts' as entity,
            '?' as source_id, 'no id' as reason, now() as seen_at, '{}'::json as record;
        create or replace table quality.rejected_values as select 'brivity' as connection, 'deals' as entity,
            '1' as source_id, 'amount' as field, 'ten' as value, 'no number' as reason, now() as seen_at;
        create or replace table quality.dangling_references as select 'brivity' as connection, 'deals' as entity,
            '1' as source_id, 'owner_id' as field, 'brivity:9' as value, 'leads to no user' as reason;
        create or replace table staging.phone_numbers as select '1' as raw, 'US' as region, '+1' as e164;
        create or replace table staging._dlt_loads as select 1 as load_id;
        create or replace table unified.identity_pairs as select 1 as a""")


def _staging(con: duckdb.DuckDBPyConnection, entity: CanonicalEntity, rows: int) -> None:
    fields = ", ".join(
        f"{_value(name, entity)}::{field.duckdb_type} as {name}" for name, field in entity.fields.items()
    )
    con.execute(f"""
        create or replace table staging.brivity__{entity.entity} as
        select 'brivity:' || i as record_key, 'brivity' as connection, i::varchar as source_id, now() as modified_at,
            now() as first_modified_at, now() as seen_at, now() as first_seen_at, false as is_deleted,
            true as is_in_scope, {fields}, '{{}}'::json as custom, []::varchar[] as absent_fields,
            []::varchar[] as unreadable_fields, md5(i::varchar) as raw_hash, hash(i) as values_hash
        from range({rows}) rows(i);
        create or replace view staging.{entity.entity} as from staging.brivity__{entity.entity};
        create or replace view staging.{entity.entity}_edits as
            select record_key, '' as field, now() as edited_at, false as is_echo from staging.{entity.entity}""")


def _value(name: str, entity: CanonicalEntity) -> str:
    field = entity.fields[name]
    if field.type == "enum":
        return f"'{(field.values or [''])[0]}'"
    samples = {"email": "'u' || i || '@example.org'", "phone": "'+1555' || lpad(i::varchar, 7, '0')", "money": "i"}
    return {"currency": "'USD'", "name": "'Name ' || i"}.get(name, samples.get(field.type, "null"))


def _unified(con: duckdb.DuckDBPyConnection, entity: CanonicalEntity) -> None:
    one, many = entity.singular, entity.entity
    con.execute(f"""
        create or replace table unified.{many} as
        select '{one}-' || source_id as {one}_id, {", ".join(entity.fields)}, 1 as source_count,
            ['brivity'] as connections, now() as updated_at from staging.{many};
        create or replace table unified.{one}_sources as
        select '{one}-' || source_id as {one}_id, record_key, connection, source_id, is_deleted, is_in_scope,
            'alone' as matched_by, custom, first_modified_at, 1 as position, 2 as row_hash from staging.{many};
        create or replace table unified.{one}_provenance as
        select {one}_id, {", ".join(f"1 as {f}__source, now() as {f}__since" for f in entity.fields)}
        from unified.{many};
        create or replace table unified.{one}_pins as
        select '' as {one}_id, '' as field, '' as value, '' as who, now() as pinned_at limit 0;
        create or replace view unified.{one}_lineage as
        select {one}_id, 'created_at' as field, s.source_id as value, s.connection, s.source_id,
            p.created_at__since as since, 'latest' as rule from staging.{many} s
            join unified.{one}_sources using (record_key) join unified.{one}_provenance as p using ({one}_id);
        create or replace table unified.{one}_redirects as
        select '' as from_id, '' as to_id, 'merged' as reason, now() as redirected_at limit 0;
        create or replace table unified.{one}_changes as
        select '' as resource_name, '' as resource_record_key, '' as field_name, '' as previous_value, '' as new_value,
            'changed' as change_type, now() as modification_timestamp, '' as connection, '' as run_id limit 0;
        create or replace table unified.{one}_matches as
        select record_key as record_key_a, record_key as record_key_b, 'email' as rule, '' as evidence
        from staging.{many} limit 0""")
