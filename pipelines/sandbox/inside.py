"""Clients of a sandbox in the same process, without a socket: thousands of calls a second, for property tests.

httpx.Client(transport=HttpxTransport(sandbox))
session.mount("http://sandbox/", RequestsAdapter(sandbox))      # a requests session, or one of dlt's
"""

from __future__ import annotations

import asyncio
import io
import weakref
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from starlette.types import ASGIApp, Message, Scope
from urllib3 import HTTPHeaderDict, HTTPResponse

Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class _Exchange:
    """One call and its answer, as ASGI tells them."""

    content: bytes
    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""

    async def receive(self) -> Message:
        return {"type": "http.request", "body": self.content, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            self.body += message.get("body", b"")


class _Inside:
    """Calls an ASGI application from plain code, one call at a time, from whatever thread or event loop.

    The application runs in one thread of its own: a caller inside a running event loop could not run a second one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._worker = ThreadPoolExecutor(1, "sandbox")
        self.close = weakref.finalize(self, _end, self._worker, self._loop)

    def call(self, method: str, url: str, headers: Iterable[tuple[bytes, bytes]], content: bytes) -> _Exchange:
        """Returns the answer; raises httpx.RemoteProtocolError where the sandbox hung up."""
        parts = urlsplit(url)
        scope: Scope = {
            "type": "http", "method": method, "path": unquote(parts.path), "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(), "headers": list(headers), "scheme": parts.scheme,
            "server": (parts.hostname, parts.port or 80), "root_path": "", "http_version": "1.1",
        }  # fmt: skip
        exchange = _Exchange(content)
        self._worker.submit(self._run, scope, exchange).result()
        return exchange

    def _run(self, scope: Scope, exchange: _Exchange) -> None:
        self._loop.run_until_complete(self._answer(scope, exchange))

    async def _answer(self, scope: Scope, exchange: _Exchange) -> None:
        await self._app(scope, exchange.receive, exchange.send)


def _end(worker: ThreadPoolExecutor, loop: asyncio.AbstractEventLoop) -> None:
    worker.shutdown()
    loop.close()


class HttpxTransport(httpx.BaseTransport):
    """Lets an httpx.Client call a sandbox of this process."""

    def __init__(self, app: ASGIApp) -> None:
        self._inside = _Inside(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answers one call."""
        headers = [(name.lower(), value) for name, value in request.headers.raw]
        answered = self._inside.call(request.method, str(request.url), headers, request.read())
        return httpx.Response(answered.status, headers=answered.headers, content=answered.body, request=request)

    def close(self) -> None:
        """Ends the thread that answers."""
        self._inside.close()


class RequestsAdapter(BaseAdapter):
    """Lets a requests session call a sandbox of this process."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self._inside = _Inside(app)

    def send(  # requests calls it so
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002
        timeout: Any = None,  # noqa: ARG002
        verify: bool | str = True,  # noqa: ARG002
        cert: Any = None,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> requests.Response:
        """Answers one call; a fault that hangs up is a requests.ConnectionError, as on a socket."""
        url = request.url or ""
        headers = [(name.lower().encode(), _bytes(value)) for name, value in request.headers.items()]
        headers.append((b"host", urlsplit(url).netloc.encode()))
        try:
            answered = self._inside.call(request.method or "GET", url, headers, _bytes(request.body or b""))
        except httpx.RemoteProtocolError as closed:
            raise requests.ConnectionError(closed, request=request) from closed
        return _requests_response(answered, request, url)

    def close(self) -> None:
        """Ends the thread that answers."""
        self._inside.close()


def _requests_response(answered: _Exchange, request: requests.PreparedRequest, url: str) -> requests.Response:
    names = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in answered.headers]
    response = requests.Response()
    response.status_code = answered.status
    response.headers = CaseInsensitiveDict(names)
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.raw = HTTPResponse(
        io.BytesIO(answered.body), HTTPHeaderDict(names), answered.status, preload_content=False, request_url=url
    )
    response.url, response.request = url, request
    return response


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)
