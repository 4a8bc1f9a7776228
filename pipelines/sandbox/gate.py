"""The way of a call into one CRM and out again: latency, faults, the CRM's work, the log of calls."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from pipelines.sandbox.crm import Crm
from pipelines.sandbox.faults import Fault
from pipelines.sandbox.wire import Call, answer, text

_PAGE = "<!doctype html><html><head><title>Maintenance</title></head><body><h1>We will be right back</h1></body></html>"
_DISTURBING = ("change", "remove", "insert")


@dataclass(slots=True)
class Calls:
    """What was asked of one CRM.

    Attributes:
        counts: calls by (method, route template, status); 0 as status where the connection was closed instead.
        log: the last calls as (seconds since start of the machine, method, path with query, status).
    """

    counts: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    log: deque[tuple[float, str, str, int]] = field(default_factory=lambda: deque(maxlen=100_000))

    def note(self, call: Call, arrived: float, status: int) -> None:
        """Counts a call that was answered."""
        self.counts[call.method, call.template or call.path, status] += 1
        target = f"{call.path}?{call.query_string}" if call.query_string else call.path
        self.log.append((arrived, call.method, target, status))

    def clear(self) -> None:
        """Starts counting afresh."""
        self.counts.clear()
        self.log.clear()


class Gate:
    """The ASGI application of one CRM."""

    def __init__(self, crm: Crm) -> None:
        self.crm = crm
        self.calls = Calls()

    async def __call__(self, scope: Scope, receive: Receive, send: Send, path: str, mount: str) -> None:
        """Answers one call; `path` is the CRM's own, `mount` what stands before it."""
        call = await _read(scope, receive, path, mount)
        arrived = time.monotonic()
        status = await self._answer(call, scope, send)
        self.calls.note(call, arrived, status)

    async def _answer(self, call: Call, scope: Scope, send: Send) -> int:
        striking = {fault.kind: fault for fault in self.crm.faults.striking(call.method, call.path)}
        wait = self.crm.latency + (striking["latency"].seconds if "latency" in striking else 0.0)
        if wait:
            await asyncio.sleep(wait)
        if "drop" in striking:
            return await _hang_up(scope, send)
        if "expire" in striking:
            self.crm.tokens.withdraw_all()
        response = self._instead(call, striking) or self.crm.respond(call)
        for kind in _DISTURBING:
            if kind in striking:
                self.crm.disturb(kind, striking[kind].draw(), striking[kind].records)
        if "lost" in striking:
            return await _hang_up(scope, send)
        for kind in ("repeat", "empty"):
            if kind in striking:
                response = _mangled(response, kind)
        if "lost_error" in striking:
            response = self.crm.failure(striking["lost_error"].status)
        return await _send(response, striking, scope, send)

    def _instead(self, call: Call, striking: dict[str, Fault]) -> Response | None:
        if "error" in striking:
            return self.crm.failure(striking["error"].status)
        if "throttle" in striking:
            return self.crm.too_many(call, striking["throttle"].retry_after)
        if "answer" in striking:
            canned = striking["answer"]
            return text(canned.body, canned.status, canned.media_type)
        return text(_PAGE, 200, "text/html") if "html" in striking else None


def _mangled(response: Response, kind: str) -> Response:
    """Repeats the first record of every list of records in a JSON answer, or leaves the records out."""
    try:
        body = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return response

    def changed(value: Any) -> Any:
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            return [] if kind == "empty" else [value[0], *value]
        return {key: changed(item) for key, item in value.items()} if isinstance(value, dict) else value

    return answer(changed(body), response.status_code)


async def _read(scope: Scope, receive: Receive, path: str, mount: str) -> Call:
    parts = []
    message: Message = {"more_body": True}
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
    headers = Headers(scope=scope)
    origin = f"{scope['scheme']}://{headers.get('host', 'sandbox')}{mount}"
    return Call(scope["method"], path, scope["query_string"].decode("latin-1"), headers, b"".join(parts), origin)


async def _send(response: Response, striking: dict[str, Fault], scope: Scope, send: Send) -> int:
    body = bytes(response.body)
    if scope["method"] == "HEAD" or response.status_code in (204, 304):
        body = b""
    half = body[: len(body) // 2]
    headers = [(name, value) for name, value in response.raw_headers if name != b"content-length"]
    promised = half if "truncate" in striking else body
    if response.status_code not in (204, 304):
        headers.append((b"content-length", str(len(promised)).encode()))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    if "cut" in striking and half:
        await send({"type": "http.response.body", "body": half, "more_body": True})
        return await _hang_up(scope, send)
    await send({"type": "http.response.body", "body": promised})
    return response.status_code


async def _hang_up(scope: Scope, send: Send) -> int:  # noqa: ARG001
    state: dict[str, Any] = scope.get("state") or {}
    transport = state.get("sandbox_transport")
    if transport is None:
        # a client in this process: it must see what it would have seen on a socket
        import httpx

        raise httpx.RemoteProtocolError("the sandbox closed the connection, as a fault told it to")
    transport.close()
    # lets the server notice, else it complains of an application that did not answer
    await asyncio.sleep(0.001)
    return 0
