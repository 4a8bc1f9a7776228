"""Users by their tokens: the key and the algorithm are the operator's; what is missing closes the door."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from jwt.utils import base64url_encode
from starlette.testclient import TestClient

from pipelines.service.auth import user_of
from pipelines.service.errors import ServiceError
from pipelines.service.settings import ServiceSettings, from_environment

ROUTES = ("health", "jobs", "schedules")
STORES = ("sqlite",)
SECRET = "a secret of the tests, thirty-two bytes or more"
PATHS = ("/api/jobs", "/api/jobs/nothing/here", "/api/jobs?limit=wrong")


def settings(**more: str) -> ServiceSettings:
    return from_environment({"JWT_SECRET": SECRET, **more})


def token(claims: dict[str, Any] | None = None, secret: Any = SECRET, algorithm: str = "HS256", **headers: str) -> str:
    return jwt.encode({"sub": "ann", **(claims or {})}, secret, algorithm, headers or None)


def signed_with_text(text: str) -> str:
    """A token that the library would not make: its key is a public one."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT", "kid": "old"}, {"sub": "ann"})]
    said = b".".join(base64url_encode(part) for part in parts)
    return (said + b"." + base64url_encode(hmac.digest(text.encode(), said, "sha256"))).decode()


def refusal(given: str | None, of: ServiceSettings) -> int:
    with pytest.raises(ServiceError) as refused:
        user_of(given, of)
    return refused.value.status_code


def test_a_good_token_names_its_user() -> None:
    assert user_of(token(), settings()) == "ann"
    assert user_of(token({"exp": time.time() + 9}), settings()) == "ann"
    assert user_of(token({"email": "a@b.c"}), settings(JWT_USER_CLAIM="email")) == "a@b.c"
    assert user_of(token({"aud": "any"}), settings()) == "ann"
    assert user_of(token({"aud": "us", "iss": "them"}), settings(JWT_AUDIENCE="us", JWT_ISSUER="them")) == "ann"


@pytest.mark.parametrize(
    "given",
    [
        None, "", "x", "a.b.c", token(secret="another secret, thirty-two bytes or more"), token({"exp": 1}),
        token(algorithm="HS512"), jwt.encode({"sub": "ann"}, "", "none"), token({"nbf": time.time() + 99}),
        token({"sub": ""}), token({"sub": " "}), token({"sub": 5}), token({"sub": None}), token({"sub": ["ann"]}),
        token({"sub": "a\x00"}),
    ],
)  # fmt: skip
def test_a_bad_token_is_refused(given: str | None) -> None:
    assert refusal(given, settings()) == 401


def test_audience_and_issuer_hold_where_they_are_set() -> None:
    for claims in ({}, {"aud": "them"}):
        assert refusal(token(claims), settings(JWT_AUDIENCE="us")) == 401
    assert refusal(token({"iss": "x"}), settings(JWT_ISSUER="us")) == 401


def test_a_missing_secret_closes_the_door() -> None:
    for given in (None, token(), token(secret="x")):
        assert refusal(given, from_environment({"JWT_SECRET": "  "})) == 503


def test_public_keys_from_a_file(tmp_path: Path) -> None:
    keys = {name: rsa.generate_private_key(public_exponent=65537, key_size=2048) for name in ("old", "new")}
    public = [{**json.loads(RSAAlgorithm.to_jwk(k.public_key())), "kid": name} for name, k in keys.items()]
    file = tmp_path / "jwks.json"
    of = settings(JWT_JWKS_FILE=str(file))
    assert refusal(token(secret=keys["new"], algorithm="RS256", kid="new"), of) == 503
    file.write_text(json.dumps({"keys": public}))
    assert user_of(token(secret=keys["new"], algorithm="RS256", kid="new"), of) == "ann"
    assert refusal(token(secret=keys["old"], algorithm="RS256", kid="new"), of) == 401
    assert refusal(token(secret=keys["new"], algorithm="RS256", kid="unknown"), of) == 401
    assert refusal(token(secret=keys["new"], algorithm="RS256"), of) == 401  # two keys, and none is named
    # the public key is no secret: a token signed with its text by HS256 must not pass
    assert refusal(signed_with_text(json.dumps(public[0])), of) == 401
    assert refusal(token(), of) == 401


def test_the_door_is_before_everything(client: TestClient, serve: Any) -> None:
    """No path, no parameter and no body tells a stranger anything."""
    for path in PATHS:
        for answer in (client.get(path), client.post(path, content=b"{"), client.request("BREW", path)):
            assert (answer.status_code, answer.json()["error"]) == (401, "No authorization token provided")
    with serve() as unset:
        assert {unset.get(path).status_code for path in PATHS} == {503}


def test_no_way_of_writing_a_path_goes_around_the_door(serve: Any) -> None:
    """Routes match a path that ends in a line break, and so must the door."""
    with serve(CRM_API_KEY="k", JWT_SECRET=SECRET, EXTERNAL_CRM_ENABLED="true") as client:
        for path in ("/api/jobs", "/api/schedules"):
            for more in (
                "%0A",
                "%0a",
                "%0D%0A",
                "/%0A",
                "%00",
                "%09",
                "%7F",
                "/",
                "//",
                "%2F",
                ";x",
                "%C2%85",
                "%E2%80%A8",
            ):
                answer = client.get(path + more, follow_redirects=False)
                assert answer.status_code in (401, 404), (path, more, answer.status_code)
                known = client.get(path + more, headers={"Authorization": f"Bearer {token()}"}, follow_redirects=False)
                assert known.status_code in (307, 404), (path, more, known.status_code)


def test_settings_say_all_that_is_wrong_without_values() -> None:
    with pytest.raises(Exception, match=r"(?s)WRAPPER_ALGORITHM.*RATE_LIMIT_PER_MINUTE") as wrong:
        from_environment({"RATE_LIMIT_PER_MINUTE": "s3cret-1", "WRAPPER_ALGORITHM": "s3cret-2"})
    assert "s3cret" not in str(wrong.value)
    assert SECRET not in repr(settings())


def test_limits_are_kept_and_say_when(client: TestClient, context_of: Callable[[TestClient], Any]) -> None:
    limits = context_of(client).limits
    for _ in range(2):
        limits.check("ann", 2, 60, "no more")
    with pytest.raises(ServiceError, match="no more") as refused:
        limits.check("ann", 2, 60, "no more")
    assert refused.value.headers is not None
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 60
    limits.check("bob", 2, 60, "no more")


def test_limits_of_many_callers_take_no_more_room(
    client: TestClient, context_of: Callable[[TestClient], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.service.rate_limits.MOST_KEYS", 100)
    limits = context_of(client).limits
    for number in range(1000):
        limits.check(f"address-{number}", 1, 60, "no more")
    with pytest.raises(ServiceError):
        limits.check("address-999", 1, 60, "no more")
    assert len(limits._windows) <= 100


def test_counts_that_could_not_be_written_are_written_later(client: TestClient, context_of: Any) -> None:
    context = context_of(client)
    with context.store.write() as connection:
        connection.exec_driver_sql("ALTER TABLE rate_limits RENAME TO gone")
    context.limits.check("ann", 2, 60, "no more")
    context.limits.flush()
    with context.store.write() as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO rate_limits")
    context.limits.flush()
    with context.store.read() as connection:
        assert connection.exec_driver_sql("SELECT count FROM rate_limits WHERE key = 'ann'").scalar() == 1
