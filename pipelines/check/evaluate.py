"""Expectations evaluated by Great Expectations on a DuckDB file. Imported by the worker alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe

from pipelines.check.dialect import ReadOnlyDuckDB, open_datasource

EXAMPLES = 5
LONGEST = 60
SEVERITY = {"error": "critical", "warning": "warning"}
# SQLAlchemy takes ':name' in a text for a parameter; the pattern is its own.
PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w+(?!:))")
VALUE = re.compile(r"'[^']*'")

Asked = Mapping[str, Any]
Numbered = tuple[int, Asked]


def evaluate(path: str, spill: str, expectations: list[Asked]) -> list[dict[str, Any]]:
    """Evaluate expectations (`Expectation.as_dict`) on a DuckDB file; answers in the order asked.

    An answer has `passed`; `checked` and `failed` (rows; None where rows are not what is counted); `observed` (words);
    `examples` (a few rows that break it, in words: only what the expectation's `shows` names).
    """
    answers: dict[int, dict[str, Any]] = {}
    if not expectations:
        return []
    datasource = open_datasource(Path(path), Path(spill))
    try:
        for (table, *_), alike in groupby(sorted(enumerate(expectations), key=_alike), key=_alike):
            answers.update(_validate(datasource, table, list(alike)))
    finally:
        ReadOnlyDuckDB.close_all()
    return [answers[number] for number in range(len(expectations))]


def _alike(asked: Numbered) -> tuple[str, bool, str]:
    """What one call of Great Expectations can take together: a table, counts or queries, and the id to show."""
    _, what = asked
    return what["table"], what["kind"] == "no_rows", str((what["shows"] or [""])[0])


def _validate(datasource: Any, table: str, asked: list[Numbered]) -> Iterator[tuple[int, dict[str, Any]]]:
    _, is_query, key = _alike(asked[0])
    schema, _, name = table.partition(".")
    asset = datasource.add_table_asset(f"{table} {key} {is_query}", table_name=name, schema_name=schema)
    batch = asset.add_batch_definition_whole_table("whole").get_batch()
    suite = gx.ExpectationSuite(name=f"{table} {key} {is_query}", expectations=[_expectation(*one) for one in asked])
    # Only COMPLETE tells which rows a query found; for the others it would hold every unexpected value in memory.
    shape: dict[str, Any] = {"result_format": "COMPLETE" if is_query else "SUMMARY"}
    if not is_query and key:
        shape |= {"partial_unexpected_count": EXAMPLES, "unexpected_index_column_names": [key]}
    by_number = dict(asked)
    for result in batch.validate(suite, result_format=shape).results:
        number = result.expectation_config.meta["number"]
        yield number, _answer(by_number[number], result)


def _expectation(number: int, asked: Asked) -> Any:
    options = {"meta": {"number": number}, "severity": SEVERITY[asked["severity"]]}
    return KINDS[asked["kind"]](dict(asked["arguments"]), options)


def _column(name: str, *renamed: tuple[str, str]) -> Callable[[dict[str, Any], dict[str, Any]], Any]:
    """A GX expectation on one column; `renamed`: our argument, and GX's name for it."""

    def make(arguments: dict[str, Any], options: dict[str, Any]) -> Any:
        values = {theirs: arguments[ours] for ours, theirs in renamed if ours in arguments}
        return getattr(gxe, name)(column=arguments["column"], mostly=arguments.get("mostly", 1), **values, **options)

    return make


def _be_unique(arguments: dict[str, Any], options: dict[str, Any]) -> Any:
    if "columns" in arguments:
        return gxe.ExpectCompoundColumnsToBeUnique(column_list=arguments["columns"], **options)
    return gxe.ExpectColumnValuesToBeUnique(column=arguments["column"], **options)


def _row_count(arguments: dict[str, Any], options: dict[str, Any]) -> Any:
    bounds = {"min_value": arguments.get("min"), "max_value": arguments.get("max")}
    return gxe.ExpectTableRowCountToBeBetween(**bounds, **options)


def _no_rows(arguments: dict[str, Any], options: dict[str, Any]) -> Any:
    query = PARAMETER.sub(r"\:", arguments["query"])
    return gxe.UnexpectedRowsExpectation(unexpected_rows_query=query, **options)


BOUNDS = (("min", "min_value"), ("max", "max_value"))
KINDS: dict[str, Callable[[dict[str, Any], dict[str, Any]], Any]] = {
    "not_be_null": _column("ExpectColumnValuesToNotBeNull"),
    "be_unique": _be_unique,
    "match_regex": _column("ExpectColumnValuesToMatchRegex", ("value", "regex")),
    "not_match_regex": _column("ExpectColumnValuesToNotMatchRegex", ("value", "regex")),
    "be_between": _column("ExpectColumnValuesToBeBetween", *BOUNDS),
    "have_length_between": _column("ExpectColumnValueLengthsToBeBetween", *BOUNDS),
    "be_in_set": _column("ExpectColumnValuesToBeInSet", ("value", "value_set")),
    "row_count": _row_count,
    "no_rows": _no_rows,
}


def _answer(asked: Asked, result: Any) -> dict[str, Any]:
    found = result.result or {}
    if not found:
        return _unevaluated(result.exception_info)
    rows = found.get("details", {}).get("unexpected_rows") or found.get("partial_unexpected_index_list") or []
    failed, checked = found.get("unexpected_count"), found.get("element_count")
    observed = found.get("observed_value")
    if asked["kind"] == "no_rows":
        failed, observed = observed, None
    elif checked is not None:
        checked -= found.get("missing_count") or 0
    return {
        "passed": bool(result.success),
        "checked": checked,
        "failed": failed,
        "observed": f"{observed:,} rows" if observed is not None else "",
        "examples": [_shown(row, asked["shows"]) for row in rows[:EXAMPLES]],
    }


def _shown(row: Mapping[str, Any], names: list[str]) -> str:
    key, *others = [(name, _cut(row[name])) for name in names if name in row]
    more = ", ".join(f"{name} {value}" for name, value in others)
    return f"{key[1]} ({more})" if more else key[1]


def _cut(value: object) -> str:
    text = "(empty)" if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _unevaluated(info: Mapping[str, Any]) -> dict[str, Any]:
    """Great Expectations tells errors by metric; the first line of the first says enough.

    DuckDB quotes values in single quotes (and names in double ones): they may be personal data, and are left out.
    """
    told = [one for one in [info, *info.values()] if isinstance(one, Mapping) and one.get("exception_message")]
    first = str(told[0]["exception_message"]).strip().splitlines()[0] if told else "Great Expectations does not say why"
    observed = "not evaluated: " + VALUE.sub("'...'", first)
    return {"passed": False, "checked": None, "failed": None, "observed": observed, "examples": []}
