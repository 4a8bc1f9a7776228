"""Fixtures of the extract tests."""

from __future__ import annotations

from types import ModuleType

import extract_memory
import pytest


@pytest.fixture(scope="session")
def memory() -> ModuleType:
    """The CRM in memory, `tests/kit/extract_memory.py`."""
    return extract_memory
