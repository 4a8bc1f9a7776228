"""From the user store into the warehouse: after a sync that changed something, a run of the organisation's owner.

An organisation that the operator has named (`WRAPPER_ORG_CODE`, or a connection of `.dlt/config.toml`) flows to the
owner that was named with it; any other is an owner of its own, whom no token can be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.connections.errors import SettingsError
from pipelines.connections.owner import SERVICE_OWNER, Owner
from pipelines.connections.settings import connection_settings
from pipelines.mapping import language
from pipelines.mapping.problems import MappingErrors
from pipelines.service import jobs
from pipelines.service.connections import mappings_of
from pipelines.service.jobs import Job
from pipelines.service.owners import organisation_name
from pipelines.service.unified.freshness import unify_soon
from pipelines.service.users.sync import Outcome
from pipelines.state import organisations

if TYPE_CHECKING:
    from pipelines.service.context import Context

FLOW = "users_flow"
TABLE = "users"


def flow_on(context: Context, organisation: str, outcome: Outcome) -> None:
    """Has the users of an organisation read into the warehouse, if a sync changed any of them."""
    if outcome.count("created") or outcome.count("updated") or outcome.deactivated:
        jobs.submit(context, SERVICE_OWNER, FLOW, [], {"organisation": organisation})


def place_of(context: Context, organisation: str) -> tuple[Owner, str] | None:
    """The owner and the connection that read an organisation's users; None: no mapping reads users."""
    readers = {name for name, mapping in mappings_of(context).items() if _reads_users(mapping)}
    named = {
        name: said.owner or context.settings.default_owner
        for name, said in connection_settings(context.project).items()
        if (said.mapping or name) in readers
    }
    for name, owner in {**dict.fromkeys(sorted(readers), context.settings.default_owner), **named}.items():
        try:
            found = context.connections(owner, name)
        except (SettingsError, MappingErrors):
            continue
        if found.wire.path == organisation:
            return found.owner, name
    own = min(readers, default=None)
    return None if own is None else (context.owner(organisation_name(organisation)), own)


def _reads_users(mapping: language.Mapping) -> bool:
    is_of_service = mapping.connection.kind == "table" and mapping.connection.path is not None
    return is_of_service and any(entity.extract.path == TABLE for entity in mapping.entities.values())


def _flow(context: Context, job: Job) -> dict[str, Any]:
    organisation = str(job.params["organisation"])
    found = place_of(context, organisation)
    if found is None:
        return {}
    owner, name = found
    if owner.name == organisation_name(organisation):
        organisations.note(context.state_of(owner), organisation)
    unify_soon(context, owner.name, name, needs_reading=True)
    return {"owner": owner.name, "connection": name}


jobs.register(FLOW, _flow)
