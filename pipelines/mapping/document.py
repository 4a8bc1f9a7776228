"""A YAML file as plain values, with the place of each key and value.

YAML 1.2: `no`, `on` and `2024-01-31` are text. A key that stands twice is a mistake. Several mistakes are all told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from yaml import MappingNode, MarkedYAMLError, Node, ScalarNode, SequenceNode, YAMLError

from pipelines.mapping.problems import MappingErrors, Problem

Part = str | int
Parts = tuple[Part, ...]

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN_TAGS = re.compile(r"tag:yaml\.org,2002:\w+")
_WORDS: dict[str, Any] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)(e[-+]?[0-9]+)?|[-+]?\.inf|\.nan")
_NUMBER_BASES = {"0x": 16, "0o": 8}
_MOST_VALUES = 100_000
_DEEPEST = 40


class Place(NamedTuple):
    """Line and column, from 1."""

    line: int
    column: int


@dataclass
class Document:
    """One file: `data` in plain Python values, and where each of them stands."""

    file: str
    data: Any = None
    keys: dict[Parts, Place] = field(default_factory=dict)
    values: dict[Parts, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, parts: Sequence[Part], *, of_value: bool = False) -> Place:
        """Where the key at `parts` (or its value) stands; where there is none, its nearest ancestor."""
        where = tuple(parts)
        first, second = (self.values, self.keys) if of_value else (self.keys, self.values)
        while where not in first and where not in second and where:
            where = where[:-1]
        return first.get(where) or second.get(where) or Place(1, 1)

    def problem(self, parts: Sequence[Part], found: str, *, of_value: bool = False, **more: str) -> Problem:
        """A problem at `parts`, with the line and column of that very key or value."""
        line, column = self.place(parts, of_value=of_value)
        return Problem(self.file, line, column, ".".join(str(p) for p in parts), found, **more)


def shown(path: Path) -> str:
    """The path as a person would write it: relative to the current folder where it lies below."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()


def read_document(path: Path) -> Document:
    """Read one YAML file.

    Raises:
        MappingErrors: the file cannot be read or is no YAML. Duplicate keys are left in `problems`.
    """
    try:
        at = path.stat()
    except OSError as error:
        raise MappingErrors([Problem(shown(path), 1, 1, "", f"cannot be read: {error.strerror}")]) from None
    return _read(path, Path.cwd(), at.st_mtime_ns, at.st_size)


@lru_cache(maxsize=64)
def _read(path: Path, _seen_from: Path, _changed_at: int, _size: int) -> Document:
    """One parse for each state of a file: a run asks for the same mapping several times."""
    document = Document(shown(path))
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=LOADER)
    except MarkedYAMLError as error:
        raise MappingErrors([_syntax_problem(document.file, error)]) from None
    except (YAMLError, UnicodeDecodeError) as error:
        detail = " ".join(str(error).split())
        raise MappingErrors([Problem(document.file, 1, 1, "", f"not readable as YAML: {detail}")]) from None
    except OSError as error:
        raise MappingErrors([Problem(document.file, 1, 1, "", f"cannot be read: {error.strerror}")]) from None
    if root is not None:
        document.data = _value(document, root, ())
    return document


def _syntax_problem(file: str, error: MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    said = " ".join(str(x) for x in (error.context, error.problem) if x)
    remedy = "a tab is no indentation; use spaces" if "'\\t'" in said or "tab character" in said else ""
    return Problem(file, line, column, "", f"YAML syntax: {said}", remedy=remedy)


def _value(document: Document, node: Node, parts: Parts) -> Any:
    place = Place(node.start_mark.line + 1, node.start_mark.column + 1)
    if len(parts) > _DEEPEST or len(document.values) > _MOST_VALUES:
        # An anchor that contains itself, or anchors of anchors, would never end.
        raise MappingErrors([Problem(document.file, *place, "", "too deep or too large for a settings file")])
    document.values[parts] = place
    if isinstance(node, MappingNode):
        return _mapping(document, node, parts)
    if isinstance(node, SequenceNode):
        return [_value(document, member, (*parts, i)) for i, member in enumerate(node.value)]
    return _scalar(node) if isinstance(node, ScalarNode) else None


def _mapping(document: Document, node: MappingNode, parts: Parts) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, ScalarNode):
            document.problems.append(_odd_key(document, key_node, parts))
            continue
        key = str(key_node.value)
        where = (*parts, key)
        place = Place(key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        if key in result:
            first = document.keys[where].line
            problem = Problem(
                document.file, *place, ".".join(map(str, where)), f"the key stands twice, first in line {first}",
                remedy="keep one of them",
            )  # fmt: skip
            document.problems.append(problem)
            continue
        document.keys[where] = place
        result[key] = _value(document, value_node, where)
    return result


def _odd_key(document: Document, node: Node, parts: Parts) -> Problem:
    place = Place(node.start_mark.line + 1, node.start_mark.column + 1)
    path = ".".join(map(str, parts))
    return Problem(document.file, *place, path, "a key that is a list or a block", expected="text", remedy="quote it")


def _scalar(node: ScalarNode) -> Any:
    """The value of a scalar by YAML 1.2's core schema; PyYAML's own tags are those of 1.1, where `no` is false."""
    text = str(node.value)
    if node.style not in (None, "") or not _PLAIN_TAGS.fullmatch(str(node.tag)):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text, _NUMBER_BASES.get(text[:2], 10))
    return float(text.replace(".inf", "inf").replace(".nan", "nan")) if _FLOAT.fullmatch(text.lower()) else text
