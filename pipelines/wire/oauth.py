"""OAuth 2: tokens that expire, kept until shortly before, and renewed when the CRM refuses them earlier."""

from __future__ import annotations

import logging
import threading
import time
from base64 import b64encode
from typing import Any
from urllib.parse import urljoin

from requests import PreparedRequest, RequestException

from pipelines.wire import errors
from pipelines.wire.credentials import Auth, Headers
from pipelines.wire.hosts import host_of
from pipelines.wire.limiter import QuotaExhausted
from pipelines.wire.tokens import Token, TokenStore, shared_tokens

logger = logging.getLogger("crosswalk")


class OAuth2(Auth):
    """OAuth 2 with a token that expires.

    Args:
        access_token_url: absolute, or relative to the connection's base URL.
        client_id, client_secret: of the application.
        refresh_token: granted once by somebody who logged in; where there is one it is what tokens are asked for with,
            else the application's own credentials are.
        request_format: how the token is asked for: `form`, `json`, or `basic` (form; id and secret in a Basic header).
        access_token_request_data: further fields, such as scope.
        token_path, expires_path: where the answer has them.
        base_url_from: where the answer says which host serves this account, such as `instance_url`.
        base_path: what is appended to that host.
        header_prefix: before the token in the header.
        lifetime: seconds a token lives where the answer does not say.
    """

    def __init__(
        self, access_token_url: str, client_id: str, client_secret: str = "", *, refresh_token: str | None = None,
        request_format: str = "form",
        access_token_request_data: dict[str, Any] | None = None, token_path: str = "access_token",
        expires_path: str = "expires_in", base_url_from: str | None = None, base_path: str = "",
        header_prefix: str = "Bearer", lifetime: float = 3600, default_token_expiration: float | None = None,
    ) -> None:  # fmt: skip
        self.access_token_url = access_token_url
        self._id, self._secret, self._format = client_id, client_secret, request_format
        self._grant = {"grant_type": "client_credentials"}
        if refresh_token:
            self._grant = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        self._more = access_token_request_data or {}
        self._token_path, self._expires_path, self._base_path = token_path, expires_path, base_path
        self._base_url_from, self._prefix = base_url_from, f"{header_prefix.rstrip()} "
        self._lifetime = default_token_expiration or lifetime
        self._lock = threading.Lock()
        self._wire: Any = None
        self._tokens: TokenStore = shared_tokens

    def bind(self, wire: Any) -> None:
        """Gives it the session by which tokens are asked for; a relative token URL is completed."""
        self._wire = wire
        self.access_token_url = urljoin(wire.base_url.rstrip("/") + "/", self.access_token_url)
        wire.hosts.add(host_of(self.access_token_url))

    @property
    def base_url(self) -> str | None:
        """The host that the token's answer names, with `base_path`; None where it names none."""
        return self.token().base_url

    def token(self) -> Token:
        """The present token, or a new one."""
        with self._lock:
            token = self._tokens.get(self._key())
            if token is None:
                token = self._ask()
                self._tokens.put(self._key(), token)
        self._wire.redact.add([token.value])
        if token.base_url:
            self._wire.hosts.add(host_of(token.base_url))
        return token

    def apply(self, headers: Headers) -> None:
        """Writes `Authorization` with a token that is not expired."""
        headers["Authorization"] = f"{self._prefix}{self.token().value}"

    def renew(self, refused: str) -> bool:
        """Forgets the token that was refused, unless another thread has already got a new one."""
        self._tokens.forget(self._key(), refused.removeprefix(self._prefix))
        return True

    def _key(self) -> str:
        return TokenStore.key(self.access_token_url, self._id, self._secret, str(self._grant), str(self._more))

    def _ask(self) -> Token:
        wire = self._wire
        fields = {**self._grant, **self._more}
        headers = {"Accept": "application/json"}
        if self._format == "basic":
            headers["Authorization"] = "Basic " + b64encode(f"{self._id}:{self._secret}".encode()).decode()
        else:
            fields |= {"client_id": self._id, "client_secret": self._secret}
        body = {"json": fields} if self._format == "json" else {"data": fields}
        try:
            response = wire.session.post(
                self.access_token_url, headers=headers, auth=_unsigned, timeout=wire.timeout, **body
            )
        except (RequestException, errors.CrmError, QuotaExhausted) as problem:
            raise wire.failed("authenticate", problem) from None
        return self._read(response)

    def _read(self, response: Any) -> Token:
        wire = self._wire
        if response.status_code == 429 or response.status_code >= 500:
            raise errors.refused(wire.label, "authenticate", wire.redact, response)
        try:
            answer = response.json()
        except ValueError:
            answer = None
        value = at(answer, self._token_path)
        if response.status_code >= 400 or not value:  # some answer 200 with {"error": ...}
            why = at(answer, "error_description") or at(answer, "error") or at(answer, "message") or ""
            raise errors.authentication_failed(wire.label, wire.redact, response, str(why))
        base = at(answer, self._base_url_from) if self._base_url_from else None
        logger.info("[%s] Authentication successful", wire.label)
        lifetime = _seconds(at(answer, self._expires_path)) or self._lifetime
        return Token(str(value), time.monotonic() + lifetime, lifetime, f"{base}{self._base_path}" if base else None)


class RefreshToken(OAuth2):
    """OAuth 2 of a CRM that knows no other grant."""

    def __init__(self, access_token_url: str, client_id: str, refresh_token: str, **more: Any) -> None:
        super().__init__(access_token_url, client_id, refresh_token=refresh_token, **more)


def _unsigned(request: PreparedRequest) -> PreparedRequest:
    """The call for a token carries none."""
    return request


def at(value: Any, path: str) -> Any:
    """What stands at a dotted path; None where nothing does."""
    for part in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def _seconds(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
