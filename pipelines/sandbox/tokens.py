"""Access tokens that a CRM handed out. They live in memory: after a restart every client logs in again."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from pipelines.sandbox.clock import Clock


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token stands for: whose it is and until when (the CRM's clock) it holds."""

    client: str
    until: float


class Tokens:
    """Hands out tokens and tells whether one still holds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._grants: dict[str, Grant] = {}

    def issue(self, client: str, lifetime: float) -> str:
        """Returns a new token that holds for `lifetime` seconds."""
        token = secrets.token_urlsafe(24)
        self._grants[token] = Grant(client, self._clock.now() + lifetime)
        return token

    def grant(self, token: str) -> Grant | None:
        """Returns what the token stands for, None when it is unknown, withdrawn or too old."""
        grant = self._grants.get(token)
        return grant if grant and grant.until > self._clock.now() else None

    def withdraw_all(self) -> None:
        """Makes every token handed out so far worthless."""
        self._grants.clear()
