"""Whatever a file holds, it is read or refused with problems that have a place; never with a traceback."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.document import read_document
from pipelines.mapping.load import load_mapping
from pipelines.mapping.problems import MappingErrors

ROOT = Path(__file__).resolve().parents[2]
RIGHT = read_document(ROOT / "mappings" / "brivity.yml").data
WORDS = st.sampled_from(["", "id", "${", "${X}", "{id}", "name", "never", "all", "1 +", "http://x", "*", "24h", "lead"])
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=True) | WORDS | st.text(max_size=6)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, parts: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [parts, *(p for key, member in members for p in places(member, (*parts, key)))]


def changed(where: list[tuple[str | int, ...]], values: list[Any]) -> Any:
    data = copy.deepcopy(RIGHT)
    for parts, value in zip(where, values, strict=True):
        holder = data
        try:
            for part in parts[:-1]:
                holder = holder[part]
            holder[parts[-1]] = value
        except (TypeError, KeyError, IndexError):
            continue
    return data


def refusal(path: Path, schemas: dict[str, CanonicalEntity] | None) -> MappingErrors | None:
    try:
        load_mapping(path, schemas)
    except MappingErrors as error:
        return error
    return None


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_mapping_with_anything_anywhere_is_read_or_refused(
    schemas: dict[str, CanonicalEntity], data: st.DataObject
) -> None:
    anywhere = st.sampled_from([p for p in places(RIGHT) if p])
    where = data.draw(st.lists(anywhere, min_size=1, max_size=4))
    text = json.dumps(changed(where, [data.draw(VALUES) for _ in where]), ensure_ascii=False, indent=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "brivity.yml"
        path.write_text(text, encoding="utf-8", errors="replace")
        lines = text.count("\n") + 1
        refused = refusal(path, schemas)
    if refused is not None:
        assert refused.problems
        assert all(1 <= p.line <= lines and p.column >= 1 for p in refused.problems)
        assert len(str(refused).splitlines()) == len(refused.problems)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from(list("ab:- \n[]{},&*!#'\"|>%@`?\t1~<")), max_size=40))
def test_any_text_at_all_is_refused(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "brivity.yml"
        path.write_text(text, encoding="utf-8")
        refused = refusal(path, None)
    assert refused is not None
    assert refused.problems
