"""The swap: `crm.duckdb` points to the old good file, and an instant later to the new one; never to anything else.

A process killed at any instant leaves one of the two. Readers that hold the old file go on, since a file that is open
outlives its name; the last few stay in `published/` in any case.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pipelines.connections.owner import Owner

KEEP = 3
READ_ONLY = 0o444


def publish(owner: Owner, candidate: Path, run_id: str, *, keep: int = KEEP) -> Path:
    """Make a checked candidate what `crm.duckdb` opens. The caller holds the owner's lock.

    Args:
        owner: whose data.
        candidate: a closed DuckDB file in the owner's folder; it is moved.
        run_id: names the published file; sorts by time.
        keep: how many published files stay, the newest included.

    Returns:
        published/crm-<run_id>.duckdb.

    Raises:
        OSError: the disk is full or read-only; what was published stays.
        ValueError: the candidate has a write-ahead log, so it was not closed.
    """
    if candidate.with_name(candidate.name + ".wal").exists():
        raise ValueError(f"{candidate.name} was not closed: it still has a write-ahead log")
    target = owner.published_dir / f"crm-{run_id}.duckdb"
    target.parent.mkdir(parents=True, exist_ok=True)
    _to_disk(candidate)
    # Read-only, so that nobody who opens it carelessly locks the other readers out or changes it.
    candidate.chmod(READ_ONLY)
    candidate.replace(target)
    _to_disk(target.parent)
    _point(owner.crm, target)
    prune(owner, keep)
    return target


def last_candidate(owner: Owner) -> Path | None:
    """The file that was checked last: a candidate that failed, or else what is published; None: there is neither."""
    if owner.candidate.exists():
        return owner.candidate
    return owner.crm.resolve() if owner.crm.exists() else None


def _point(link: Path, target: Path) -> None:
    """Swap what `link` opens: by a symbolic link, or a copy on file systems that have none."""
    new = link.with_name(f".{link.name}.new")
    new.unlink(missing_ok=True)
    try:
        new.symlink_to(os.path.relpath(target, link.parent))
    except (OSError, RuntimeError):  # a system without them raises a kind of RuntimeError
        shutil.copyfile(target, new)
        _to_disk(new)
    new.replace(link)
    _to_disk(link.parent)


def _to_disk(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def prune(owner: Owner, keep: int) -> None:
    """Remove all but the newest `keep` files; never the one that is open to analysts."""
    current = owner.crm.resolve()
    for old in list(_newest_first(owner.published_dir))[keep:]:
        if old.resolve() != current:
            old.unlink(missing_ok=True)


def _newest_first(folder: Path) -> Iterator[Path]:
    return iter(sorted(folder.glob("crm-*.duckdb"), key=lambda f: (f.stat().st_mtime_ns, f.name), reverse=True))
