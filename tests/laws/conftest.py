"""Every test here is a law: CI runs them once more, with as many examples as LAW_EXAMPLES says."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "laws" in item.path.parts:
            item.add_marker("law")
            if "LAW_EXAMPLES" in os.environ:
                item.add_marker(pytest.mark.timeout(1800))
