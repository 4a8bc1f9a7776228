"""Access tokens of this process, kept for their lifetime, so that each is asked for once."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field

EARLY_SHARE, EARLY_MOST = 0.1, 60.0


@dataclass(frozen=True)
class Token:
    """An access token; `expires_at` is monotonic seconds, `base_url` the host that serves this account, if said."""

    value: str = field(repr=False)
    expires_at: float
    lifetime: float
    base_url: str | None = None

    @property
    def is_fresh(self) -> bool:
        """False shortly before it expires, so that a call in flight does not outlive it."""
        return time.monotonic() < self.expires_at - min(EARLY_MOST, self.lifetime * EARLY_SHARE)


class TokenStore:
    """Tokens by what they were asked for with; the key is a hash and gives no secret away."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self._lock = threading.Lock()

    @staticmethod
    def key(*asked_with: str) -> str:
        """A name for the credentials."""
        return hashlib.sha256("\x1f".join(asked_with).encode()).hexdigest()

    def get(self, key: str) -> Token | None:
        """The token, if it is fresh."""
        with self._lock:
            token = self._tokens.get(key)
        return token if token is not None and token.is_fresh else None

    def put(self, key: str, token: Token) -> None:
        """Keeps a token."""
        with self._lock:
            self._tokens[key] = token

    def forget(self, key: str, value: str) -> None:
        """Drops a token if it is still the one that was refused."""
        with self._lock:
            found = self._tokens.get(key)
            if found is not None and found.value == value:
                del self._tokens[key]


shared_tokens = TokenStore()
