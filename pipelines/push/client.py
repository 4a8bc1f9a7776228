"""Calls of one connection: within its limits, with its credentials, repeated where that does no harm.

A call that may have been carried out without our knowing (a create that got no answer, or a 5xx) is not repeated here:
it ends in `OutcomeUnknownError`, and whoever sent it looks into the CRM first.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any

import httpx
import orjson
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random

from pipelines.connections.connection import Connection
from pipelines.connections.redact import Redactor
from pipelines.push.template import Call
from pipelines.wire import errors
from pipelines.wire.auth import Auth, build_auth
from pipelines.wire.limiter import Limiter, QuotaExhausted, Sent
from pipelines.wire.network import Network
from pipelines.wire.oauth import OAuth2
from pipelines.wire.readable import Unreadable, parse
from pipelines.wire.throttle import is_throttled, retry_after

TRIES = 5
THROTTLED_TRIES = 20
CREDENTIALS_SECONDS = 1.0
SENT_ALONG = {"User-Agent": "crosswalk", "Accept-Encoding": "gzip, deflate"}
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class OutcomeUnknownError(errors.CrmError):
    """The CRM may or may not have done what was asked."""


class _Again(Exception):  # noqa: N818 - not an error yet
    """The attempt failed in a way that a repetition may mend."""

    def __init__(self, cause: errors.CrmError) -> None:
        self.cause = cause


@dataclass(frozen=True)
class Answer:
    """A good answer: its JSON (None for an empty one), status and the CRM's id of the request."""

    data: Any
    status: int
    request_id: str | None


