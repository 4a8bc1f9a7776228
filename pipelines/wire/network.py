"""The network for calls that many tasks make at once: HTTP/2 where it is served, else a lean HTTP/1.1.

httpx's own HTTP/1.1 costs most of a processor's millisecond a call, and the more the more calls wait. aiohttp, with its
parser in C, takes a quarter of that. It does not speak HTTP/2, so the first answer of a host tells which of the two
carries what follows.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    import aiohttp

Origin = tuple[str, str, int | None]


class Network(httpx.AsyncBaseTransport):
    """Carries httpx's requests.

    Errors are httpx's: `ConnectError` and `ConnectTimeout` where nothing was sent, others where the call may have been
    carried out. No call is made twice.

    Args:
        trusted: whose certificates are.
        most: connections at once.
    """

    def __init__(self, trusted: ssl.SSLContext, most: int) -> None:
        limits = httpx.Limits(max_connections=most, max_keepalive_connections=most)
        self._modern = httpx.AsyncHTTPTransport(verify=trusted, http2=True, limits=limits, trust_env=False)
        self._trusted, self._most = trusted, most
        self._plain: set[Origin] = set()
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Makes a call; its answer is read to its end."""
        origin = (request.url.scheme, request.url.host, request.url.port)
        if request.url.scheme == "http" or origin in self._plain:
            return await self._lean(request)
        response = await self._modern.handle_async_request(request)
        if response.extensions.get("http_version") == b"HTTP/1.1":
            self._plain.add(origin)
        return response

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._modern.aclose()
        if self._session is not None:
            await self._session.close()

    async def _lean(self, request: httpx.Request) -> httpx.Response:
        import aiohttp  # only where something is sent: importing it takes long
        from yarl import URL

        waits = request.extensions.get("timeout", {})
        patience = aiohttp.ClientTimeout(sock_connect=waits.get("connect"), sock_read=waits.get("read"))
        with _errors_as_httpx(request):
            async with self._opened().request(
                request.method, URL(str(request.url), encoded=True), data=await request.aread() or None,
                headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw],
                timeout=patience, allow_redirects=False,
            ) as answer:  # fmt: skip
                body = httpx.ByteStream(await answer.read())
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=body, request=request)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._most, ssl=self._trusted, keepalive_timeout=5),
                cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False,
            )  # fmt: skip
            # a connection that ends without an answer would otherwise have its PUT or DELETE sent again, unseen
            self._session._retry_connection = False
        return self._session


@contextmanager
def _errors_as_httpx(request: httpx.Request) -> Iterator[None]:
    """Only what surely was not sent is a failure to connect."""
    import aiohttp

    try:
        yield
    except aiohttp.ConnectionTimeoutError as problem:
        raise httpx.ConnectTimeout(_said(problem), request=request) from problem
    except aiohttp.ClientConnectorError as problem:
        raise httpx.ConnectError(_said(problem), request=request) from problem
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as problem:
        raise httpx.UnsupportedProtocol(_said(problem), request=request) from problem
    except (TimeoutError, aiohttp.ServerTimeoutError) as problem:
        raise httpx.ReadTimeout(_said(problem), request=request) from problem
    except aiohttp.ClientError as problem:
        raise httpx.ReadError(_said(problem), request=request) from problem


def _said(problem: Exception) -> str:
    return str(problem) or type(problem).__name__
