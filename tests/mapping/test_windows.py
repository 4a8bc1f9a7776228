"""What a mapping says of windows: both ends are sent somewhere, and to read faster is to read the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.fingerprint import extract_fingerprint
from pipelines.mapping.load import load_mapping
from pipelines.mapping.problems import Problem

TEXT = """crm: acme
label: Acme
connection: {{base_url: "https://acme.example"}}
entities:
  contacts:
    extract:
      path: contacts
      paginator: cursor
      {extract}
    id: id
    modified: changed
    fields: {{name: Name}}
"""
BY_TIME = """incremental: {start_param: since, end_param: before}
      windows: {by: modified, total_path: total}"""


@pytest.mark.parametrize(
    "right",
    [
        BY_TIME,
        """params: {q: "changed >= {incremental.start_value} and changed < {incremental.end_value}"}
      incremental: {lag: 60}
      windows: {by: modified, total_path: total, overlap: 0}""",
        "windows: {by: id, total_path: total, start_param: after, end_param: before}",
        """headers: {If-Modified-Since: "{incremental.start_value}"}
      incremental: {lag: 60}
      windows: {by: modified, rising: true, most: 100}""",
    ],
)
def test_both_ends_are_sent(problems: Callable[[str], list[Problem]], right: str) -> None:
    assert problems(TEXT.format(extract=right)) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (BY_TIME.replace(", end_param: before", ""), "the upper end of a window is sent nowhere"),
        ("windows: {by: modified, total_path: total}", "the list is not filtered by it; add incremental"),
        (BY_TIME.replace("before}", "before, honoured: false}"), "the list is not filtered by it"),
        ("windows: {by: id, total_path: total, start_param: after}", "windows by id need start_param and end_param"),
        (BY_TIME.replace("total}", "total, end_param: b}"), "windows by modified take their ends from incremental"),
        (BY_TIME.replace(", total_path: total", ""), "total_path"),
        (BY_TIME.replace("by: modified", "by: colour"), "by"),
        (BY_TIME.replace("total}", "total, rising: true}"), "rising windows are by modified and have no total_path"),
        (BY_TIME.replace("total}", "total, most: 9}"), "have no most, unless they are rising"),
        ("windows: {by: modified, rising: true}", "the list is not filtered by it; add incremental"),
    ],
)
def test_mistakes(problems: Callable[[str], list[Problem]], wrong: str, said: str) -> None:
    found = problems(TEXT.format(extract=wrong))
    assert len(found) == 1, "\n".join(map(str, found))
    assert said in str(found[0])


def test_nothing_is_read_again_because_it_is_read_faster(tmp_path: Path, schemas: dict[str, CanonicalEntity]) -> None:
    made = []
    for text in (BY_TIME, BY_TIME.splitlines()[0]):
        path = tmp_path / "acme.yml"
        path.write_text(TEXT.format(extract=text))
        made.append(extract_fingerprint(load_mapping(path, schemas), "contacts"))
    assert made[0] == made[1]
