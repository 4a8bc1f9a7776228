"""What may be asked of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

STAGES = ("extract", "staging", "unify", "check", "publish", "push")


@dataclass(frozen=True)
class RunOptions:
    """What was asked for on the command line."""

    names: list[str]
    data_dir: Path | None = None
    sandbox: bool = False
    full_refresh: bool = False
    stages: frozenset[str] = field(default_factory=lambda: frozenset(STAGES))
    push: str | None = None
    limit: int | None = None
    only: str | None = None
    allow_mass_change: bool = False
    quiet: bool = False
    owner: str | None = None

    @property
    def is_everyday(self) -> bool:
        """Not a pilot, and nothing left out: after such a run there may be nothing left to do."""
        return self.limit is None and self.only is None and self.stages == frozenset(STAGES)
