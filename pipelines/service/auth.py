"""Who calls: a user by a JSON Web Token, whose key and algorithm the operator has pinned."""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import jwt
from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from pipelines.connections.owner import Owner
from pipelines.service.context import Context
from pipelines.service.errors import ServiceError
from pipelines.service.settings import ServiceSettings


@dataclass(frozen=True)
class Caller:
    """A user who has proved who they are. `owner` is theirs alone; `address` is where the call came from."""

    user: str
    owner: Owner
    address: str = ""


def context_of(request: Request) -> Context:
    """The running service that a request belongs to."""
    found: Context = request.app.state.context
    return found


def address_of(request: Request) -> str:
    """The caller's network address."""
    return request.client.host if request.client else ""


def same_key(given: str, keys: Sequence[str]) -> bool:
    """Whether a key is one of those, in a time that tells nothing of them."""
    found = [hmac.compare_digest(given.encode("utf-8", "surrogateescape"), key.encode()) for key in keys]
    return any(found)


def bearer_of(request: Request) -> str | None:
    """The token of `Authorization: Bearer <token>`; None where there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def jwt_guard(request: Request) -> None:
    """Lets a user in, and notes who it is.

    Raises:
        ServiceError: 401 without a good token; 503 where no key is configured; 429 past the user's limit.
    """
    context = context_of(request)
    user = user_of(bearer_of(request), context.settings)
    request.state.caller = Caller(user, context.owner_of(user), address_of(request))


def user_of(token: str | None, settings: ServiceSettings) -> str:
    """The user that a token names.

    Raises:
        ServiceError: 401, or 503 where no key is configured.
    """
    key, algorithm = _key(settings, token)
    if token is None:
        raise ServiceError(401, "No authorization token provided", headers={"WWW-Authenticate": "Bearer"})
    claim = settings.jwt_user_claim
    try:
        claims = jwt.decode(
            token, key, algorithms=[algorithm], audience=settings.jwt_audience, issuer=settings.jwt_issuer,
            options={"require": [claim], "verify_aud": settings.jwt_audience is not None, "verify_sub": False},
        )  # fmt: skip
    except jwt.PyJWTError:
        raise _invalid() from None
    user = claims[claim]
    if not isinstance(user, str) or not user.strip() or "\x00" in user:
        raise _invalid()
    return user


def _invalid() -> ServiceError:
    return ServiceError(401, "Invalid or expired token", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


def _key(settings: ServiceSettings, token: str | None) -> tuple[Any, str]:
    """The key for a token, and the only algorithm it may use."""
    if settings.jwt_jwks_file is not None:
        return (_public_key(settings.jwt_jwks_file, token) if token else None), "RS256"
    if settings.jwt_secret is None:
        raise ServiceError(503, "Authentication is not configured: JWT_SECRET is not set")
    return settings.jwt_secret.get_secret_value(), "HS256"


def _public_key(path: Path, token: str) -> Any:
    try:
        keys = _key_set(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, jwt.PyJWTError):
        raise ServiceError(503, "Authentication is not configured: JWT_JWKS_FILE cannot be read") from None
    try:
        wanted = jwt.get_unverified_header(token).get("kid")
    except jwt.PyJWTError:
        raise _invalid() from None
    found = [key for key in keys if key.key_type == "RSA" and (wanted is None or key.key_id == wanted)]
    if len(found) != 1:
        raise _invalid()
    return found[0].key


@lru_cache(maxsize=4)
def _key_set(path: Path, _changed: int) -> list[jwt.PyJWK]:
    return jwt.PyJWKSet.from_dict(json.loads(path.read_text(encoding="utf-8"))).keys


_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A JSON Web Token that names the user")


def caller(request: Request, _shown: Annotated[object, Depends(_bearer)]) -> Caller:
    """Who calls; the guard has let them in before the body was read."""
    found: Caller = request.state.caller
    return found


CurrentCaller = Annotated[Caller, Depends(caller)]
CurrentContext = Annotated[Context, Depends(context_of)]
