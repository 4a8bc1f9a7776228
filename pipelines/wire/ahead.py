"""Fetches pages ahead: what a paginator will ask for is asked for early, in threads, and handed out in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from requests import PreparedRequest, Request, Response

Key = tuple[str, str, bytes]


class ReadAhead:
    """The `send` of a session that may have the answer under way already.

    Args:
        session: prepares requests (login, headers) as it would for anybody.
        send: makes one call.
        at_once: calls in flight together.
    """

    def __init__(self, session: Any, send: Callable[..., Response], at_once: int) -> None:
        self.at_once = at_once
        self._session, self._send = session, send
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: dict[Key, Future[Response]] = {}
        self._lock = threading.Lock()

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        """The answer: from the call under way, or from a call made now."""
        with self._lock:
            future = self._under_way.pop(_key(request), None)
        return future.result() if future is not None else self._send(request, **kwargs)

    def want(self, requests: Iterable[Request]) -> None:
        """Starts calls whose answers will be asked for; those under way are not made twice."""
        if self.at_once < 2:
            return
        for request in requests:
            prepared = self._session.prepare_request(request)
            settings = self._session.merge_environment_settings(prepared.url, {}, None, None, None)
            with self._lock:
                if _key(prepared) not in self._under_way:
                    future = self._workers().submit(self._send, prepared, **settings)
                    self._under_way[_key(prepared)] = future

    def forget(self, requests: Iterable[Request]) -> None:
        """Drops calls that turned out not to be needed."""
        for request in requests:
            with self._lock:
                future = self._under_way.pop(_key(self._session.prepare_request(request)), None)
            if future is not None:
                future.cancel()

    def close(self) -> None:
        """Cancels what has not begun."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _workers(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.at_once, thread_name_prefix="ahead")
        return self._pool


def _key(request: PreparedRequest) -> Key:
    body: Any = request.body or b""
    return request.method or "", request.url or "", body.encode() if isinstance(body, str) else body
