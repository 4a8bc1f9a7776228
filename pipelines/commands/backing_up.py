"""Backups: one file that holds all that cannot be derived, and what analysts open; and the way back.

State (a consistent copy, from SQLite or PostgreSQL), raw logs, the file that is published, mappings, schemas and
settings. Not in it: the warehouse (derived), `.dlt/secrets.toml`, ENCRYPTION_KEY: without that key the credentials in
the state cannot be read, so keep it elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipelines.commands.exits import Exit, Stop
from pipelines.commands.owners import owners_in
from pipelines.connections.locks import lock
from pipelines.connections.owner import SERVICE_OWNER, Owner
from pipelines.connections.project import Project

FORMAT = 1
MANIFEST = "manifest.json"
WAIT_SECONDS = 600.0
PURPOSE = "backing up"


@dataclass(frozen=True)
class BackedUp:
    """What a backup holds. `size`: bytes of the file."""

    path: Path
    owners: list[str]
    files: int
    size: int


def owners_of(project: Project) -> list[Owner]:
    """Everybody who has a folder with data, the service itself last."""
    return sorted(owners_in(project.data_dir), key=lambda owner: (owner.name == SERVICE_OWNER, owner.name))


def backup(project: Project, target: Path) -> BackedUp:
    """Writes a backup of everybody; it is at `target` only once it is whole.

    Raises:
        LockHeld: a run goes on for longer than ten minutes.
        Stop: there is nothing to back up.
    """
    owners = owners_of(project)
    if not owners:
        raise Stop(Exit.WRONG_SETTINGS, f"nothing to back up: no owner has data in {project.data_dir}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as temporary:
        folder = Path(temporary) / "content"
        for owner in owners:
            _copy_owner(owner, folder / "owners" / owner.name)
        _copy_project(project, folder / "project")
        files = _manifest(folder, owners)
        fresh = Path(temporary) / "backup.tar.gz"
        with open(fresh, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as raw:
            with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=3) as archive:
                archive.add(folder / MANIFEST, MANIFEST)
                for name in files:
                    archive.add(folder / name, name)
            raw.flush()
            os.fsync(raw.fileno())
        fresh.replace(target)
    return BackedUp(target, [owner.name for owner in owners], len(files), target.stat().st_size)


def _copy_owner(owner: Owner, folder: Path) -> None:
    """State, raw logs and the published file, while nobody writes them."""
    from pipelines.state.copying import dump
    from pipelines.state.database import open_state

    names = sorted(path.stem for path in owner.raw("x").parent.glob("*.duckdb"))
    with ExitStack() as held:
        for name in [*(f"extract-{n}" for n in names), *(f"push-{n}" for n in names), "warehouse"]:
            held.enter_context(lock(owner, name, PURPOSE, wait_seconds=WAIT_SECONDS))
        with open_state(owner) as state:
            dump(state, folder / "state.sqlite")
        for name in names:
            _copy(owner.raw(name), folder / "raw" / owner.raw(name).name)
        if owner.crm.exists():
            current = owner.crm.resolve()
            _copy(current, folder / "published" / current.name)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    log = source.with_name(f"{source.name}.wal")
    if log.exists():
        shutil.copyfile(log, target.with_name(log.name))


def _copy_project(project: Project, folder: Path) -> None:
    for kind in (project.mappings, project.schemas):
        for path in sorted(kind.glob("*.yml")):
            _copy(path, folder / kind.name / path.name)
    if project.config.exists():
        _copy(project.config, folder / "config.toml")


def _manifest(folder: Path, owners: list[Owner]) -> dict[str, str]:
    from pipelines.state import version

    files = {path.relative_to(folder).as_posix(): digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    said = {
        "format": FORMAT, "made_at": datetime.now(UTC).isoformat(timespec="seconds"), "state_version": version.head(),
        "owners": [owner.name for owner in owners], "files": files,
    }  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps(said, indent=1), encoding="utf-8")
    return files


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
