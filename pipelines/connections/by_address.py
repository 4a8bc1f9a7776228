"""A CRM that is named by its address alone: where a mapping's `instead` knows the address, that CRM's mapping is used.

EXTERNAL_CRM_API_URL=https://crm.example/v3/contacts and a key make the connection of the CRM behind that address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines.connections.project import Project
from pipelines.connections.variables import Filler
from pipelines.mapping import language
from pipelines.mapping.document import read_document
from pipelines.mapping.language import Instead


def with_address(mapping: language.Mapping, variables: Mapping[str, str], project: Project) -> language.Mapping | None:
    """The mapping with the login that was given for an address of its CRM; None where none was given.

    Args:
        mapping: whose own variables are not set.
        variables: all that are set.
        project: whose mappings may know the address.
    """
    for _, address, rule in _rules(project, variables):
        if rule.mapping == mapping.crm:
            match = re.fullmatch(rule.address, address)
            assert match is not None, "a rule is told only where it fits"
            changed = {"base_url": match["base"], "auth": rule.auth}
            return mapping.model_copy(update={"connection": mapping.connection.model_copy(update=changed)})
    return None


def stands_for(name: str, variables: Mapping[str, str], project: Project) -> str | None:
    """The mapping that is polled in place of this one, because the address that was given is that CRM's."""
    return next((rule.mapping for crm, _, rule in _rules(project, variables) if crm == name), None)


def _rules(project: Project, variables: Mapping[str, str]) -> Iterator[tuple[str, str, Instead]]:
    """(mapping, address, rule) of each rule that the address which was given fits."""
    for path in sorted(project.mappings.glob("*.yml")):
        if "instead:" not in _text(path):
            continue
        said: dict[str, Any] = (read_document(path).data or {}).get("connection") or {}
        address = str(Filler(path.stem, path.stem, variables).fill(said.get("base_url") or ""))
        for one in said.get("instead") or []:
            rule = Instead.model_validate(one)
            if re.fullmatch(rule.address, address):
                yield path.stem, address, rule


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
