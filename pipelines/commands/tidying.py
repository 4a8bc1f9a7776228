"""Retention: what is no longer needed leaves an owner's folder, and the store of the service."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.connections.locks import LockHeld, lock
from pipelines.connections.owner import Owner

DAY = 86_400
PURPOSE = "dropping old versions"


@dataclass(frozen=True)
class Keep:
    """How long things stay; 0 days: for ever."""

    raw_days: int = 0
    published: int = 3
    history_days: int = 90


@dataclass
class Tidied:
    """What went, and what could not be looked at because somebody was at work on it."""

    versions: int = 0
    files: int = 0
    rows: int = 0
    busy: list[str] = field(default_factory=list)


def tidy(owner: Owner, keep: Keep) -> Tidied:
    """Drops old raw versions that nothing depends on, leftovers of loads, old published files."""
    done = Tidied()
    for path in sorted(owner.raw("x").parent.glob("*.duckdb")):
        try:
            with lock(owner, f"extract-{path.stem}", PURPOSE):
                done.versions += _fold(owner, path.stem, keep.raw_days)
                done.files += _leftovers(owner, path.stem)
        except LockHeld as held:
            done.busy.append(str(held))
    done.files += _published(owner, keep.published)
    done.rows += _results(owner, keep.history_days)
    return done


def tidy_store(service: Owner, keep: Keep) -> int:
    """Rows of the service's store that are older than the history that is kept."""
    from pipelines.state.database import open_state
    from pipelines.state.old_rows import drop_of_service

    if not keep.history_days:
        return 0
    with open_state(service) as store:
        return drop_of_service(store, keep.history_days)


def _fold(owner: Owner, name: str, days: int) -> int:
    if not days:
        return 0
    from pipelines.extract.folding import fold

    return fold(owner, name, days)


def _leftovers(owner: Owner, name: str) -> int:
    """dlt's packages that were loaded, and spools of runs that were killed: older than a day, and nobody is at work."""
    pipeline = owner.dlt_dir / f"raw_{name}"
    old = [pipeline / "load" / "loaded", *owner.dlt_dir.glob(f"{name}.*")]
    gone = [path for path in old if path.exists() and time.time() - path.stat().st_mtime > DAY]
    for path in gone:
        shutil.rmtree(path, ignore_errors=True)
    return len(gone)


def _published(owner: Owner, keep: int) -> int:
    before = _count(owner.published_dir)
    if before > keep:
        from pipelines.publish.swap import prune

        prune(owner, keep)
    return before - _count(owner.published_dir)


def _count(folder: Path) -> int:
    return len(list(folder.glob("crm-*.duckdb")))


def _results(owner: Owner, days: int) -> int:
    from pipelines.state.database import open_state
    from pipelines.state.old_rows import drop_of_owner

    if not days:
        return 0
    with open_state(owner) as state:
        return drop_of_owner(state, days)
