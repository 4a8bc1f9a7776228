"""The session: repetition, one parse, other hosts, throttling, and errors that tell much and no secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from requests import Request
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import HTTPError, ReadTimeout

from pipelines.wire.errors import AuthenticationFailed, CrmRefused, CrmThrottled, CrmUnreachable
from pipelines.wire.readable import mended

OK = (200, b'{"contacts": []}', {})


def call(wire: Any, path: str = "contacts", method: str = "GET") -> Any:
    def raise_for_status(response: Any, *_: Any, **__: Any) -> None:
        response.raise_for_status()

    request = Request(method, f"{wire.base_url}/{path}", hooks={"response": [raise_for_status]}, auth=wire.session.auth)
    return wire.session.send(wire.session.prepare_request(request))


@pytest.mark.parametrize("first", [(503, b"busy", {}), (429, b"slow", {"Retry-After": "0"}), NoConnection("reset")])
def test_what_passes_is_tried_again(wired: Callable[..., Any], first: Any) -> None:
    wire, adapter = wired(lambda _, n: first if n < 3 else OK)
    assert call(wire).json() == {"contacts": []}
    assert len(adapter.requests) == sum(wire.calls.values()) == 3


def test_a_refusal_is_not_tried_again(wired: Callable[..., Any]) -> None:
    wire, adapter = wired(lambda *_: (403, b'{"message": "no scope for s3cr3t-value"}', {"X-Request-Id": "r-17"}))
    with pytest.raises(HTTPError) as raised:
        call(wire)
    refused = wire.failed("fetch contacts", raised.value)
    assert isinstance(refused, CrmRefused)
    assert str(refused) == (
        'Failed to fetch contacts (GET /v1/contacts, status 403, request id r-17): {"message": "no scope for ***"}'
    )
    assert (len(adapter.requests), refused.exit_code) == (1, 3)


def test_an_answer_is_parsed_once(wired: Callable[..., Any]) -> None:
    wire, _ = wired(lambda *_: (200, b'{"contacts": [1]}', {}))
    response = call(wire)
    assert response.json() is response.json()


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"<html>login</html>"), (200, b'{"contacts": [{"id'), (200, b"plain words")]
)
def test_an_answer_that_stays_unreadable_is_set_aside(wired: Callable[..., Any], status: int, body: bytes) -> None:
    wire, adapter = wired(lambda *_: (status, body, {}))
    response = call(wire)
    assert (response.json(), len(adapter.requests), len(wire.set_aside)) == ({}, 3, 1)
    assert response.set_aside.text.startswith(body.decode()[:10])


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_is_an_empty_one(wired: Callable[..., Any], status: int) -> None:
    wire, _ = wired(lambda *_: (status, b"", {}))
    assert call(wire).json() is None


def test_credentials_never_go_to_another_host(wired: Callable[..., Any]) -> None:
    def answer(request: Any, _: int) -> Any:
        if "elsewhere" in request.url:
            return OK
        return 302, b"", {"Location": "https://elsewhere.test/contacts"}

    wire, adapter = wired(answer, headers={"X-Api-Key": "s3cr3t-value"})
    with pytest.raises(CrmRefused, match="another host"):
        call(wire)
    assert len(adapter.requests) == 1
    wire.base_url = "https://elsewhere.test"
    with pytest.raises(CrmRefused, match="another host"):
        call(wire)
    assert len(adapter.requests) == 1


def test_a_crm_may_say_too_many_in_its_own_way(wired: Callable[..., Any]) -> None:
    body = b'[{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]'
    said = {"status": 403, "code": "REQUEST_LIMIT_EXCEEDED"}
    wire, adapter = wired(lambda _, n: (403, body, {"Retry-After": "0"}) if n == 1 else OK, throttled=said)
    call(wire)
    assert (len(adapter.requests), wire.limiter.share) == (2, 0.5)
    always, adapter = wired(lambda *_: (403, body, {"Retry-After": "0"}), throttled=said)
    with pytest.raises(HTTPError) as raised:
        call(always)
    assert isinstance(always.failed("fetch contacts", raised.value), CrmThrottled)
    other, adapter = wired(lambda *_: (403, b"[]", {}), throttled=said)
    with pytest.raises(HTTPError):
        call(other)
    assert len(adapter.requests) == 1


def test_a_time_out_is_said_as_people_say_it(wired: Callable[..., Any]) -> None:
    wire, _ = wired(lambda *_: ReadTimeout("read timed out"), timeout=15)
    with pytest.raises(ReadTimeout) as raised:
        call(wire)
    error = wire.failed("fetch contacts", raised.value)
    assert isinstance(error, CrmUnreachable)
    assert (error.message, error.details) == ("Failed to fetch contacts", "Request timeout after 15 seconds")


def test_401_is_an_authentication_that_failed(wired: Callable[..., Any]) -> None:
    wire, _ = wired(lambda *_: (401, b"Bad Credentials", {}), auth={"type": "bearer", "token": "s3cr3t-value"})
    with pytest.raises(HTTPError) as raised:
        call(wire)
    error = wire.failed("fetch contacts", raised.value)
    assert isinstance(error, AuthenticationFailed)
    assert (error.message, error.details) == ("Acme authentication failed", "Bad Credentials")


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        (b'\xef\xbb\xbf{"a": 1}', None, '{"a": 1}'),
        ('{"a": "é"}'.encode("latin-1"), "latin-1", '{"a": "é"}'),
        (rb'{"a": "\ud800"}', None, r'{"a": "\ufffd"}'),
        (rb'{"a": "\ud83d\ude00"}', None, r'{"a": "\ud83d\ude00"}'),
        (b'{"a": NaN, "b": 123456789012345678901234567890}', None, '{"a": null, "b": 123456789012345678901234567890}'),
    ],
)
def test_what_a_lenient_reader_reads_is_made_strict(body: bytes, charset: str | None, text: str) -> None:
    assert mended(body, charset).decode() == text
