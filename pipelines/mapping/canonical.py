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


Expect = Literal[
    "not_be_null",
    "be_unique",
    "match_regex",
    "not_match_regex",
    "be_between",
    "have_length_between",
    "be_in_set",
    "be_in_reference",
    "sql",
]
TEXTUAL = frozenset({"text", "email", "phone", "enum"})
ORDERED = frozenset({"money", "date", "timestamp", "integer", "decimal"})
COUNTED_SHARE = frozenset({"not_be_null", "match_regex", "not_match_regex", "be_between", "be_in_set"})


class Check(Strict):
    """One expectation, in Great Expectations' words (`expect_column_values_to_...` without the prefix).

    Empty values pass all but not_be_null.

    | expect | value | of a field | of the table |
    |---|---|---|---|
    | not_be_null | | filled in every row | |
    | be_unique | table: the fields | no value twice | no combination of the fields twice |
    | match_regex, not_match_regex | RE2 pattern | found (not found) anywhere in the text; each member of a list | |
    | be_between | table: row_count | min and max, both included | so many rows |
    | have_length_between | | min and max characters, or members of a list | |
    | be_in_set | list of values | one of them; each member of a list | |
    | be_in_reference | | with type reference: the record pointed to is there (default: a warning) | |
    | sql | a condition on the row's columns | true, or unknown | true, or unknown |
    """

    expect: Expect
    severity: Literal["error", "warning"] = "warning"
    value: Any = None
    min: float | str | None = None
    max: float | str | None = None
    mostly: float = Field(1.0, gt=0, le=1, description="Share of the filled rows that must pass")
    says: str | None = Field(None, description="What a failure means, for the person who reads the report")

    @model_validator(mode="after")
    def _is_whole(self) -> Check:
        bounded = self.expect in ("be_between", "have_length_between")
        if bounded and self.min is None and self.max is None:
            raise ValueError(f"{self.expect} needs min, max or both")
        if not bounded and (self.min is not None or self.max is not None):
            raise ValueError(f"{self.expect} takes no min and no max")
        if self.expect in ("match_regex", "not_match_regex", "sql") and not (
            self.value and isinstance(self.value, str)
        ):
            raise ValueError(f"{self.expect} needs value: a text")
        if self.expect == "be_in_set" and not (self.value and isinstance(self.value, list)):
            raise ValueError("be_in_set needs value: a list")
        if self.mostly < 1 and self.expect not in COUNTED_SHARE:
            raise ValueError(f"{self.expect} takes no mostly")
        return self

    def misfit(self, field: CanonicalField) -> str | None:
        """Why this check cannot stand at a field of that type; None: it can."""
        kind = field.of or field.type
        if self.expect.endswith("match_regex") and kind not in TEXTUAL:
            return f"{self.expect} is for text, not for {kind}"
        if self.expect == "be_between" and field.type not in ORDERED:
            return f"be_between is for {', '.join(sorted(ORDERED))}, not for {field.type}"
        if self.expect == "have_length_between" and field.type != "list" and kind not in TEXTUAL:
            return f"have_length_between is for text and lists, not for {field.type}"
        if self.expect == "be_in_reference" and kind != "reference":
            return f"be_in_reference is for references, not for {kind}"
        if field.type == "list" and (self.expect == "be_unique" or self.mostly < 1):
            return "at a list, be_unique and mostly have no meaning"
        return None


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
    joined_from: list[str] = Field(
        default_factory=list,
        description="Fields whose texts together are this one, where one of them was edited later than it, or where "
        "nobody states it but as what a CRM made from such fields",
    )
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
        misfits = [why for check in self.checks if (why := check.misfit(self))]
        if misfits:
            raise ValueError("; ".join(misfits))
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

    @model_validator(mode="after")
    def _table_checks_fit(self) -> CanonicalEntity:
        for check in self.checks:
            if check.expect == "be_between" and check.value == "row_count":
                continue
            if check.expect == "be_unique" and isinstance(check.value, list) and set(check.value) <= set(self.fields):
                continue
            if check.expect != "sql":
                raise ValueError("a table is checked by be_between row_count, be_unique with a list of fields, or sql")
        return self
