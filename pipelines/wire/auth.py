"""Authentication under neutral names; any mapping may use them. Those that dlt has take dlt's words.

`oauth2_client_credentials` and `oauth2_refresh_token` keep their token until shortly before it expires and get a new
one when the CRM refuses it (401) earlier. `two_keys` sends several headers, `header_token` one with any prefix, and
`http_basic` takes a blank password. All of them work for requests (extract) and, by `apply`, for httpx (push).
"""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from collections.abc import Callable, MutableMapping
from typing import Any
from urllib.parse import urljoin

from requests import PreparedRequest, RequestException
from requests.auth import AuthBase

from pipelines.connections.errors import SettingsError
from pipelines.wire import errors
from pipelines.wire.hosts import host_of
from pipelines.wire.limiter import QuotaExhausted
from pipelines.wire.tokens import Token, TokenStore, shared_tokens

Headers = MutableMapping[str, str]


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

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Signs a request of requests."""
        self.apply(request.headers)
        if self.params:
            request.prepare_url(request.url, self.params)

        def renew(again: PreparedRequest) -> bool:
            if not self.renew(str(again.headers.get("Authorization", ""))):
                return False
            self.apply(again.headers)
            return True

        request.renew = renew  # type: ignore[attr-defined]
        return request


class Basic(Auth):
    """HTTP basic; a blank password is one, too.

    Source: vendor docs, docs.followupboss.com/reference/authentication (doc): key as user name, blank password.
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


class OAuth2(Auth):
    """OAuth 2 with a token that expires.

    Args:
        access_token_url: absolute, or relative to the connection's base URL.
        client_id, client_secret: of the application.
        grant: what is asked for: `client_credentials` or `refresh_token`.
        refresh_token: with that grant.
        request_format: how the token is asked for: `form`, `json`, or `basic` (form; id and secret in a Basic header).
        access_token_request_data: further fields, such as scope.
        token_path, expires_path: where the answer has them.
        base_url_from: where the answer says which host serves this account, such as `instance_url`.
        base_path: what is appended to that host.
        header_prefix: before the token in the header.
        lifetime: seconds a token lives where the answer does not say.
    """

    def __init__(
        self, access_token_url: str, client_id: str, client_secret: str = "", *, grant: str = "client_credentials",
        refresh_token: str | None = None, request_format: str = "form",
        access_token_request_data: dict[str, Any] | None = None, token_path: str = "access_token",
        expires_path: str = "expires_in", base_url_from: str | None = None, base_path: str = "",
        header_prefix: str = "Bearer", lifetime: float = 3600, default_token_expiration: float | None = None,
    ) -> None:  # fmt: skip
        self.access_token_url = access_token_url
        self._id, self._secret, self._format = client_id, client_secret, request_format
        self._grant = {"grant_type": grant, **({"refresh_token": refresh_token} if refresh_token else {})}
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
        lifetime = _seconds(at(answer, self._expires_path)) or self._lifetime
        return Token(str(value), time.monotonic() + lifetime, lifetime, f"{base}{self._base_path}" if base else None)


class RefreshToken(OAuth2):
    """OAuth 2 with a refresh token that was granted once."""

    def __init__(self, access_token_url: str, client_id: str, refresh_token: str, **more: Any) -> None:
        super().__init__(access_token_url, client_id, grant="refresh_token", refresh_token=refresh_token, **more)


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


def _api_key(api_key: str, name: str = "Authorization", location: str = "header") -> Auth:
    return HeaderToken(api_key, "", name) if location == "header" else QueryKey(name, api_key)


def _bearer(token: str) -> Auth:
    return HeaderToken(token)


AUTHS: dict[str, Callable[..., Auth]] = {
    "bearer": _bearer,
    "api_key": _api_key,
    "http_basic": Basic,
    "header_token": HeaderToken,
    "two_keys": TwoKeys,
    "oauth2_client_credentials": OAuth2,
    "oauth2_refresh_token": RefreshToken,
}


def build_auth(block: dict[str, Any] | None) -> Auth | None:
    """The authentication of a mapping's `auth` block; None for none.

    Raises:
        SettingsError: an unknown type, or arguments that it does not take.
    """
    if block is None:
        return None
    kind = str(block.get("type", "bearer"))
    if kind not in AUTHS:
        raise SettingsError(f"authentication type {kind!r} is not known; there are {', '.join(sorted(AUTHS))}")
    try:
        return AUTHS[kind](**{k: v for k, v in block.items() if k != "type"})
    except TypeError as wrong:
        raise SettingsError(f"authentication {kind}: {str(wrong).partition(') ')[2] or wrong}") from None
