"""Which values of a CRM are other than their golden ones: noted when golden records are made, asked for at every plan.

`unified.<entity>_differences` has a row for each living source record that differs, with a number for each field: OTHER
where the record says something else, LACKING where it says nothing, else 0. References are not in it, because what a
CRM is told of them depends on which records it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import md5

import duckdb

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.warehouse.build import Recorded, exists, quoted, read_builds, record_build
from pipelines.warehouse.models import ident

OTHER = 1
LACKING = 2


@dataclass(frozen=True)
class Likeness:
    """How one field's values are compared, as SQL over `ours` (golden) and `theirs` (staged)."""

    name: str
    is_list: bool
    is_union: bool

    @property
    def is_other(self) -> str:
        """Whether the two are not the same."""
        ours, theirs = (compared(f"{side}.{ident(self.name)}", is_union=self.is_union) for side in ("ours", "theirs"))
        return f"{ours} is distinct from {theirs}"

    @property
    def difference(self) -> str:
        """LACKING, OTHER or 0."""
        ours, theirs = (f"{side}.{ident(self.name)}" for side in ("ours", "theirs"))
        lacks = f"{is_filled(ours, is_list=self.is_list)} and {is_empty(theirs, is_list=self.is_list)}"
        return f"case when {lacks} then {LACKING} when {self.is_other} then {OTHER} else 0 end"


def compared(column: str, *, is_union: bool) -> str:
    """SQL of a value in the form in which it is compared: the order of a union does not count."""
    return f"list_sort(list_distinct({column}))" if is_union else column


def is_filled(column: str, *, is_list: bool) -> str:
    """SQL: the column holds something."""
    return f"len({column}) > 0" if is_list else f"{column} is not null"


def is_empty(column: str, *, is_list: bool) -> str:
    """SQL: the column holds nothing."""
    return f"len(coalesce({column}, [])) = 0" if is_list else f"{column} is null"


def likenesses(schema: CanonicalEntity) -> list[Likeness]:
    """Of all fields that are no references."""
    lists = {name: field.type == "list" for name, field in schema.fields.items() if field.to is None}
    return [Likeness(name, one, one and schema.fields[name].survivorship == "union") for name, one in lists.items()]


def table_of(schema: CanonicalEntity) -> str:
    """Where the differences are noted."""
    return f"unified.{schema.singular}_differences"


def record_differences(con: duckdb.DuckDBPyConnection, schema: CanonicalEntity) -> None:
    """Says of which tables the differences are; call it in the transaction that made them, after `record_build`."""
    rows = con.execute(f"select count(*) from {quoted(table_of(schema))}").fetchall()[0][0]
    record_build(con, table_of(schema), _made_of(schema, read_builds(con)), int(rows))


def are_noted(con: duckdb.DuckDBPyConnection, schema: CanonicalEntity, staged: str) -> bool:
    """Whether the differences are those of the golden records and the staged table as both are now."""
    builds = read_builds(con) if exists(con, "meta.builds") else {}
    noted = builds.get(table_of(schema))
    return noted is not None and staged in builds and noted.fingerprint == _made_of(schema, builds)


def _made_of(schema: CanonicalEntity, builds: Mapping[str, Recorded]) -> str:
    golden, ending = f"unified.{schema.entity}", f"__{schema.entity}"
    read = sorted(
        (name, build.fingerprint)
        for name, build in builds.items()
        if name == golden or (name.startswith("staging.") and name.endswith(ending))
    )
    how = [(one.name, one.difference) for one in likenesses(schema)]
    return md5(repr((read, how)).encode(), usedforsecurity=False).hexdigest()
