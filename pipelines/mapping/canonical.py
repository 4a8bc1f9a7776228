"""The canonical schemas: what `schemas/<entity>.yml` may say.

They name the fields every CRM is translated to, and hold everything that is true of a field wherever it comes from:
type, meaning, RESO name, how one value is chosen among several, which checks it must pass.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from pipelines.mapping.language import Strict

FieldType = Literal[
    "text", "email", "phone", "money", "date", "timestamp", "enum", "boolean", "integer", "decimal", "list", "reference"
]
Survivorship = Literal["latest", "trusted", "most_complete", "most_frequent", "union", "strictest"]

DUCKDB_TYPES: dict[str, str] = {
    "text": "VARCHAR",
    "email": "VARCHAR",
    "phone": "VARCHAR",
    "money": "DECIMAL(18,2)",
    "date": "DATE",
    "timestamp": "TIMESTAMPTZ",
    "enum": "VARCHAR",
    "boolean": "BOOLEAN",
    "integer": "BIGINT",
    "decimal": "DOUBLE",
    "reference": "VARCHAR",
}


class Check(Strict):
    """One expectation, in Great Expectations' words (`expect_column_values_to_...` without the prefix)."""

    expect: str = Field(description="not_be_null, be_unique, match_regex, be_between, be_in_set, be_in_reference, sql")
    severity: Literal["error", "warning"] = "warning"
    value: Any = None
    min: float | str | None = None
    max: float | str | None = None
    mostly: float = Field(1.0, gt=0, le=1, description="Share of rows that must pass")
    says: str | None = Field(None, description="What a failure means, for the person who reads the report")


class CanonicalField(Strict):
    """One canonical field."""

    type: FieldType
    description: str
    of: FieldType | None = Field(None, description="With list: the type of the members")
    to: str | None = Field(None, description="With reference: the entity it points to")
    values: list[str] | None = Field(None, description="With enum: all of them, the strictest first for consent")
    reso: str | None = Field(None, description="Name in the RESO Data Dictionary, where it has one")
    personal: Literal["none", "name", "contact", "location", "sensitive"] = "none"
    survivorship: Survivorship = "latest"
    trust: list[str] = Field(default_factory=list, description="With trusted: connections, the most trusted first")
    checks: list[Check] = Field(default_factory=list)

    @model_validator(mode="after")
    def _type_is_whole(self) -> CanonicalField:
        if (self.type == "enum" or self.of == "enum") and not self.values:
            raise ValueError("an enum needs values")
        if self.type == "list" and self.of is None:
            raise ValueError("a list needs of: the type of its members")
        if "reference" in (self.type, self.of) and self.to is None:
            raise ValueError("a reference needs to: the entity it points to")
        return self

    @property
    def duckdb_type(self) -> str:
        """The column's DuckDB type, such as VARCHAR[] for a list of phones."""
        return f"{DUCKDB_TYPES[self.of or 'text']}[]" if self.type == "list" else DUCKDB_TYPES[self.type]


class CanonicalEntity(Strict):
    """One canonical entity: `schemas/<entity>.yml`."""

    entity: str
    singular: str
    description: str
    reso_resource: str | None = None
    fields: dict[str, CanonicalField]
    checks: list[Check] = Field(default_factory=list, description="Checks on the whole table")
    identity: dict[str, Any] = Field(default_factory=dict, description="Read by pipelines/unify/identity")
    source_order: list[str] = Field(default_factory=list, description="Connections; ties go to the first named")
    questions: list[str] = Field(default_factory=list, description="What an analyst can answer with this table")
