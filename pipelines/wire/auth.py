"""Authentication under neutral names; any mapping may use them. Those that dlt has take dlt's words.

`oauth2_client_credentials` and `oauth2_refresh_token` keep their token until shortly before it expires and get a new
one when the CRM refuses it (401) earlier. `two_keys` sends several headers, `header_token` one with any prefix, and
`http_basic` takes a blank password. All of them work for requests (extract) and, by `apply`, for httpx (push).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipelines.connections.errors import SettingsError
from pipelines.wire.credentials import Auth, Basic, HeaderToken, QueryKey, TwoKeys
from pipelines.wire.oauth import OAuth2, RefreshToken

__all__ = ["AUTHS", "Auth", "build_auth"]


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
