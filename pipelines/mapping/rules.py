"""What pydantic cannot see in a mapping: whether its names and choices hold together and fit the canonical schemas."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.document import Document
from pipelines.mapping.language import Mapping
from pipelines.mapping.problems import Problem


@dataclass(frozen=True)
class Known:
    """Names registered elsewhere (`pipelines/wire/`); None: not checked."""

    auths: frozenset[str] | None = None
    paginators: frozenset[str] | None = None
    readers: frozenset[str] | None = None
    webhook_schemes: frozenset[str] | None = None


def check_mapping(
    document: Document, mapping: Mapping, schemas: Dict[str, CanonicalEntity] | None, known: Known, stem: str
) -> list[Problem]:
    """All that is wrong with a mapping of the right form."""
    return []
