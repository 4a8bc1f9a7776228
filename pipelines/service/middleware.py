"""Around every call: a request id, headers, a limit on the body, the guard of the path, counts. Plain ASGI."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.service.context import Context
from pipelines.service.errors import ServiceError, answer, broken
from pipelines.service.routing import Guard

_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class Frame:
    """The outermost layer of the service."""

    def __init__(
        self, app: ASGIApp, *, context: Context, guards: Mapping[str, Guard], body_limits: Mapping[str, int]
    ) -> None:
        self._app, self._context = app, context
        self._guards = sorted(guards.items(), key=lambda pair: -len(pair[0]))
        self._body_limits = body_limits
        self._body_limit = int(context.settings.max_body_mb * 1_048_576)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = _Call(scope, receive, send, self._limit(scope["path"]))
        try:
            await self._admit(scope, call)
            await self._app(scope, call.receive, call.send)
        except ServiceError as refused:
            await self._refuse(call, refused, scope)
        except Exception as error:
            self._context.metrics.failures.labels("request").inc()
            response = broken(error, scope["path"], call.request_id)
            if call.status:
                raise  # the answer had begun: cutting the connection is all that is left
            await response(scope, receive, call.send)
        finally:
            self._count(scope, call)

    def _limit(self, path: str) -> int:
        return self._body_limits.get(path, self._body_limit)

    async def _admit(self, scope: Scope, call: _Call) -> None:
        scope.setdefault("state", {})["request_id"] = call.request_id
        # a route also matches its path and a line break behind it, so the guard must, too; it leads nowhere
        path = _UNPRINTABLE.sub("", scope["path"])
        guard = next((g for prefix, g in self._guards if path == prefix or path.startswith(f"{prefix}/")), None)
        if guard is not None:
            await run_in_threadpool(guard, Request({**scope, "app": scope.get("app") or self._app}))
        if path != scope["path"]:
            raise ServiceError(404, "Not Found")

    async def _refuse(self, call: _Call, refused: ServiceError, scope: Scope) -> None:
        if not call.status:
            await answer(refused, scope["path"])(scope, call.receive, call.send)

    def _count(self, scope: Scope, call: _Call) -> None:
        route = getattr(scope.get("route"), "path", None) or "none"
        method = scope["method"] if scope["method"] in _METHODS else "other"  # strangers may invent any number
        metrics = self._context.metrics
        metrics.requests.labels(method, route, str(call.status or 500)).inc()
        metrics.latency.labels(route).observe(time.perf_counter() - call.began)


class _Call:
    """One call on its way: counts what comes in, adds headers to what goes out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        self._receive, self._send, self._limit = receive, send, limit
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        self.request_id = given.decode() if _GIVEN_ID.fullmatch(given) else secrets.token_hex(8)
        self._declared = headers.get(b"content-length", b"")
        self._came = 0
        self.status = 0
        self.began = time.perf_counter()

    def _excess(self) -> ServiceError:
        return ServiceError(413, f"Request body is larger than {self._limit} bytes", headers={"Connection": "close"})

    async def receive(self) -> Message:
        """The next part of the body; one that is too long is refused before it comes, if its length is declared."""
        if self._declared.isdigit() and int(self._declared) > self._limit:
            raise self._excess()
        message = await self._receive()
        self._came += len(message.get("body", b""))
        if self._came > self._limit:
            raise self._excess()
        return message

    async def send(self, message: Message) -> None:
        """The next part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present: list[tuple[bytes, bytes]] = list(message.get("headers", []))
            names: set[Any] = {name.lower() for name, _ in present}
            present += [pair for pair in _HEADERS if pair[0] not in names]
            present.append((b"x-request-id", self.request_id.encode()))
            message["headers"] = present
        await self._send(message)
