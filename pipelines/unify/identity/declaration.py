"""What `identity:` in `schemas/<entity>.yml` may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipelines.mapping.document import read_document

SCHEMAS = Path(__file__).resolve().parents[3] / "schemas"


class Strict(BaseModel):
    """Unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid")


class Candidate(Strict):
    """One way for two records to become a pair that is looked at."""

    on: list[str] = Field(description="Columns of the comparable record that must be equal")
    at_most: int = Field(description="Keys that more records share are left out: they cost much and tell little")
    neighbours: int = Field(
        0, description="Where more share a key, each is paired with so many of those that stand next to it by name"
    )
    wider: bool = Field(False, description="In small sets, where looking costs nothing, more records may share the key")


class Identifier(Strict):
    """A value that belongs to one person, or to few."""

    column: str
    each: str | None = Field(None, description="List column that holds all of them, used where the data have it")
    most_people: int = Field(description="A value that more people carry is evidence of nothing")


class Guards(Strict):
    """What forbids a merge, whatever else agrees."""

    given_names_differ: Literal["review", "no"] = "review"
    generations_differ: Literal["no"] = "no"
    largest: int = Field(description="No cluster mixes more records than this without an operator's word")


class Thresholds(Strict):
    """Chances that two records are of one person, 0 to 1."""

    match: float = Field(gt=0, lt=1)
    review: float = Field(gt=0, lt=1)


class Rule(Strict):
    """Rule-only entities: all expressions equal makes one thing, unless a guard of this rule differs."""

    same: list[str] = Field(
        description="SQL expressions over canonical columns and the clean_ functions; all are equal"
    )
    each: str | None = Field(None, description="List column of which, besides, one element in common is enough")
    unless_different: list[str] = Field(
        default_factory=list, description="Expressions that, where both have one, agree"
    )
    at_most: int = Field(50, description="A key that more records share is no key")


class IdentityDeclaration(Strict):
    """The `identity:` block of one entity."""

    entity: str = Field("contact", description="Singular; tables bear its name")
    kind: Literal["people", "rules"] = "people"
    comparisons: list[str] = Field(default_factory=list)
    identifiers: dict[str, Identifier] = Field(default_factory=dict)
    candidates: dict[str, Candidate] = Field(default_factory=dict)
    guards: Guards = Guards(largest=50)
    thresholds: Thresholds = Thresholds(match=0.8, review=0.1)
    rules: dict[str, Rule] = Field(default_factory=dict)
    apart_within: str | None = Field(None, description="With rules: records that agree in this column are never one")


def declaration_of(entity: dict[str, Any]) -> IdentityDeclaration:
    """The declaration inside one loaded schema.

    Raises:
        pydantic.ValidationError: with every key that is wrong.
    """
    return IdentityDeclaration.model_validate({"entity": entity["singular"], **(entity.get("identity") or {})})


def load_declaration(entity: str, folder: Path = SCHEMAS) -> IdentityDeclaration:
    """The declaration in `schemas/<entity>.yml`."""
    return declaration_of(read_document(folder / f"{entity}.yml").data)
