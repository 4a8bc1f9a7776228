"""The plain kinds of credentials: a header, several headers, a parameter. They write what requests and httpx share."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import MutableMapping
from typing import Any

from requests.auth import AuthBase

Headers = MutableMapping[str, Any]


class Auth(AuthBase):
    """Writes headers or adds parameters; `apply` and `params` are what requests and httpx share."""

    params: dict[str, str] = {}  # noqa: RUF012 - replaced, never changed

    def bind(self, wire: Any) -> None:
        """Gives it the session by which it may ask for tokens."""

    @property
    def base_url(self) -> str | None:
        """The host that the login names; None where it names none."""
        return None

    def apply(self, headers: Headers) -> None:
        """Writes the credentials into a request's headers."""

    def renew(self, refused: str) -> bool:
        """Gets new credentials after the CRM refused these (the header's text); False where there are none."""
        del refused
        return False

    def __call__(self, request: Any) -> Any:
        """Signs a request of requests."""
        self.apply(request.headers)
        if self.params:
            request.prepare_url(request.url, self.params)

        def renew(again: Any) -> bool:
            if not self.renew(str(again.headers.get("Authorization", ""))):
                return False
            self.apply(again.headers)
            return True

        request.renew = renew
        return request


class Basic(Auth):
    """HTTP basic; a blank password is one, too.

    Source: RFC 7617; vendors' pages on authentication (doc): key as user name, blank password.
    """

    def __init__(self, username: str = "", password: str = "") -> None:
        self._value = "Basic " + b64encode(f"{username}:{password or ''}".encode()).decode()

    def apply(self, headers: Headers) -> None:
        """Writes `Authorization: Basic ...`."""
        headers["Authorization"] = self._value


class QueryKey(Auth):
    """A key in the query string; kept out of logs by the redaction."""

    def __init__(self, name: str, api_key: str) -> None:
        self.params = {name: api_key}


class HeaderToken(Auth):
    """A fixed token behind any prefix: `Authorization: Token token=...`.

    Args:
        token: the secret.
        prefix: what stands before it, with its separator: `Bearer `, `Token token=`.
        header: the header's name.
    """

    def __init__(self, token: str, prefix: str = "Bearer ", header: str = "Authorization") -> None:
        self._header, self._value = header, f"{prefix}{token}"

    def apply(self, headers: Headers) -> None:
        """Writes the header."""
        headers[self._header] = self._value


class TwoKeys(Auth):
    """Several credentials, each in its header: `headers: {X-Api-Key: ..., Authorization: "Bearer ..."}`.

    Source: vendor OpenAPI v1.3 of VaultRE (spec): X-Api-Key and a bearer on every call.
    """

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = dict(headers)

    def apply(self, headers: Headers) -> None:
        """Writes all headers."""
        headers.update(self._headers)
