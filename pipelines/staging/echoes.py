"""What we wrote to the CRMs ourselves, laid beside the raw logs: staging does not take it for edits (law L6)."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from pipelines.mapping.canonical import CanonicalEntity, CanonicalField
from pipelines.staging.changes import TABLES
from pipelines.state import echoes, made
from pipelines.state.database import State
from pipelines.warehouse.models import literal

STAMPS = "create table if not exists meta.echo_stamps (entity varchar primary key, stamp varchar)"
INSERT = """
insert into sync.echoes
select distinct split_part(record_key, ':', 1), $entity, substr(record_key, strpos(record_key, ':') + 1),
    field, value, sent_at, since
from (
    select *, case field {cases} end as value
    from (select * exclude (sent, read_back), unnest([sent, read_back]) as kept from ({lines}))
    where kept is not null
)
where value is not null
"""


MADE = """
insert into sync.echoes
select split_part(record_key, ':', 1), $entity, substr(record_key, strpos(record_key, ':') + 1), '', '', "at", null
from made_batches
"""


def load_echoes(con: duckdb.DuckDBPyConnection, state: State, schemas: Mapping[str, CanonicalEntity]) -> None:
    """Makes `sync.echoes` what the ledger says; an entity whose echoes did not change is not read.

    One row is one value that a field of a record took because we wrote it: as it was sent, and as the CRM kept it; or,
    without a field, a record that we made.
    """
    con.execute(TABLES)
    con.execute(STAMPS)
    known = dict(con.execute("select entity, stamp from meta.echo_stamps").fetchall())
    for entity, schema in schemas.items():
        stamp = echoes.stamp(state, entity)
        if stamp != known.get(entity):
            _replace(con, state, entity, schema)
            con.execute("insert or replace into meta.echo_stamps values ($1, $2)", [entity, stamp])


def _replace(con: duckdb.DuckDBPyConnection, state: State, entity: str, schema: CanonicalEntity) -> None:
    cases = " ".join(f"when {literal(name)} then {_as_staged(field)}" for name, field in schema.fields.items())
    con.execute("begin transaction")
    try:
        con.execute("delete from sync.echoes where entity = $1", [entity])
        for batch in echoes.load(state, entity):
            con.register("echo_batches", pa.Table.from_batches([batch]))
            con.execute(INSERT.format(cases=cases, lines=echoes.lines_sql("echo_batches")), {"entity": entity})
            con.unregister("echo_batches")
        for batch in made.load_made(state, entity):
            con.register("made_batches", pa.Table.from_batches([batch]))
            con.execute(MADE, {"entity": entity})
            con.unregister("made_batches")
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise


def _as_staged(field: CanonicalField) -> str:
    """SQL: the ledger's JSON text as `warehouse.values.as_text` would give the staged value."""
    if field.type == "list":
        return "json(kept)::varchar"
    return f"try_cast(json_extract_string(kept, '$') as {field.duckdb_type})::varchar"
