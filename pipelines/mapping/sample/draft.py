"""Writes the draft of a mapping: what was recognised, and comments for what a person has to decide."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines.mapping.canonical import CanonicalEntity, CanonicalField
from pipelines.mapping.load import load_schemas
from pipelines.mapping.problems import MappingErrors, Problem, nearest_name
from pipelines.mapping.sample.guess import Guess, guess
from pipelines.mapping.sample.looks import epoch_format, yes_no
from pipelines.mapping.sample.paging import paginator_lines
from pipelines.mapping.sample.paths import Column, columns_of, words
from pipelines.mapping.sample.records import Sample, read_sample

_NAME = re.compile(r"^[a-z][a-z0-9_]*$")
_PLAIN = re.compile(r"^[A-Za-z_][A-Za-z0-9_./ -]*[A-Za-z0-9_]$|^[A-Za-z_]$")
# Words that YAML takes for something else; YAML 1.1, which some editors still read, more of them.
_NOT_TEXT = re.compile(r"^(null|true|false|yes|no|on|off|y|n)$", re.IGNORECASE)
_MOST_VALUES = 30


def first_mapping(name: str, sample_path: Path | str, schemas: Mapping[str, CanonicalEntity] | None = None) -> str:
    """The text of `mappings/<name>.yml`, drafted from a sample of the CRM's records; it loads without errors.

    Args:
        name: the CRM's slug.
        sample_path: JSON (a list, lines, or an API's answer) or CSV.
        schemas: canonical schemas; default: the project's own.

    Raises:
        MappingErrors: the name is none, or the sample holds no records.
    """
    path = Path(sample_path)
    if not _NAME.match(name):
        raise MappingErrors(
            [Problem(f"mappings/{name}.yml", 1, 1, "crm", f"{name!r}", expected="a name in snake_case")]
        )
    sample = read_sample(path)
    columns, unnamed = columns_of(sample.records)
    known = schemas if schemas is not None else load_schemas(Path(__file__).resolve().parents[3] / "schemas")
    found = guess(columns, known, [path.stem, sample.selector])
    lines = [*_head(name, sample, path.name), *_entity(found, sample, columns), *_left_over(found.left, unnamed)]
    return "\n".join(lines) + "\n"


def _head(name: str, sample: Sample, file: str) -> Iterator[str]:
    many = "1 record" if len(sample.records) == 1 else f"{len(sample.records)} records"
    yield "# yaml-language-server: $schema=../schemas/mapping.schema.json"
    yield f"crm: {name}"
    yield f"label: {_text(name.replace('_', ' ').title())}"
    yield "assumptions:"
    yield f"  - {_text(f'Drafted from {many} of a sample; nobody has compared it with the documentation of the API.')}"
    yield ""
    yield "connection:"
    if sample.is_table:
        yield "  kind: file"
        yield f"  path: {json.dumps('${' + name.upper() + '_PATH:-' + re.sub('[^A-Za-z0-9._-]', '_', file) + '}')}"
        return
    yield "  kind: http"
    yield "  # the address of the API, and how one logs in"
    yield f'  base_url: "${{{name.upper()}_API_BASE_URL:-https://api.example.com}}"'
    yield "  auth:"
    yield "    type: bearer"
    yield f'    token: "${{{name.upper()}_API_TOKEN}}"'
    yield "  # what the documentation allows; until then a restraint of our own"
    yield "  limits:"
    yield "    - requests: 5"
    yield "      seconds: 1"


def _entity(found: Guess, sample: Sample, columns: list[Column]) -> Iterator[str]:
    last = sample.selector.split(".")[-1]
    called = last if words(last) not in ("", "data", "results", "items", "records", "value") else found.schema.entity
    yield ""
    yield "entities:"
    yield f"  {found.schema.entity}:"
    yield "    extract:"
    yield f"      path: {_text('*' if sample.is_table else called)}"
    if sample.selector:
        yield f"      data_selector: {_text(sample.selector)}"
    if not sample.is_table:
        yield from paginator_lines(sample, found.modified is not None)
    yield from _id(found, columns)
    if found.modified is not None:
        yield f"    modified: {_text(found.modified.path)}"
    else:
        yield "    # no time of modification was recognised: the whole set is read, and compared by content"
    fields = [line for name, column in found.fields.items() for line in _field(name, found.schema.fields[name], column)]
    yield "    fields:" if any(not line.lstrip().startswith("#") for line in fields) else "    fields: {}"
    yield from fields
    yield from (
        f"      # {name}: {_reference(column)}  # once this mapping has {found.schema.fields[name].to}"
        for name, column in found.references.items()
    )
    yield "    # what may be written back; nothing else ever is"
    yield "    # push:"
    yield "    #   create: none"
    yield "    #   fields: []"
    yield f"    #   update_request: {{method: PATCH, path: {_text(called + '/{id}')}}}"


def _id(found: Guess, columns: list[Column]) -> Iterator[str]:
    if found.id is not None:
        yield f"    id: {_text(found.id.path)}"
        return
    plain = next((c.path for c in columns if c.each is None), "id")
    yield "    # no id was recognised: this is the first column; name the right one, or several: [a, b]"
    yield f"    id: {_text(plain)}"


def _field(name: str, canonical: CanonicalField, column: Column) -> Iterator[str]:
    keys = dict(_keys(canonical, column))
    if "values" in keys and not keys["values"]:
        yield f"      # {name}: {_comment(column.shown)} holds {_comment(', '.join(_distinct(column)))}"
        return
    if set(keys) == {"path"}:
        yield f"      {name}: {_text(column.path)}"
        return
    if column.look.doubt is not None:
        yield f"      # or {column.look.doubt}"
    yield f"      {name}:"
    for key, value in keys.items():
        if isinstance(value, dict):
            yield f"        {key}:"
            yield from (f"          {_text(theirs)}: {_text(ours)}" for theirs, ours in value.items())
        else:
            yield f"        {key}: {_text(value)}"
    if "values" in keys and canonical.values:
        rest = [value for value in _distinct(column) if value not in keys["values"]]
        yield from (f"          # {_comment(value)}: ?" for value in rest)


def _reference(column: Column) -> str:
    if column.each is None:
        return _comment(column.path)
    inside = f", path: {_comment(column.path)}" if column.path else ""
    return f"{{each: {_comment(column.each)}{inside}}}"


def _keys(canonical: CanonicalField, column: Column) -> Iterator[tuple[str, Any]]:
    kind = canonical.of or canonical.type
    if column.each is not None:
        yield "each", column.each
    if column.path:
        yield "path", column.path
    if column.each is not None and canonical.type != "list":
        yield "take", "first"
    if kind in ("date", "timestamp"):
        time_format = column.look.time_format or epoch_format(column.values)
        if time_format is not None:
            yield "time_format", time_format
    if kind == "boolean" and column.look.kind not in ("boolean", "empty"):
        yield "values", yes_no(column.values) or {}
    if kind == "enum":
        allowed = canonical.values or []
        pairs = {theirs: nearest_name(words(theirs).replace(" ", "_"), allowed) for theirs in _distinct(column)}
        yield "values", {theirs: ours for theirs, ours in pairs.items() if ours}
    if canonical.type in ("timestamp",):
        yield "write", "never"


def _distinct(column: Column) -> list[str]:
    return list(dict.fromkeys(str(v) for v in column.values if v is not None and v != ""))[:_MOST_VALUES]


def _left_over(left: list[Column], unnamed: list[str]) -> Iterator[str]:
    if left:
        yield "    # not recognised; kept in `custom` as it is:"
        yield from (f"    #   {_comment(column.shown)} ({column.look.kind})" for column in left)
    if unnamed:
        yield "    # cannot be named by a path (a dot, or what is no text):"
        yield from (f"    #   {_comment(key)}" for key in unnamed)


def _text(value: object) -> str:
    """A YAML scalar that reads as `value`, quoted where it must be."""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    is_plain = _PLAIN.match(text) and not _NOT_TEXT.match(text) and "  " not in text and " -" not in text
    return text if is_plain else _quoted(text)


def _quoted(text: str) -> str:
    """JSON's quotes, which YAML reads as well, but for characters beyond the first 65,536 and control characters."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    quoted = json.dumps(whole, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)


def _comment(text: str) -> str:
    """Text that cannot leave a comment."""
    return _quoted(text)[1:-1][:100]
