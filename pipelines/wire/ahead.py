"""Fetches pages ahead: what a paginator will ask for is asked for early, in threads, and handed out in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from requests import PreparedRequest, Request, Response


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
        self._under_way: dict[str, Future[Response]] = {}
        self._lock = threading.Lock()

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        """The answer: from the call under way, or from a call made now."""
        with self._lock:
            future = self._under_way.pop(getattr(request, "key", ""), None)
        return future.result() if future is not None else self._send(request, **kwargs)

    def want(self, requests: Iterable[Request]) -> None:
        """Starts calls whose answers will be asked for; those under way are not made twice."""
        if self.at_once < 2:
            return
        for request in requests:
            key = key_of(request)
            with self._lock:
                is_under_way = key in self._under_way
            if is_under_way:
                continue
            prepared = self._session.prepare_request(request)
            settings = self._session.merge_environment_settings(prepared.url, {}, None, None, None)
            with self._lock:
                self._under_way[key] = self._workers().submit(self._send, prepared, **settings)

    def close(self) -> None:
        """Cancels what has not begun."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _workers(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.at_once, thread_name_prefix="ahead")
        return self._pool


def key_of(request: Request) -> str:
    """What tells two requests apart, before they are prepared."""
    return repr((request.method, request.url, request.params, request.json))
