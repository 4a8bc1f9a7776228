"""No secret leaves the program, in whatever form it travels."""

from __future__ import annotations

import base64
import io
import json
import logging
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.connections.redact import MASK, SHORTEST, Redactor

SECRETS = st.text(min_size=SHORTEST, max_size=24).filter(lambda s: s.strip())


@settings(max_examples=300, deadline=None)
@given(st.lists(SECRETS, min_size=1, max_size=3), st.text(max_size=20), st.text(max_size=20))
def test_no_form_of_a_secret_is_let_through(secrets: list[str], before: str, after: str) -> None:
    redactor = Redactor(secrets)
    for secret in secrets:
        raw = secret.encode("utf-8", "surrogatepass")
        forms = [secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], base64.b64encode(raw).decode()]
        forms += [quote(raw), quote(raw, safe=""), quote_plus(raw)]
        forms += [re.sub("%..", lambda escape: escape[0].lower(), quote(raw, safe=""))]
        for form in forms:
            said = redactor.text(before + form + after)
            assert secret not in said
            assert form not in said


@given(st.text(alphabet="*a", min_size=4, max_size=8), st.text(alphabet="*a", max_size=30))
def test_taking_a_secret_out_makes_no_other(secret: str, text: str) -> None:
    assert secret not in Redactor([secret]).text(text)


@given(SECRETS, SECRETS)
def test_basic_authentication_is_hidden(user: str, password: str) -> None:
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    assert pair not in Redactor([user, password]).text(f"sent {pair} to them")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abcdef123456", "abcdef123456"),
        ("{'authorization': 'Basic dXNlcjpwYXNz', 'x': 1}", "dXNlcjpwYXNz"),
        ('{"access_token":"tok-123","expires_in":3600}', "tok-123"),
        ('{"refresh_token": "r.1/2"}', "r.1/2"),
        ("POST /token?client_secret=s3cr3t&grant_type=x", "s3cr3t"),
        ("Authorization: Token token=0123456789abcdef", "0123456789abcdef"),
        ("https://user:hunter2@crm.example/v1", "hunter2"),
        ("(b'Authorization', b'Bearer zzzzzzzzz')", "zzzzzzzzz"),
        ('"{\\"access_token\\":\\"tok-999\\"}"', "tok-999"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_though_unknown(text: str, secret: str) -> None:
    assert secret not in Redactor().text(text)
    assert MASK in Redactor().text(text)


def test_other_text_stays_as_it_is() -> None:
    said = "contacts: 12 new, 3 changed; https://api.example/v1/contacts?page=2 answered 404 (token expired)"
    assert Redactor(["s3cr3t", "ab"]).text(said) == said


@pytest.fixture
def logged() -> tuple[logging.Logger, io.StringIO]:
    logger, stream = logging.Logger("crosswalk.test"), io.StringIO()
    logger.addHandler(logging.StreamHandler(stream))
    return logger, stream


def test_log_records_are_clean(logged: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = logged
    with Redactor(["hunter22"]).in_all_logs():
        logger.warning("logging in with %s and %d", {"key": "hunter22"}, 3)
        try:
            raise ValueError("refused hunter22") from KeyError("hunter22")
        except ValueError:
            logger.exception("failed", stack_info=True)
        logger.error("wrong %s %s arguments hunter22", "one")  # noqa: PLE1206 - a wrong log call
    said = stream.getvalue()
    assert "hunter22" not in said
    assert "ValueError: refused ***" in said
    assert "and 3" in said


def test_nothing_is_cleaned_once_it_is_over(logged: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = logged
    with Redactor(["hunter22"]).in_all_logs():
        logger.warning("hunter22")
    logger.warning("hunter22 again")
    assert stream.getvalue() == "***\nhunter22 again\n"


def test_errors_are_clean_with_their_causes() -> None:
    redactor = Redactor()
    redactor.add(["tok-4711"])
    try:
        try:
            raise OSError("tok-4711 broke")
        except OSError as cause:
            raise RuntimeError("for tok-4711") from cause
    except RuntimeError as error:
        said = redactor.error(error)
    assert "tok-4711" not in said
    assert "OSError: *** broke" in said


def test_data_is_clean_within() -> None:
    data = {"tok-4711": ["a tok-4711", 3, None, {"x": ("tok-4711",)}]}
    assert Redactor(["tok-4711"]).data(data) == {MASK: [f"a {MASK}", 3, None, {"x": [MASK]}]}
