"""What comes after an answer: a login that has ended is renewed, an answer that cannot be read asked for again.

One that stays unreadable is handed on as a set-aside page, so that the pages behind it are still read. The others are
parsed once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from requests import PreparedRequest, Response
from requests.exceptions import ChunkedEncodingError, HTTPError, RequestException

from pipelines.wire import errors
from pipelines.wire.readable import Unreadable, parse

READ_TRIES = 3


@dataclass
class SetAside:
    """A page that could not be read, also after repetition."""

    reason: str
    text: str


def repeated(send: Callable[..., Response], wire: Any, backoff: float) -> Callable[..., Response]:
    """Wraps a session's `send`.

    Args:
        send: sends one prepared request, with the repetitions of its session.
        wire: the connection's session, whose `set_aside` takes what cannot be read.
        backoff: seconds before an unreadable answer is asked for again; grows with each.
    """

    def send_renewed(request: PreparedRequest, **kwargs: Any) -> Response:
        """Whether somebody raises at an error (dlt does, for pages) or looks at the status, 401 is asked for again."""
        try:
            response = send(request, **kwargs)
        except HTTPError as problem:
            if problem.response is None or not _is_renewed(request, problem.response):
                raise
            return send(request, **kwargs)
        return send(request, **kwargs) if _is_renewed(request, response) else response

    def send_readable(request: PreparedRequest, **kwargs: Any) -> Response:
        for attempt in range(1, READ_TRIES + 1):
            last = attempt == READ_TRIES
            try:
                return _with_memory(send_renewed(request, **kwargs))
            except Unreadable as problem:
                if last:
                    return _set_aside(request, wire, problem.reason, problem.text)
            except ChunkedEncodingError as problem:
                if last:
                    return _set_aside(request, wire, "the answer breaks off", str(problem))
            time.sleep(backoff * attempt / 2)
        raise RequestException("no answer could be read", request=request)

    return send_readable


def _is_renewed(request: PreparedRequest, response: Response) -> bool:
    """Whether the login had ended and the request has a new one."""
    renew = getattr(request, "renew", None)
    return response.status_code == 401 and renew is not None and bool(renew(request))


def _with_memory(response: Response) -> Response:
    memory: list[Any] = []

    def json(**_: Any) -> Any:
        if not memory:
            memory.append(parse(response))
        return memory[0]

    if response.status_code < 400:
        json()
    response.json = json  # type: ignore[method-assign]
    response.received_at = time.time_ns() // 1000  # type: ignore[attr-defined]
    return response


def _set_aside(request: PreparedRequest, wire: Any, reason: str, text: str) -> Response:
    """An empty page that says it is one that could not be read."""
    page = SetAside(reason, errors.shortened(wire.redact, text, 2000))
    with wire.lock:
        wire.set_aside.append(page)
    response: Any = Response()
    response.status_code, response.url, response.request = 200, request.url or "", request
    response._content = b""
    response.set_aside = page
    response.received_at = time.time_ns() // 1000
    response.json = lambda **_: {}
    return response  # type: ignore[no-any-return]
