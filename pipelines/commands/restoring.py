"""From a backup to data again: checked as a whole before anything is touched, swapped in owner by owner."""

from __future__ import annotations

import json
import os
import re
import tarfile
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.commands.backing_up import FORMAT, MANIFEST, digest
from pipelines.commands.exits import Exit, Stop
from pipelines.commands.forgetting_again import forget_again
from pipelines.connections.locks import lock
from pipelines.connections.owner import SERVICE_OWNER, Owner
from pipelines.connections.project import Project
from pipelines.state.copying import has_rows, load
from pipelines.state.database import move_aside, open_state

_NAME = re.compile(
    r"owners/(?P<owner>[A-Za-z0-9_][A-Za-z0-9_.@-]*)/(state\.sqlite|raw/[A-Za-z0-9_.-]+|published/[A-Za-z0-9_.-]+)"
    r"|project/(config\.toml|(mappings|schemas)/[A-Za-z0-9_.-]+)"
)


@dataclass(frozen=True)
class Restored:
    """Who came back, and how many records of the backup were left out because they were forgotten since."""

    owners: list[str]
    forgotten: int


def restore(project: Project, source: Path, *, force: bool = False) -> Restored:
    """Puts every owner of a backup back; who was forgotten since it was made is forgotten in it, too.

    Mappings, schemas and settings of the backup are not put back: they are the project's, and are in the file for who
    needs them. The warehouse is made anew by the next run.

    Args:
        project: where the data goes.
        source: the backup.
        force: owners that have data now are moved aside, not lost.

    Raises:
        Stop: the file is no whole backup, is of a newer program, or owners have data.
        LockHeld: the service runs on this data.
    """
    with lock(Owner(SERVICE_OWNER, project.data_dir), "serve", "restoring a backup"):
        project.data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=project.data_dir, prefix=".restore-") as temporary:
            folder = Path(temporary)
            said = _unpacked(source, folder)
            owners = [Owner(str(name), project.data_dir) for name in said["owners"]]
            if not force:
                _refuse_taken(owners)
            forgotten_again = forget_again(owners, folder / "owners")
            for owner in owners:
                _put_back(owner, folder / "owners" / owner.name)
    return Restored([owner.name for owner in owners], forgotten_again)


def _unpacked(source: Path, folder: Path) -> dict[str, Any]:
    """The files of the backup below `folder`, each as its manifest says."""
    from pipelines.state import version

    try:
        with tarfile.open(source, "r:gz") as archive:
            first = archive.next()
            file = archive.extractfile(first) if first is not None and first.name == MANIFEST else None
            said = dict(json.load(file)) if file is not None else {}
            if said.get("format") != FORMAT:
                raise Stop(Exit.WRONG_SETTINGS, f"{source}: is no backup of this program")
            if said["state_version"] > version.head():
                raise Stop(Exit.WRONG_SETTINGS, f"{source}: was made by a newer program; update this one first")
            _unpack(archive, said["files"], folder)
    except (OSError, tarfile.TarError, EOFError, ValueError, KeyError) as problem:
        raise Stop(Exit.WRONG_SETTINGS, f"{source}: cannot be read as a backup: {type(problem).__name__}") from None
    lacking = [name for name, wanted in said["files"].items() if _digest(folder / name) != wanted]
    if lacking:
        raise Stop(Exit.WRONG_SETTINGS, f"{source}: damaged: {', '.join(lacking[:5])}")
    return said


def _unpack(archive: tarfile.TarFile, files: dict[str, str], folder: Path) -> None:
    for member in archive:
        if member.name not in files:
            continue
        content = archive.extractfile(member)
        if not _NAME.fullmatch(member.name) or ".." in member.name or not member.isreg() or content is None:
            raise Stop(Exit.WRONG_SETTINGS, f"the backup holds {member.name!r}, which no backup does")
        target = folder / member.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            while part := content.read(1 << 20):
                file.write(part)


def _digest(path: Path) -> str:
    return digest(path) if path.is_file() else ""


def _refuse_taken(owners: list[Owner]) -> None:
    taken = [owner.name for owner in owners if owner.raw("x").parent.is_dir() or _has_state(owner)]
    if taken:
        said = f"{', '.join(taken)} have data; --force moves it aside and puts the backup in its place"
        raise Stop(Exit.WRONG_SETTINGS, said)


def _has_state(owner: Owner) -> bool:
    if not os.environ.get("DATABASE_URL", "").strip():
        return owner.state.exists()
    with open_state(owner) as state:
        return has_rows(state)


def _put_back(owner: Owner, folder: Path) -> None:
    """The owner as they were; what is there now is moved aside."""
    moment = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    is_in_database = bool(os.environ.get("DATABASE_URL", "").strip())
    if is_in_database and _has_state(owner):
        move_aside(owner, moment)
    if owner.name != SERVICE_OWNER and owner.root.exists() and any(owner.root.iterdir()):
        owner.root.rename(owner.root.with_name(f".{owner.name}.before-{moment}"))
    owner.root.mkdir(parents=True, exist_ok=True)
    state = folder / "state.sqlite"
    if is_in_database:
        with open_state(owner) as opened:
            load(state, opened)
    else:
        for log in owner.root.glob("state.sqlite*"):
            log.rename(owner.root / f"{log.name}.before-restore")
        state.rename(owner.state)
    if (folder / "raw").is_dir():
        (folder / "raw").rename(owner.raw("x").parent)
    if (folder / "published").is_dir():
        (folder / "published").rename(owner.published_dir)
        current = next(owner.published_dir.glob("*.duckdb"))
        current.chmod(0o444)
        owner.crm.symlink_to(os.path.relpath(current, owner.crm.parent))