class Client:
    """An async HTTP client of one connection; use it in `async with`.

    Args:
        connection: base URL, credentials, headers, time-out, concurrency.
        limiter: shared by all who call this CRM account.
        transport: what carries the bytes; default: the network, HTTP/2 where it is served.
        backoff: seconds before the first repetition; doubles with each, with jitter.
    """

    def __init__(
        self, connection: Connection, limiter: Limiter, *, transport: httpx.AsyncBaseTransport | None = None,
        backoff: float = 0.5,
    ) -> None:  # fmt: skip
        self.label = connection.mapping.label
        self.calls = 0
        self.redact = Redactor(connection.secrets)
        self._connection, self._limiter, self._backoff = connection, limiter, backoff
        self._auth: Auth | None = build_auth(connection.wire.auth)
        self._credentials: tuple[float, dict[str, str], str] | None = None
        self._login = asyncio.Lock()
        self._places = asyncio.Semaphore(connection.wire.concurrency)
        self._lines: defaultdict[tuple[int, ...], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._network = transport or Network(_trusted(), connection.wire.concurrency)
        self._extensions = {"timeout": httpx.Timeout(connection.wire.timeout, pool=None).as_dict()}

    async def __aenter__(self) -> Client:
        if isinstance(self._auth, OAuth2):
            from pipelines.wire.session import open_wire

            self._auth.bind(open_wire(self._connection, self._limiter))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._network.aclose()

    async def send(self, call: Call, what: str, *, repeatable: bool = True, tries: int = TRIES) -> Answer:
        """Makes a call.

        Args:
            call: what to send.
            what: for errors: 'update contacts'.
            repeatable: whether a second time does no harm; false for what creates.
            tries: how often at most.

        Raises:
            OutcomeUnknownError: not repeatable, and nobody knows whether it was done.
            errors.AuthenticationFailed: credentials refused, also fresh ones.
            errors.CrmThrottled: a long quota is used up, or 'too many' without end.
            errors.CrmRefused: any other 4xx.
            errors.CrmUnreachable: no usable answer after all tries.
        """
        try:
            return await self._attempt(call, what, repeatable)
        except _Again as again:
            if tries <= 1:
                raise again.cause from None
        await asyncio.sleep(self._backoff * random.uniform(0.5, 1.5))
        waits = wait_exponential(multiplier=self._backoff, max=30) + wait_random(0, self._backoff)
        attempts = AsyncRetrying(
            stop=stop_after_attempt(tries - 1), wait=waits, retry=retry_if_exception_type(_Again), reraise=True
        )
        try:
            async for attempt in attempts:
                with attempt:
                    return await self._attempt(call, what, repeatable)
        except _Again as again:
            raise again.cause from None
        raise AssertionError("tenacity either returns or raises")

    async def _attempt(self, call: Call, what: str, repeatable: bool) -> Answer:
        response = await self._past_limits(call, what, repeatable)
        if response.status_code >= 500:
            failed = errors.refused(self.label, what, self.redact, response)
            raise _Again(failed) if repeatable else self._unknown(what, failed)
        if response.status_code >= 300:
            raise errors.refused(self.label, what, self.redact, response)
        self._limiter.succeeded()
        try:
            return Answer(parse(response), response.status_code, _request_id(self.redact, response))
        except Unreadable as problem:
            failed = errors.CrmUnreachable(
                self.label, f"Failed to {what}: {problem.reason}", status=response.status_code, method=call.method,
                path=response.request.url.path,
            )  # fmt: skip
            raise _Again(failed) if repeatable else self._unknown(what, failed) from None

    async def _past_limits(self, call: Call, what: str, repeatable: bool) -> httpx.Response:
        """The answer, after waiting for the limits, and after one renewal of the credentials where they are refused."""
        renewed = False
        for _ in range(THROTTLED_TRIES):
            response, signed_with = await self._once(call, what, repeatable)
            if is_throttled(response, self._connection.wire.throttled):
                told = response.request
                self._limiter.throttled(retry_after(response), told.method, told.url.path)
            elif response.status_code == 401 and not renewed and await self._renew(signed_with):
                renewed = True
            else:
                return response
        raise errors.refused(self.label, what, self.redact, response, throttled=True)

    async def _once(self, call: Call, what: str, repeatable: bool) -> tuple[httpx.Response, str]:
        headers, base_url = await self._signed()
        url = call.path if "://" in call.path else "/".join(filter(None, (base_url.rstrip("/"), call.path.lstrip("/"))))
        params = {**call.params, **(self._auth.params if self._auth else {})}
        request = httpx.Request(
            call.method, url, params=params or None, content=None if call.body is None else _json(call.body),
            headers={**SENT_ALONG, **self._connection.wire.headers, **_typed(call), **call.headers, **headers},
            extensions=self._extensions,
        )  # fmt: skip
        try:
            return await self._within_limits(request), headers.get("Authorization", "")
        except QuotaExhausted as used_up:
            raise errors.CrmThrottled(self.label, f"Failed to {what}", details=str(used_up)) from None
        except httpx.HTTPError as problem:
            failed = errors.unreachable(self.label, what, self.redact, problem, self._connection.wire.timeout)
            if repeatable or isinstance(problem, NOT_SENT):
                raise _Again(failed) from None
            raise self._unknown(what, failed) from None

    async def _within_limits(self, request: httpx.Request) -> httpx.Response:
        sent, is_good = await self._counted(request), False
        self.calls += 1
        try:
            response = await self._answer(request)
            is_good = response.status_code < 400
            return response
        finally:
            self._limiter.answered(sent, is_typical=is_good)
            self._places.release()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await self._network.handle_async_request(request)
            response.request = request
            try:
                await response.aread()
            finally:
                await response.aclose()
        except httpx.RequestError as problem:
            problem.request = request
            raise
        return response

    async def _counted(self, request: httpx.Request) -> Sent:
        """Waits for a place among the calls in flight (httpx's own queue takes time that grows with its square) and for
        the limiter together: what the limiter has counted leaves at once, and who waits for it keeps no place. Of those
        that the same limits count only the first in line asks."""
        method, path = request.method, request.url.path
        async with self._lines[self._limiter.counted_by(method, path)]:
            while True:
                await self._places.acquire()
                taken: Sent | float = 0.0
                try:
                    taken = self._limiter.take(method, path)
                finally:
                    if not isinstance(taken, Sent):
                        self._places.release()
                if isinstance(taken, Sent):
                    return taken
                await asyncio.sleep(taken)

    def _unknown(self, what: str, cause: errors.CrmError) -> OutcomeUnknownError:
        return OutcomeUnknownError(
            self.label, f"Unknown whether it did: {what}", status=cause.status, method=cause.method, path=cause.path,
            request_id=cause.request_id, details=cause.details or cause.message,
        )  # fmt: skip

    async def _signed(self) -> tuple[dict[str, str], str]:
        """Headers with credentials, and the base URL; asked for at most once a second, one task at a time."""
        plain = self._connection.wire.base_url or ""
        if self._auth is None:
            return {}, plain
        async with self._login:
            kept = self._credentials
            if kept is None or time.monotonic() - kept[0] > CREDENTIALS_SECONDS:
                headers: dict[str, str] = {}
                await asyncio.to_thread(self._auth.apply, headers)
                base_url = await asyncio.to_thread(lambda auth: auth.base_url, self._auth)
                kept = self._credentials = (time.monotonic(), headers, base_url or plain)
            return kept[1], kept[2]

    async def _renew(self, signed_with: str) -> bool:
        if self._auth is None:
            return False
        async with self._login:
            if self._credentials is None or self._credentials[1].get("Authorization", "") == signed_with:
                self._credentials = None
                return await asyncio.to_thread(self._auth.renew, signed_with)
            return True


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """Whom to trust: read once, because it takes longer than many a call."""
    return httpx.create_ssl_context(trust_env=False)


def _json(body: Any) -> bytes:
    try:
        return orjson.dumps(body)
    except (TypeError, orjson.JSONEncodeError):  # an integer of more than 64 bits
        return json.dumps(body, ensure_ascii=False).encode()


def _typed(call: Call) -> Mapping[str, str]:
    said = {"Accept": "application/json"}
    return said if call.body is None else {**said, "Content-Type": "application/json"}


def _request_id(redact: Redactor, response: httpx.Response) -> str | None:
    for name, value in response.headers.items():  # which gives names in small letters
        if name in errors.REQUEST_ID_HEADERS or name.endswith("correlation-id"):
            return redact.text(value)
    return None
