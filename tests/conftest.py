"""Shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
# Programs that tests start find what pytest finds: the project, and what tests share.
FOUND = [str(ROOT), str(ROOT / "tests" / "kit"), os.environ.get("PYTHONPATH", "")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, FOUND))
os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

SHARED: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    "print_blob": True,
}
# The same examples each time, so that a change that breaks nothing is never refused; whoever hunts sets
# HYPOTHESIS_PROFILE=explore and gets new ones.
settings.register_profile("crosswalk", **SHARED, derandomize=True, database=None)
settings.register_profile("explore", **SHARED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "crosswalk"))


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The checkout."""
    return ROOT
