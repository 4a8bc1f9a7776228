"""What all laws share: how many examples they draw, how many of them are built together, and where folders lie."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

EXAMPLES = int(os.environ.get("LAW_EXAMPLES", "0"))
"""CI asks for more examples than a developer waits for."""

TOGETHER = 4
"""Worlds in one build, which costs nearly the same for one as for four; nothing of one touches another."""


def builds(worlds: int) -> int:
    """How many builds it takes to make so many worlds, or as many as CI asks for."""
    return -(-max(worlds, EXAMPLES) // TOGETHER)


def together(world: SearchStrategy[list[Any]]) -> SearchStrategy[list[Any]]:
    """The records of as many worlds as are built together, in one list; `world` gives each keys of its own."""
    drawn = st.lists(world, min_size=TOGETHER, max_size=TOGETHER)
    return drawn.map(lambda worlds: [record for one in worlds for record in one])


def _memory() -> Path | None:
    there = Path("/dev/shm")  # a container may have none, or 64 MB of it
    is_roomy = os.access(there, os.W_OK) and shutil.disk_usage(there).free > 500_000_000
    return there if is_roomy else None


MEMORY = _memory()
"""Where a commit waits for no disk; None, for the usual place, where there is none such."""
