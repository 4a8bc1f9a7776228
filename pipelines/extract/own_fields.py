"""An office's own fields: asked for by name where a CRM sends nothing else, so that `custom` and coverage know them."""

from __future__ import annotations

from typing import Any

from requests.exceptions import RequestException

from pipelines.extract.job import Job
from pipelines.extract.shape import select
from pipelines.mapping.language import Entity, OwnFields
from pipelines.mapping.wanted import wanted_fields
from pipelines.wire.errors import CrmError


def with_own_fields(job: Job) -> tuple[Entity, str | None]:
    """The job's entity with the CRM's own fields among those that are asked for, and what kept us from asking.

    A login that may not see the list of fields reads what the mapping names.
    """
    entity, own = job.entity, job.entity.extract.own_fields
    if own is None:
        return entity, None
    try:
        listed = _listed(job, own)
    except CrmError:
        return entity, None  # the read itself meets the same, and says it
    except (RequestException, ValueError) as problem:
        status = getattr(getattr(problem, "response", None), "status_code", None)
        why = f"status {status}" if status else type(problem).__name__
        return entity, f"own fields of {job.name} could not be asked for ({why}); the mapping's are read"
    known = wanted_fields(entity, entity.extract)
    more = [name for name in listed if name not in known][: max(0, own.most - len(known))]
    extract = entity.extract.model_copy(update={"also_fields": [*entity.extract.also_fields, *more]})
    return entity.model_copy(update={"extract": extract}), None


def _listed(job: Job, own: OwnFields) -> list[str]:
    """Names of the fields that are an office's own."""
    response = job.wire.ask(own.request)
    response.raise_for_status()
    found, fields = select(response.json(), own.request.data_selector)
    rows = fields if found and isinstance(fields, list) else []
    return [str(select(row, own.name)[1]) for row in rows if _is_own(row, own)]


def _is_own(row: Any, own: OwnFields) -> bool:
    return bool(select(row, own.name)[1]) and all(select(row, path)[1] in wanted for path, wanted in own.when.items())
