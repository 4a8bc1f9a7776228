"""Calls to an address that a user named: each goes only where the operator allows it, whichever thread makes it."""

from __future__ import annotations

from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from pipelines.connections.addresses import Allowed, guarded


class GuardedAdapter(HTTPAdapter):
    """Carries the bytes of one connection."""

    def __init__(self, allowed: Allowed, at_once: int) -> None:
        super().__init__(pool_connections=4, pool_maxsize=max(10, at_once * 2))
        self._allowed = allowed

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """One attempt.

        Raises:
            PrivateAddress: it leads into a private network.
        """
        with guarded(self._allowed):
            return super().send(request, *args, **kwargs)
