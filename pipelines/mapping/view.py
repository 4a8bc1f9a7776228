"""Views of a mapping: tables in the words of the CRM's users, published beside the canonical ones."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from pipelines.mapping.words import Strict

RECORD_COLUMNS = (
    "record_key",
    "connection",
    "source_id",
    "modified_at",
    "first_modified_at",
    "seen_at",
    "first_seen_at",
)
"""What every staging table has of a record beside its fields."""


class ViewColumn(Strict):
    """One column of a view: `deals.amount`, `contacts.source_id`, `deals.custom.capacity`."""

    value: str = Field(pattern=r"^[a-z_]+\.[A-Za-z_][A-Za-z0-9_]*(\.[^.]+)?$")
    type: Literal["text", "integer", "decimal", "boolean", "date", "timestamp"] | None = Field(
        None, description="Default: the type of the canonical field; text for what is in custom"
    )


class View(Strict):
    """A table in the words of the CRM's users, published beside the canonical ones. One row is one record of `of`."""

    of: str = Field(description="The entity whose records are its rows, such as contacts")
    beside: dict[str, str] = Field(
        default_factory=dict,
        description="Entities whose records stand beside them, by their reference: {deals: contact_ids}",
    )
    description: str = ""
    columns: dict[str, ViewColumn] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _expand_short_columns(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("columns"), dict):
            columns = {k: {"value": v} if isinstance(v, str) else v for k, v in data["columns"].items()}
            return {**data, "columns": columns}
        return data
