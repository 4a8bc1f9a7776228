"""What all laws share: how many examples they draw, and where their folders lie."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

EXAMPLES = int(os.environ.get("LAW_EXAMPLES", "0"))
"""CI asks for more examples than a developer waits for."""


def _memory() -> Path | None:
    there = Path("/dev/shm")  # a container may have none, or 64 MB of it
    is_roomy = os.access(there, os.W_OK) and shutil.disk_usage(there).free > 500_000_000
    return there if is_roomy else None


MEMORY = _memory()
"""Where a commit waits for no disk; None, for the usual place, where there is none such."""
