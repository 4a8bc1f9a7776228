"""The network of a push: HTTP/2 where it is served, and never a call twice."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived

from pipelines.push.client import NOT_SENT
from pipelines.wire.network import Network

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


async def heard(reader: asyncio.StreamReader) -> bytes:
    """One request with its body; empty where the other side has gone."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
    lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    return head + await reader.readexactly(int(lines.get(b"content-length", 0)))


@asynccontextmanager
async def served(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The base URL of a server that does as `serve` says with each connection."""

    async def closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(closed, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    server.close()


@asynccontextmanager
async def client_of(network: Network, read: float = 60) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=network, trust_env=False, timeout=httpx.Timeout(60, read=read)) as client:
        yield client


def network() -> Network:
    return Network(ssl.create_default_context(), 4)


def test_a_call_arrives_as_it_was_made_and_its_answer_as_it_was_given() -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await heard(reader):
            seen.append(request)
            body = gzip.compress('{"who": "Zoë"}'.encode())
            head = f"HTTP/1.1 207 Multi-Status\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n"
            writer.write(f"{head}X-Twice: a\r\nX-Twice: b\r\n\r\n".encode() + body)

    async def calls() -> list[httpx.Response]:
        async with served(serve) as url, client_of(network()) as client:
            path = f"{url}/v1/things%2Fof/me?since=2026-01-01T00%3A00%3A00%2B00%3A00"
            return [await client.post(path, content=b'{"a": 1}', headers={"X-Key": "k"}), await client.get(path)]

    posted, got = asyncio.run(calls())
    assert (posted.status_code, posted.json(), got.json()) == (207, {"who": "Zoë"}, {"who": "Zoë"})
    assert posted.headers.get_list("X-Twice") == ["a", "b"]
    line = b" /v1/things%2Fof/me?since=2026-01-01T00%3A00%3A00%2B00%3A00 HTTP/1.1\r\n"
    assert seen[0].startswith(b"POST" + line), "nothing is quoted anew"
    assert seen[0].endswith(b'\r\n\r\n{"a": 1}')
    assert b"x-key: k\r\n" in seen[0].lower()
    assert seen[1].startswith(b"GET" + line)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_a_connection_that_ends_before_the_answer_is_no_failure_to_connect(method: str) -> None:
    """The CRM may have done it; and nobody but the caller may say that it is sent again."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await heard(reader))
        writer.write(GOOD)
        seen.append(await heard(reader))

    async def calls() -> None:
        async with served(serve) as url, client_of(network()) as client:
            assert (await client.request(method, url)).status_code == 200
            with pytest.raises(httpx.TransportError) as raised:
                await client.request(method, url)
            assert not isinstance(raised.value, NOT_SENT), "it was sent"

    asyncio.run(calls())
    assert len(seen) == 2, "once each"


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"HTTP/1.1 2", b"nonsense\r\n\r\n"]
)
def test_an_answer_that_breaks_off_or_is_none_is_no_failure_to_connect(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(answer)

    async def calls() -> None:
        async with served(serve) as url, client_of(network()) as client:
            with pytest.raises(httpx.TransportError) as raised:
                await client.post(url, content=b"{}")
            assert not isinstance(raised.value, NOT_SENT)

    asyncio.run(calls())


def test_who_does_not_answer_in_time_may_have_done_it() -> None:
    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await heard(reader)
        await heard(reader)  # nothing more comes

    async def calls() -> None:
        async with served(serve) as url, client_of(network(), read=0.2) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.post(url, content=b"{}")

    asyncio.run(calls())


def test_where_nobody_listens_nothing_was_sent() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Not reached."""

    async def calls() -> None:
        async with served(serve) as url:
            pass
        async with client_of(network()) as client:
            with pytest.raises(httpx.ConnectError):
                await client.post(url, content=b"{}")

    asyncio.run(calls())


def certified(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server on 127.0.0.1 and of a client that trusts it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now, here = datetime.datetime.now(datetime.UTC), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([here]), critical=True).sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "both.pem").write_bytes(secret + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "both.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


async def speak_http_2(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers each request with 200 and no body."""
    spoken = H2Connection(H2Configuration(client_side=False))
    spoken.initiate_connection()
    writer.write(spoken.data_to_send())
    while data := await reader.read(65_536):
        for event in spoken.receive_data(data):
            if isinstance(event, RequestReceived):
                assert event.stream_id is not None
                spoken.send_headers(event.stream_id, [(":status", "200")], end_stream=True)
        writer.write(spoken.data_to_send())


async def speak_http_1(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers each request, and tells in what it was spoken to."""
    while request := await heard(reader):
        assert b" HTTP/1.1\r\n" in request
        writer.write(GOOD)


@pytest.mark.parametrize(
    ("serve", "protocols", "spoken"),
    [
        (speak_http_2, ["h2", "http/1.1"], "HTTP/2"),
        (speak_http_1, ["http/1.1"], "HTTP/1.1"),
        (speak_http_1, [], "HTTP/1.1"),
    ],
)
def test_http_2_where_it_is_served(tmp_path: Path, serve: Serve, protocols: list[str], spoken: str) -> None:
    server, trusting = certified(tmp_path)
    if protocols:
        server.set_alpn_protocols(protocols)

    async def calls() -> list[tuple[int, str]]:
        async with served(serve, server) as url, client_of(Network(trusting, 4)) as client:
            answers = [await client.put(url, content=b"{}") for _ in range(3)]
            return [(answer.status_code, answer.http_version) for answer in answers]

    assert asyncio.run(calls()) == [(200, spoken)] * 3


def test_a_certificate_of_nobody_we_trust_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    server, _ = certified(tmp_path)

    async def calls() -> None:
        async with served(speak_http_1, server) as url, client_of(network()) as client:
            with pytest.raises(httpx.ConnectError):
                await client.post(url, content=b"{}")

    asyncio.run(calls())
