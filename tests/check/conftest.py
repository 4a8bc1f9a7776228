"""A published-file-like candidate, and one worker for the whole module: importing Great Expectations takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from pipelines.check.process import Worker, start_worker
from pipelines.connections.owner import Owner
from pipelines.mapping.canonical import CanonicalEntity

Schemas = dict[str, CanonicalEntity]
Make = Callable[..., Path]


def schema(**fields: dict[str, object]) -> CanonicalEntity:
    """The schema of contacts with these fields."""
    return CanonicalEntity.model_validate(
        {"entity": "contacts", "singular": "contact", "description": "People", "fields": fields}
    )


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with start_worker() as running:
        yield running


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner("test", tmp_path / "data")


@pytest.fixture
def schemas() -> Schemas:
    """Contacts and users with one field of each kind of check."""
    email = {"type": "email", "description": "E-mail", "personal": "contact"}
    users = {"entity": "users", "singular": "user", "description": "Users"}
    return {
        "users": CanonicalEntity.model_validate(users | {"fields": {"name": {"type": "text", "description": "Name"}}}),
        "contacts": schema(
            email=email | {"checks": [{"expect": "match_regex", "value": "^[^@ ]+@[^@ ]{2,}$", "mostly": 0.9}]},
            status={"type": "enum", "values": ["new", "it's"], "description": "Status"},
            amount={
                "type": "money",
                "description": "Amount",
                "checks": [{"expect": "be_between", "min": 0, "severity": "error", "says": "Negative"}],
            },
            born={
                "type": "date",
                "description": "Birth",
                "checks": [{"expect": "be_between", "min": "1900-01-01", "max": "2100-01-01"}],
            },
            tags={
                "type": "list",
                "of": "text",
                "description": "Tags",
                "checks": [{"expect": "not_match_regex", "value": "^.{50,}$"}],
            },
            owner_id={"type": "reference", "to": "users", "description": "Owner"},
        ),
    }


@pytest.fixture
def make(owner: Owner) -> Make:
    """Writes a candidate of `rows` contacts in which all holds, then runs the SQL given."""

    def write(sql: str = "", rows: int = 100) -> Path:
        owner.candidate.parent.mkdir(parents=True, exist_ok=True)
        owner.candidate.unlink(missing_ok=True)
        with duckdb.connect(str(owner.candidate)) as con:
            con.execute(f"""
                create schema unified; create schema staging; create schema quality;
                create table unified.users as select 'u' || i as user_id, 'N' as name from range(9) t(i);
                create table unified.contacts as select 'c' || i as contact_id, 'p' || i || '@example.org' as email,
                    if(i % 2 = 0, 'new', 'it''s') as status, i::decimal(18,2) as amount, date '1980-01-01' as born,
                    ['a', null] as tags, 'u' || i % 9 as owner_id from range({rows}) t(i);
                create table unified.contact_sources as select contact_id, 'k:' || contact_id as record_key,
                    false as is_deleted from unified.contacts;
                create view staging.contacts as select record_key, true as is_in_scope from unified.contact_sources;
                create table quality.rejected_records (entity varchar);
                create table quality.check_results (run_id varchar, entity varchar, field varchar, expectation varchar,
                    severity varchar, passed boolean, checked bigint, failed bigint, detail varchar, says varchar,
                    checked_at timestamptz)""")
            con.execute(sql or "select 1")
        return owner.candidate

    return write
