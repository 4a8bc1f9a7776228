"""One text for one canonical value, wherever values of several types stand in one column."""

from __future__ import annotations

from pipelines.mapping.canonical import CanonicalField
from pipelines.warehouse.models import ident


def as_text(name: str, field: CanonicalField) -> str:
    """SQL: the value of column `name` as VARCHAR; a list as JSON, a time in UTC (the session's zone), NULL for NULL."""
    column = ident(name)
    return f"to_json({column})::varchar" if field.type == "list" else f"{column}::varchar"
