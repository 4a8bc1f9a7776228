"""The sync log: a row for every call, accepted or refused, with how long it took. No key or token ever is in it."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from pipelines.service.users.sync import Outcome
from pipelines.state.database import State, now_us
from pipelines.state.service_tables import sync_logs

logger = logging.getLogger("crosswalk.service")
LONGEST = 200


@dataclass
class Call:
    """One call, from its arrival on.

    Attributes:
        operation: user_sync, or what the caller named it.
        source: who called, as they say, or by which contract.
        tenant: the organisation, once it is known.
    """

    operation: str
    source: str
    tenant: str | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def duration_ms(self) -> int:
        """Milliseconds since the call came in."""
        return round((time.monotonic() - self.began) * 1000)

    def done(self, store: State, outcome: Outcome, **details: Any) -> None:
        """Notes a sync that ran; what its users' transactions left in memory is on disk when this returns."""
        failed = outcome.count("failed")
        status = "success" if not failed else "partial" if failed < len(outcome.results) else "failed"
        told: dict[str, Any] = dict(details)
        if deactivated := outcome.all_deactivated():
            told["deactivated"] = deactivated
        if failed:
            told["errors"] = [
                {"user": r.entry.external_id or r.entry.email, "error": r.error}
                for r in outcome.results
                if r.status == "failed"
            ]
        counts = (len(outcome.results), len(outcome.results) - failed, failed, len(deactivated))
        self._write(store, status, told, counts)

    def refused(self, store: State, status: int, reason: str, *, total: int = 0) -> None:
        """Notes a call that was refused or that failed, by the HTTP status of its answer.

        A store that cannot be written is the log's own failure; the caller gets the answer they would have got.
        """
        try:
            word = "error" if status >= 500 and status != 503 else "refused"
            self._write(store, word, {"http_status": status, "error": reason}, (total, 0, 0, 0))
        except sa.exc.SQLAlchemyError:
            logger.exception("a refused sync could not be logged")

    def accepted(self, store: State, total: int, job_id: str) -> None:
        """Notes a call that is to be worked on later; its outcome leaves a row of its own."""
        self._write(store, "accepted", {"job": job_id}, (total, 0, 0, 0))

    def _write(self, store: State, status: str, details: dict[str, Any], counts: tuple[int, int, int, int]) -> None:
        total, successful, failed, deactivated = counts
        row = {
            "tenant_id": _short(self.tenant), "operation": _short(self.operation), "total_users": total,
            "successful": successful, "failed": failed, "deactivated": deactivated, "source": _short(self.source),
            "duration_ms": self.duration_ms, "status": status, "details": json.dumps(details), "synced_at": now_us(),
        }  # fmt: skip
        with store.write() as connection:
            connection.execute(sa.insert(sync_logs).values(**row))


def _short(text: str | None) -> str | None:
    """What a stranger sent, at a length that does no harm."""
    return None if text is None else text.replace("\x00", "")[:LONGEST]
