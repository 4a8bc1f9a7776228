"""Makes anew all that is derived from an owner's raw logs and state: after erasing, after a restore."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipelines.commands.exits import Exit, worst
from pipelines.commands.report import Report
from pipelines.commands.session import Session
from pipelines.connections.connection import Connection
from pipelines.connections.owner import Owner
from pipelines.connections.project import Project
from pipelines.connections.resolve import SANDBOX_OWNER
from pipelines.mapping.load import load_schemas

if TYPE_CHECKING:
    from pipelines.state.database import State

STAGES = frozenset({"staging", "unify", "check", "publish"})


def connections_made_by_users(project: Project, owner: Owner, state: State) -> Mapping[str, Connection]:
    """Those made over the API, without credentials: only their raw logs are looked at."""
    from pipelines.commands.owned import made_by_users, unopened

    schemas = load_schemas(project.schemas)
    return {name: unopened(kept, project, owner, schemas) for name, kept in made_by_users(state).items()}


def derive_anew(project: Project, owner: Owner, state: State) -> tuple[Report, Exit]:
    """From raw logs and state to a published file, with nothing taken over from what was derived before.

    No guard against growth or shrinking: the caller knows what they did.
    """
    from pipelines.check.process import start_worker
    from pipelines.commands.transforming import Transforming
    from pipelines.state import runs

    report = Report(runs.new_run_id(), owner.name, owner.name == SANDBOX_OWNER)
    others = dict(connections_made_by_users(project, owner, state))
    session = Session(project, load_schemas(project.schemas), [], owner, report.sandbox, others=others)
    drop_derived(owner)
    runs.start(state, [], report.run_id)
    Transforming(session, state, report, STAGES, start_worker, check_growth=False, anew=True).run()
    code = worst(report.exit_codes)
    runs.finish(state, report.run_id, int(code), {"messages": report.messages})
    return report, code


def drop_derived(owner: Owner) -> None:
    """Removes warehouse, candidate, Data Docs and the note of rest; what is published stays."""
    for path in (owner.warehouse, owner.candidate, owner.root / "at_rest.json"):
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
    shutil.rmtree(owner.docs_dir, ignore_errors=True)


def drop_published(owner: Owner, *, but_current: bool) -> None:
    """Removes published files and their search indexes, all or all but the one that is open to analysts."""
    current = owner.crm.resolve() if but_current and owner.crm.exists() else None
    if current is None:
        owner.crm.unlink(missing_ok=True)
    for path in owner.published_dir.glob("*"):
        if current is None or path.resolve() != current:
            path.unlink(missing_ok=True)
