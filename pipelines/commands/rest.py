"""Rest: what a run leaves behind when nothing is left to do, so that the next one need not find it out again.

The note is taken away before anything is read, and put back only by a run that found nothing new. A run that is killed,
or that brings something in and ends early, leaves none, and the next run looks at everything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pipelines
from pipelines.commands.report import Report, Row
from pipelines.commands.session import Session
from pipelines.connections.owner import Owner

if TYPE_CHECKING:
    from pipelines.state.database import State

READ = "extract"


def take(owner: Owner) -> dict[str, Any] | None:
    """The note that the last run left, which is gone from now on; None where there is none."""
    path = _path(owner)
    _disturbance(owner).unlink(missing_ok=True)
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
    except (OSError, ValueError):
        return None
    return dict(note) if isinstance(note, dict) else None


def leave(owner: Owner, stamp: str, rows: list[Row]) -> None:
    """Says that everything was done as of the stamp, and what the later stages counted.

    Where something came into a raw log beside the run, nothing is said: the run may have missed it.
    """
    if _disturbance(owner).exists():
        return
    kept = [_rested(row) for row in rows if row.stage not in (READ, "check", "publish", "push")]
    _path(owner).write_text(json.dumps({"stamp": stamp, "rows": kept}), encoding="utf-8")


def disturb(owner: Owner) -> None:
    """Something comes into a raw log outside a run; to be said before it comes and once it is there."""
    _disturbance(owner).touch()
    _path(owner).unlink(missing_ok=True)


def _rested(row: Row) -> dict[str, Any]:
    """What the row says once more when nothing has happened since: all of it is unchanged."""
    still = row.unified if row.unified is not None else (row.unchanged or 0) + (row.changed or 0)
    none = {name: 0 for name in ("new", "changed") if getattr(row, name) is not None}
    return asdict(row) | none | {"unchanged": still, "seconds": 0.0}


def is_reached(report: Report, state: State) -> bool:
    """Whether this run leaves nothing to do: all came through, nothing planned, nothing waiting to be tried again."""
    from pipelines.state import intents

    is_done = not report.exit_codes and not any(row.planned or row.pushed or row.failed for row in report.rows)
    return is_done and not intents.failures(state)


def brought_nothing(report: Report) -> bool:
    """Whether the reading found the CRMs as they were."""
    reads = [row for row in report.rows if row.stage == READ]
    return bool(reads) and not report.exit_codes and not any(r.new or r.changed or r.deleted for r in reads)


def stamp_of(session: Session, state: State, asked: object) -> str:
    """One word for all that a run's outcome depends on, but the CRMs' answers: equal words, equal outcome.

    The program, mappings, schemas and settings; what operators said (their stamps, pauses, records never synced); the
    warehouse, what is published, and the raw logs of connections that are not read now.
    """
    from pipelines.state import controls, stamps

    digest = hashlib.sha256(repr(asked).encode())
    home = Path(pipelines.__file__).parent
    root, owner = session.project, session.owner
    asked_for = {connection.name for connection in session.connections}
    others = [p for p in owner.raw("x").parent.glob("*.duckdb") if p.stem not in asked_for]
    files = [*home.rglob("*.py"), *home.rglob("*.sql"), *home.rglob("*.yml"), *others, owner.warehouse, root.config]
    for path in sorted([*files, *root.mappings.glob("*.yml"), *root.schemas.glob("*.yml")]):
        digest.update("|".join(map(str, _sign(path))).encode())
    digest.update(str(owner.crm.resolve()).encode())
    digest.update(json.dumps(stamps.all_of(state), sort_keys=True).encode())
    held = [(c.name, controls.paused(state, c.name)) for c in session.connections]
    digest.update(json.dumps([held, controls.all_never_synced(state)], default=str).encode())
    return digest.hexdigest()


def _sign(path: Path) -> Iterator[object]:
    yield path.name
    if path.exists():
        at = path.stat()
        yield from (at.st_size, at.st_mtime_ns)


def _path(owner: Owner) -> Path:
    return owner.root / "at_rest.json"


def _disturbance(owner: Owner) -> Path:
    return owner.root / "disturbed"
