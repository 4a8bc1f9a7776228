"""A mapping with fields that one connection adds or changes: `fieldMapping` of the connectors' contract.

    {"contacts": {"company": "Company_Name", "notes": {"path": "Remarks", "write": "if_empty"}}}

The result is checked as a mapping is. A field that is added may be pushed, too, unless it says `write: never`; what a
changed one does follows the mapping.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from pipelines.mapping.document import Document, read_document
from pipelines.mapping.language import FieldMapping, Mapping
from pipelines.mapping.load import Schemas, load_mapping
from pipelines.mapping.problems import MappingErrors, Problem, listed, nearest_name
from pipelines.mapping.rules import Known, check_mapping
from pipelines.mapping.validate import validate

NAME = "fieldMapping"
MOST_FIELDS = 500
_FORBIDDEN = {"sql": "SQL is for mapping files"}


def load_overridden(
    path: Path, overrides: dict[str, Any] | None, schemas: Schemas, known: Known | None = None
) -> Mapping:
    """Read `mappings/<crm>.yml` and lay a connection's own fields over it.

    Raises:
        MappingErrors: all that is wrong, in the file or in the overrides.
    """
    base = load_mapping(path, schemas, known)
    if not overrides:
        return base
    problems = list(_form(overrides, base))
    if problems:
        raise MappingErrors(problems)
    document = Document(NAME, _laid_over(copy.deepcopy(read_document(path).data), overrides))
    checked = validate(document, Mapping)
    problems = checked.problems
    if checked.model is not None:
        problems += checked.worth_saying(check_mapping(document, checked.model, schemas, known or Known(), path.stem))
    if problems or checked.model is None:
        raise MappingErrors(problems)
    return checked.model


def _form(overrides: Any, base: Mapping) -> list[Problem]:
    if not isinstance(overrides, dict) or not all(isinstance(block, dict) for block in overrides.values()):
        return [_problem("", "is no object of objects", '{"contacts": {"company": "CompanyName"}}')]
    found = []
    for entity, fields in overrides.items():
        if entity not in base.entities:
            near = nearest_name(entity, base.entities)
            found.append(_problem(entity, "unknown entity", listed(base.entities), near))
        for field, said in fields.items():
            if not isinstance(said, str | dict):
                found.append(_problem(f"{entity}.{field}", "is neither a name nor an object", "their field's name"))
            for key in (k for k in _FORBIDDEN if isinstance(said, dict) and k in said):
                found.append(_problem(f"{entity}.{field}.{key}", _FORBIDDEN[key]))
    if sum(len(fields) for fields in overrides.values()) > MOST_FIELDS:
        found.append(_problem("", f"more than {MOST_FIELDS} fields"))
    return found


def _problem(path: str, found: str, expected: str = "", nearest: str = "") -> Problem:
    return Problem(NAME, 1, 1, path, found, expected=expected, nearest=nearest)


def _laid_over(data: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    for entity, fields in overrides.items():
        block = data["entities"][entity]
        added = [name for name in fields if name not in block["fields"]]
        block["fields"] |= fields
        pushed = (block.get("push") or {}).get("fields")
        if pushed is not None:
            never = [name for name in fields if _is_read_only(fields[name])]
            more = [name for name in added if name not in pushed and _is_written(fields[name])]
            block["push"]["fields"] = [name for name in [*pushed, *more] if name not in never]
    return data


def _is_read_only(said: Any) -> bool:
    return isinstance(said, dict) and said.get("write") == "never"


def _is_written(said: Any) -> bool:
    try:
        return FieldMapping.model_validate({"path": said} if isinstance(said, str) else said).writes != "never"
    except ValueError:
        return False  # wrong, which is told where the whole is checked
