"""Offices on data folders of their own, and what mappings name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from crm_office import Office

from pipelines.mapping.load import load_mapping, load_schemas
from pipelines.sandbox.handle import start
from pipelines.wire.limiter import Limiter


@pytest.fixture(scope="session", autouse=True)
def no_limits() -> Iterator[None]:
    """The emulated CRMs do not enforce their limits here, and nobody waits for them: tests/wire has them."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("pipelines.wire.accounts.Limiter", lambda _, store: Limiter([], store))
        yield


@pytest.fixture(scope="module")
def open_office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Office]]:
    """Makes offices; their CRMs end with the module."""
    with ExitStack() as opened:

        def opening(*crms: str, size: int = 60, **settings: Any) -> Office:
            data = tmp_path_factory.mktemp("office")
            return Office(data, opened.enter_context(start(data / "sandbox", list(crms), size=size, **settings)))

        yield opening


@pytest.fixture(scope="session")
def mapped(project_root: Path) -> Callable[[str], dict[str, list[str]]]:
    """The canonical fields of a mapping, by entity."""
    schemas = load_schemas(project_root / "schemas")

    def fields(crm: str) -> dict[str, list[str]]:
        mapping = load_mapping(project_root / "mappings" / f"{crm}.yml", schemas)
        return {name: list(entity.fields) for name, entity in mapping.entities.items()}

    return fields
