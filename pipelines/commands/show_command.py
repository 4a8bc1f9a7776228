"""`crosswalk show`: connections, last runs, open failures, conflicts, and what is held back."""

from __future__ import annotations

import json
from typing import Any

import typer

from pipelines.commands.options import DataDir, Json
from pipelines.commands.owners import owners_with_state
from pipelines.connections.errors import NoCredentials, SettingsError
from pipelines.connections.locks import holder
from pipelines.connections.owner import Owner
from pipelines.connections.project import Project, find_project
from pipelines.connections.resolve import connection_names, resolve
from pipelines.mapping.problems import MappingErrors

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def show(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show which connections are set up, the last runs of every owner, and what failed and is still open."""
    project = find_project(data_dir=data_dir)
    facts = {
        "connections": [_connection(name, project) for name in connection_names(project)],
        "owners": [_owner(owner) for owner in owners_with_state(data_dir)],
    }
    if as_json:
        print(json.dumps(facts, default=str))
    else:
        _print(facts)


def _connection(name: str, project: Project) -> dict[str, str]:
    try:
        connection = resolve(name, project)
        state, owner = "configured", connection.owner.name
    except NoCredentials:
        state, owner = "no credentials: sandbox", "sandbox"
    except (SettingsError, MappingErrors) as problem:
        state, owner = str(problem).splitlines()[0], ""
    return {"connection": name, "state": state, "owner": owner}


def _owner(owner: Owner) -> dict[str, Any]:
    from pipelines.state import controls, intents, ledger, notices, runs, written
    from pipelines.state.database import open_state

    with open_state(owner) as state:
        last = runs.last(state, 5)
        failures, unsettled = intents.failures(state), written.unsettled(state)
        open_notices = notices.open_notices(state)
        conflicts = ledger.last_conflicts(state, 20)
        pilots = [{"connection": name, "says": one.says} for name, one in controls.all_pilots(state).items()]
        paused, never = controls.all_paused(state), controls.all_never_synced(state)
    at_work = holder(owner, "warehouse")
    return {
        "owner": owner.name,
        "published": owner.crm.resolve().name if owner.crm.exists() else None,
        "at_work": str(at_work) if at_work else None,
        "runs": [
            {k: run[k] for k in ("run_id", "status", "exit_code", "connections")} | {"seconds": _seconds(run)}
            for run in last
        ],
        "failures": failures,
        "unsettled": unsettled,
        "conflicts": conflicts,
        "paused": paused,
        "pilots": pilots,
        "never_synced": never,
        "notices": open_notices,
    }


def _seconds(run: dict[str, Any]) -> float | None:
    return round((run["finished_at"] - run["started_at"]) / 1e6, 1) if run["finished_at"] else None


def _print(facts: dict[str, Any]) -> None:
    for row in facts["connections"]:
        print(f"{row['connection']:<22} {row['state']}")
    for owner in facts["owners"]:
        print(f"\nowner {owner['owner']}: published {owner['published'] or 'nothing yet'}")
        if owner["at_work"]:
            print(f"  at work now: {owner['at_work']}")
        for run in owner["runs"]:
            has_ended = run["seconds"] is not None
            took = f"{run['status']:<7} exit {run['exit_code']} {run['seconds']} s" if has_ended else "has not ended"
            print(f"  {run['run_id']} {took} {', '.join(run['connections'])}")
        for name, number in owner["unsettled"].items():
            print(
                f"  {name}: {number} writes are not settled; those of an interrupted push are, by the next run or apply"
            )
        print(f"  open failures: {len(owner['failures']) or 'none'}")
        for failure in owner["failures"][:20]:
            print(f"    {failure['connection']} {failure['entity']} {failure['record_key']}: {failure['error']}")
        _print_held(owner)


def _print_held(owner: dict[str, Any]) -> None:
    """What people decided, and where both sides edited a field: the value that holds, and the one that does not."""
    for pause in owner["paused"]:
        print(f"  paused: {pause['connection']}: {pause['why']} ({pause['who']})")
    for pilot in owner["pilots"]:
        print(f"  {pilot['connection']}: {pilot['says']}")
    for one in owner["never_synced"]:
        print(f"  never synced: {one['connection']} {one['entity']} {one['source_id']}: {one['why']} ({one['who']})")
    for one in owner["conflicts"]:
        values = f"ours {one['ours'] or '(empty)'}, theirs {one['theirs'] or '(empty)'}"
        print(f"  conflict: {one['record_key']} {one['field']}: {values}; kept {one['kept']} (owner: {one['rule']})")
