"""Erases a person: raw history, warehouse, ledger, published files, search, webhooks; what stays is a keyed hash.

It bears a kill at any moment: a note says who is being forgotten until all that is derived was made anew without them;
the next call, for whomever, brings it to its end.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.commands import deriving, rest
from pipelines.commands.exits import Exit, Stop
from pipelines.commands.mentions import mentions
from pipelines.commands.owners import service_in
from pipelines.connections.locks import lock
from pipelines.connections.owner import Owner
from pipelines.connections.project import Project
from pipelines.mapping.load import load_schemas

if TYPE_CHECKING:
    from pipelines.state.database import State
    from pipelines.state.erasing import Person

WAIT_SECONDS = 120.0
PURPOSE = "forgetting a person"


@dataclass(frozen=True)
class Forgotten:
    """What was erased: source records by connection, versions of them, rows of the state.

    `mentions`: other records that still speak of the person, `<connection>:<entity>/<id>`.
    """

    golden_ids: list[str]
    records: list[str]
    versions: int
    rows: int
    messages: list[str]
    mentions: list[str]
    code: Exit


def forget(project: Project, owner: Owner, which: str, entity: str = "contacts") -> Forgotten:
    """Erases one person of an owner.

    Args:
        project: where mappings and schemas are.
        owner: whose data.
        which: a golden id, a former one, or a record key (`<connection>:<id at the CRM>`).
        entity: contacts, or another canonical entity.

    Raises:
        Stop: nobody is meant by it.
        LockHeld: a run is at work for longer than two minutes.
    """
    from pipelines.service.search.build import refresh
    from pipelines.state.database import open_state
    from pipelines.state.erasing import find

    with open_state(owner) as state:
        begun = _read_note(owner)  # one that was killed is brought to its end, whoever is meant now
        person = find(state, entity, which)
        if person is None and (begun is None or not _means(begun, which)):
            said = f"owner {owner.name} has no {entity} {which!r}; give an id of unified.{entity}, or <connection>:<id>"
            raise Stop(Exit.WRONG_SETTINGS, said)
        everybody = [one for one in (begun, person) if one is not None]
        versions, rows = _erase(project, owner, state, everybody)
        gone = {f"{name}:{one.entity}/{source_id}" for one in everybody for name, source_id in one.records}
        mentioned = [record for record in _mentioned(owner) if record not in gone]
        report, code = deriving.derive_anew(project, owner, state)
        deriving.drop_published(owner, but_current=code is Exit.DONE)
    refresh(owner)
    _note(owner).unlink(missing_ok=True)
    messages = list(report.messages)
    if code is not Exit.DONE:
        messages.append("what was published held the person, so it was removed; the next good run publishes again")
    ids, keys = {i for one in everybody for i in one.golden_ids}, {k for one in everybody for k in one.record_keys}
    return Forgotten(sorted(ids), sorted(keys), versions, rows, messages, mentioned, code)


def _erase(project: Project, owner: Owner, state: State, people: list[Person]) -> tuple[int, int]:
    """Versions and rows that were deleted."""
    from pipelines.state.erasing import erase, forget_identity, remember

    versions = rows = 0
    with ExitStack() as held:
        for name in _at_work(owner, people):
            held.enter_context(lock(owner, name, PURPOSE, wait_seconds=WAIT_SECONDS))
        rest.disturb(owner)
        schemas = load_schemas(project.schemas)
        for person in people:
            _write_note(owner, person, [*_mentioned(owner), *mentions(owner, person, schemas[person.entity])])
            remember(state, person)
            versions += _erase_raw(owner, person)
            rows += erase(state, person) + _erase_webhooks(owner, person) + forget_identity(state, person)
    return versions, rows


def _note(owner: Owner) -> Path:
    return owner.root / "forgetting.json"


def _write_note(owner: Owner, person: Person, mentioned: list[str]) -> None:
    """Who is being forgotten, until it is done: after a kill nothing else knows which records they had."""
    said = {
        "entity": person.entity, "golden_ids": sorted(person.golden_ids), "records": sorted(person.records),
        "mentions": sorted(set(mentioned)),
    }  # fmt: skip
    with open(_note(owner), "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        json.dump(said, file)


def _noted(owner: Owner) -> dict[str, Any] | None:
    try:
        return dict(json.loads(_note(owner).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _mentioned(owner: Owner) -> list[str]:
    return [str(one) for one in (_noted(owner) or {}).get("mentions", [])]


def _read_note(owner: Owner) -> Person | None:
    from pipelines.state.erasing import Person

    said = _noted(owner)
    if said is None:
        return None
    records = frozenset((str(name), str(source_id)) for name, source_id in said["records"])
    return Person(said["entity"], frozenset(said["golden_ids"]), records)


def _means(person: Person, which: str) -> bool:
    return which in person.golden_ids or which in person.record_keys


def _at_work(owner: Owner, people: list[Person]) -> list[str]:
    """The locks of all that could write of them meanwhile, in one order for everybody."""
    read = {path.stem for path in owner.raw("x").parent.glob("*.duckdb")}
    names = sorted({connection for person in people for connection, _ in person.records} | read)
    return [*(f"extract-{name}" for name in names), *(f"push-{name}" for name in names)]


def _erase_raw(owner: Owner, person: Person) -> int:
    from pipelines.extract.erasing import erase_records

    names = sorted({connection for connection, _ in person.records})
    return sum(
        erase_records(owner, name, person.entity, [i for connection, i in sorted(person.records) if connection == name])
        for name in names
    )


def _erase_webhooks(owner: Owner, person: Person) -> int:
    from pipelines.state.database import open_state
    from pipelines.state.erasing import erase_webhooks

    service = service_in(owner.data_dir)
    if service is None:
        return 0
    with open_state(service) as store:
        return erase_webhooks(store, owner.name, person)
