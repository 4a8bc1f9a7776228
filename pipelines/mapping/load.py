"""Reads mappings and canonical schemas; refuses wrong ones with everything that is wrong at once."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.document import Document, read_document, shown
from pipelines.mapping.language import Mapping
from pipelines.mapping.problems import MappingErrors, Problem
from pipelines.mapping.rules import Known, check_mapping
from pipelines.mapping.schema_rules import check_schema, references
from pipelines.mapping.validate import validate

Schemas = Dict[str, CanonicalEntity]


def load_mapping(path: Path | str, schemas: Schemas | None = None, known: Known | None = None) -> Mapping:
    """Read `mappings/<crm>.yml`.

    Args:
        path: the file.
        schemas: the canonical schemas; without them only the mapping's own form is checked.
        known: names that may be used for authentication, paginators, batch readers and webhook schemes.

    Raises:
        MappingErrors: all that is wrong with the file.
    """
    document = read_document(Path(path))
    checked = validate(document, Mapping)
    problems, mapping = document.problems + checked.problems, checked.model
    if mapping is not None:
        found = check_mapping(document, mapping, schemas, known or Known(), Path(path).stem)
        problems += checked.worth_saying(found)
    if problems or mapping is None:
        raise MappingErrors(problems)
    return mapping


def load_schemas(folder: Path | str) -> dict[str, CanonicalEntity]:
    """Read all of `schemas/*.yml`: what is referred to comes before what refers to it.

    Raises:
        MappingErrors: all that is wrong with the files, a circle of references included.
    """
    problems: list[Problem] = []
    found: dict[str, tuple[Document, CanonicalEntity]] = {}
    for path in sorted(Path(folder).glob("*.yml")):
        try:
            document = read_document(path)
        except MappingErrors as error:
            problems += error.problems
            continue
        checked = validate(document, CanonicalEntity)
        problems += document.problems + checked.problems
        if checked.model is not None:
            problems += checked.worth_saying(check_schema(document, checked.model, path.stem))
            found[path.stem] = document, checked.model
    if not found and not problems:
        problems.append(Problem(shown(Path(folder)), 1, 1, "", "holds no canonical schema", remedy="add <entity>.yml"))
    if problems:
        raise MappingErrors(problems)
    return _ordered(found)


def load_mappings(folder: Path | str, schemas: Schemas | None = None, known: Known | None = None) -> dict[str, Mapping]:
    """Read all of `mappings/*.yml`, by their names.

    Raises:
        MappingErrors: all that is wrong with any of them.
    """
    problems: list[Problem] = []
    found: dict[str, Mapping] = {}
    for path in sorted(Path(folder).glob("*.yml")):
        try:
            found[path.stem] = load_mapping(path, schemas, known)
        except MappingErrors as error:
            problems += error.problems
    if problems:
        raise MappingErrors(problems)
    return found


def _ordered(found: dict[str, tuple[Document, CanonicalEntity]]) -> dict[str, CanonicalEntity]:
    problems = [p for document, entity in found.values() for p in references(document, entity, found)]
    if problems:
        raise MappingErrors(problems)
    graph = {
        name: sorted({f.to for f in entity.fields.values() if f.to and f.to != name})
        for name, (_, entity) in sorted(found.items())
    }
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        document = found[error.args[1][0]][0]
        raise MappingErrors([document.problem(("fields",), f"the references run in a circle: {circle}")]) from None
    return {name: found[name][1] for name in order}
