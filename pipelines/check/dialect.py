"""Teaches Great Expectations DuckDB, for which it has no datasource: it goes through SQLAlchemy and duckdb-engine.

Imported by the worker alone: importing Great Expectations takes seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import duckdb_engine
import great_expectations as gx
import sqlalchemy as sa
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.metrics.column_map_metrics.column_values_match_regex import ColumnValuesMatchRegex
from great_expectations.expectations.metrics.column_map_metrics.column_values_not_match_regex import (
    ColumnValuesNotMatchRegex,
)
from great_expectations.expectations.metrics.map_metric_provider import column_condition_partial
from sqlalchemy.dialects import registry

from pipelines.warehouse.connect import configuration


class ReadOnlyDuckDB(duckdb_engine.Dialect):  # type: ignore[misc]
    """duckdb-engine without transactions.

    Great Expectations fetches a result after it has ended the transaction, and DuckDB drops results when one ends. A
    file that is only read needs none.
    """

    supports_statement_cache = False
    opened: ClassVar[list[Any]] = []

    def connect(self, *arguments: Any, **settings: Any) -> Any:
        """Remembers what it opened: Great Expectations leaves connections open, and with them the file locked."""
        self.opened.append(super().connect(*arguments, **settings))
        return self.opened[-1]

    @classmethod
    def close_all(cls) -> None:
        """Lets go of the files."""
        while cls.opened:
            cls.opened.pop().close()

    def do_begin(self, connection: object) -> None:
        """Begins nothing."""

    def do_rollback(self, connection: object) -> None:
        """Undoes nothing."""

    def do_commit(self, connection: object) -> None:
        """Commits nothing."""


class MatchRegex(ColumnValuesMatchRegex):  # type: ignore[misc]
    """`expect_column_values_to_match_regex` with DuckDB's function (RE2), which Great Expectations does not know."""

    condition_metric_name = "column_values.match_regex"

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)  # type: ignore[untyped-decorator]
    def _sqlalchemy(cls, column: Any, regex: str, **_: Any) -> Any:  # noqa: N805 - the decorator calls it on the class
        return sa.func.regexp_matches(column, sa.literal(regex))


class NotMatchRegex(ColumnValuesNotMatchRegex):  # type: ignore[misc]
    """`expect_column_values_to_not_match_regex` likewise."""

    condition_metric_name = "column_values.not_match_regex"

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)  # type: ignore[untyped-decorator]
    def _sqlalchemy(cls, column: Any, regex: str, **_: Any) -> Any:  # noqa: N805 - the decorator calls it on the class
        return sa.not_(sa.func.regexp_matches(column, sa.literal(regex)))


def open_datasource(path: Path, spill: Path) -> Any:
    """A Great Expectations SQL datasource over a DuckDB file, opened read-only; nothing is kept on disk."""
    registry.register("duckdb", __name__, ReadOnlyDuckDB.__name__)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = gx.data_context.types.base.ProgressBarsConfig(globally=False)
    return context.data_sources.add_sql(
        "candidate",
        connection_string=f"duckdb:///{path}",
        create_temp_table=False,
        kwargs={"connect_args": {"read_only": True, "config": configuration(spill)}},
    )
