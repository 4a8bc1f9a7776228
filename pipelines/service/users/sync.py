"""A whole sync: entries in batches, repeated where a lock or a lost connection undid one; then who is not there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import sqlalchemy as sa
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from pipelines.service.users import batch
from pipelines.service.users.entries import Entry, Result
from pipelines.state.database import State, now_us
from pipelines.state.service_tables import tenants, users

BATCH = 100
TRIES = 6
PASSING = ("08", "40001", "40P01", "53", "55P03", "57P")
"""PostgreSQL's codes for what may go well the next time: connections, serialisation, deadlocks, resources, locks."""
Contract = Literal["admin", "internal"]
T = TypeVar("T")

_at_work: dict[str, threading.Lock] = {}


@dataclass(frozen=True)
class Tenant:
    """An organisation. Only `id` is sure; the second contract tells the rest."""

    id: str
    name: str | None = None
    subdomain: str | None = None
    kinde_org_id: str | None = None


@dataclass
class Outcome:
    """What a sync came to: one result per entry, and who is inactive for being absent (external ids, or addresses)."""

    results: list[Result] = field(default_factory=list)
    deactivated: list[str] = field(default_factory=list)

    def all_deactivated(self) -> list[str]:
        """Everybody whom this sync made inactive, by their own entry or by being absent."""
        by_entry = [r.entry.external_id or r.entry.email or "" for r in self.results if r.was_deactivated]
        return [*by_entry, *self.deactivated]

    def count(self, status: str) -> int:
        """How many entries have this status."""
        return sum(result.status == status for result in self.results)


def sync(
    store: State, tenant: Tenant, entries: Sequence[Entry], contract: Contract, *, reconcile: bool = False
) -> Outcome:
    """Stores the users of a request.

    Args:
        store: the service's store.
        tenant: whose users they are.
        entries: in the request's order.
        contract: which one is writing.
        reconcile: make every active user of the organisation who is not among the entries inactive.

    Raises:
        OperationalError: the store cannot be reached, also after repetition; batches before that are stored.
    """
    with _at_work.setdefault(tenant.id, threading.Lock()):
        _patiently(lambda: _note_tenant(store, tenant))
        outcome = Outcome()
        for start in range(0, len(entries), BATCH):
            outcome.results += _write(store, tenant.id, entries[start : start + BATCH], contract)
        if reconcile:
            outcome.deactivated = _deactivate_others(store, tenant.id, entries, outcome.results, contract)
        return outcome


def _note_tenant(store: State, tenant: Tenant) -> None:
    told = {"name": tenant.name, "subdomain": tenant.subdomain, "kinde_org_id": tenant.kinde_org_id}
    known = {key: value for key, value in told.items() if value is not None}
    with store.write(durable=False) as connection:
        found = connection.execute(sa.select(tenants).where(tenants.c.id == tenant.id)).mappings().first()
        if found is None:
            connection.execute(sa.insert(tenants).values(**{"id": tenant.id, "name": tenant.id} | known))
        elif any(found[key] != value for key, value in known.items()):
            connection.execute(sa.update(tenants).where(tenants.c.id == tenant.id).values(**known))


def _write(store: State, organisation: str, entries: Sequence[Entry], contract: Contract) -> list[Result]:
    writing = batch.Writing(organisation, contract, now_us())

    def attempt() -> list[Result]:
        try:
            with store.write(durable=False) as connection:
                return batch.write(connection, writing, entries)
        except sa.exc.IntegrityError:
            with store.write(durable=False) as connection:
                return batch.write_one_by_one(connection, writing, entries)

    return _patiently(attempt)


def _deactivate_others(
    store: State, organisation: str, entries: Sequence[Entry], results: Sequence[Result], contract: Contract
) -> list[str]:
    stored = {result.crm_user_id for result in results}
    external_ids = {entry.external_id for entry in entries}
    emails = {entry.email_key for entry in entries}
    c = users.c
    active = sa.select(c.id, c.external_id, c.email, c.email_key).where(c.tenant_id == organisation, c.is_active)
    with store.read() as connection:
        found = connection.execute(active).all()
    # who is in the request and failed stays as they are, by whichever way they are named there
    gone = [u for u in found if not (u.id in stored or u.external_id in external_ids or u.email_key in emails)]
    for start in range(0, len(gone), BATCH):
        ids = [user.id for user in gone[start : start + BATCH]]
        _patiently(lambda ids=ids: _deactivate(store, ids, contract))  # type: ignore[misc]
    return [user.external_id or user.email for user in gone]


def _deactivate(store: State, ids: list[str], contract: Contract) -> None:
    written = {"is_active": False, "updated_at": now_us(), "synced_from": contract}
    with store.write(durable=False) as connection:
        connection.execute(sa.update(users).where(users.c.id.in_(ids)).values(**written))


def _patiently(action: Callable[[], T]) -> T:
    """Repeats what a lock or a lost connection undid."""
    retrying = Retrying(
        retry=retry_if_exception(_is_passing), stop=stop_after_attempt(TRIES), wait=wait_random_exponential(0.05, 2),
        reraise=True,
    )  # fmt: skip
    return retrying(action)


def _is_passing(error: BaseException) -> bool:
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlstate", None)
    if code is not None:
        return str(code).startswith(PASSING)
    return isinstance(error, sa.exc.OperationalError) and any(word in str(error.orig) for word in ("locked", "busy"))
