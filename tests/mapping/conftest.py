"""The canonical schemas, and a way to write a mapping and read what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.mapping.canonical import CanonicalEntity
from pipelines.mapping.load import load_mapping, load_schemas
from pipelines.mapping.problems import MappingErrors, Problem
from pipelines.mapping.rules import Known

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def schemas() -> dict[str, CanonicalEntity]:
    return load_schemas(ROOT / "schemas")


@pytest.fixture
def problems(tmp_path: Path, schemas: dict[str, CanonicalEntity]) -> Callable[[str], list[Problem]]:
    """Everything that is wrong with a mapping given as text; its name is `acme`."""

    def found(text: str) -> list[Problem]:
        path = tmp_path / "acme.yml"
        path.write_text(text, encoding="utf-8")
        known = Known(
            auths=frozenset({"bearer", "oauth2_client_credentials"}),
            paginators=frozenset({"offset", "cursor"}),
            readers=frozenset({"by_position"}),
            webhook_schemes=frozenset({"hmac_sha256"}),
        )
        try:
            load_mapping(path, schemas, known)
        except MappingErrors as error:
            return error.problems
        return []

    return found
