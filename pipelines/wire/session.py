"""The HTTP session of one connection: dlt's own, with its retries, inside our limits.

Every attempt (also a repeated or a redirected one) passes the limiter. Answers are parsed once. An answer that cannot
be read is asked for again, and then handed on as a set-aside page, so that the pages behind it are still read.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from dlt.sources.helpers.requests import Client
from requests import PreparedRequest, Response
from requests import Request as HttpRequest
from requests.adapters import BaseAdapter, HTTPAdapter

from pipelines.connections.connection import Connection
from pipelines.connections.redact import Redactor
from pipelines.mapping.language import Request
from pipelines.wire import errors
from pipelines.wire.ahead import ReadAhead, key_of
from pipelines.wire.auth import Auth, build_auth
from pipelines.wire.hosts import host_of
from pipelines.wire.limiter import Limiter, QuotaExhausted, Sent
from pipelines.wire.repeating import SetAside, repeated
from pipelines.wire.throttle import is_throttled, retry_after


@dataclass
class Wire:
    """All that a call of one connection needs: session, limiter, redaction, and what was counted.

    `started_at` is the earliest the CRM's own clock can have been when this session's first answer was made (UTC);
    `calls` counts attempts by what they were made for: `wire.purpose.name`, set by the thread that asks.
    """

    label: str
    base_url: str
    session: Any
    limiter: Limiter
    redact: Redactor
    timeout: float
    hosts: set[str] = field(default_factory=set)
    calls: Counter[str] = field(default_factory=Counter)
    started_at: datetime | None = None
    set_aside: list[SetAside] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    auth: Auth | None = None
    ahead: Any = None
    purpose: threading.local = field(default_factory=threading.local)

    def log_in(self) -> str:
        """The base URL that holds for this account; asks for a token where the login tells the host.

        Raises:
            CrmError: the login failed.
        """
        self.base_url = (self.auth.base_url if self.auth else None) or self.base_url
        return self.base_url

    def ask(self, request: Request) -> Response:
        """The answer to one call that is no page of a list, whatever its status; a login that has ended is renewed.

        Args:
            request: as a mapping says it, with all values filled in; its path may be a whole address.

        Raises:
            CrmError: the login failed. RequestException: no answer came.
        """
        path = request.path
        url = path if path.startswith("http") else f"{self.log_in().rstrip('/')}/{path.lstrip('/')}"
        call = HttpRequest(
            request.method, url, headers=request.headers, params=request.params, json=request.json_body
        )  # fmt: skip
        sent: Response = self.session.send(self.session.prepare_request(call), timeout=(10, self.timeout))
        return sent

    def close(self) -> None:
        """Ends calls that were made ahead, and closes the connections."""
        self.ahead.close()
        self.session.close()

    def failed(self, what: str, cause: BaseException) -> errors.CrmError:
        """The error to raise for a failure of `what`, such as 'fetch contacts'."""
        if isinstance(cause, errors.CrmError):
            return cause
        if isinstance(cause, QuotaExhausted):
            return errors.CrmThrottled(self.label, f"Failed to {what}", details=str(cause))
        response = getattr(cause, "response", None)
        if isinstance(response, Response):
            throttled = bool(getattr(response, "throttled", False))
            return errors.refused(self.label, what, self.redact, response, throttled=throttled)
        return errors.unreachable(self.label, what, self.redact, cause, self.timeout)


def open_wire(
    connection: Connection, limiter: Limiter, *, adapter: BaseAdapter | None = None, backoff: float = 0.5
) -> Wire:
    """A session for one connection.

    Args:
        connection: whose limits, time-out and secrets hold.
        limiter: shared by all who call this CRM account.
        adapter: what carries the bytes; default: the network.
        backoff: seconds before the first repetition; doubles with each.
    """
    wired = connection.wire
    redact = Redactor(connection.secrets)
    client = Client(
        request_timeout=(min(wired.timeout, 10.0), wired.timeout),
        raise_for_status=False,
        max_connections=max(10, wired.concurrency * 2),
        retry_condition=lambda response, _: bool(response is not None and is_throttled(response, wired.throttled)),
        request_backoff_factor=backoff,
    )
    session: Any = client.session
    base_url = wired.base_url or ""
    wire = Wire(connection.mapping.label, base_url, session, limiter, redact, wired.timeout)
    wire.hosts = {host_of(base_url)}
    inner = adapter or HTTPAdapter(pool_connections=4, pool_maxsize=max(10, wired.concurrency * 2))
    limited = _LimitedAdapter(inner, wire, wired.throttled, wired.concurrency)
    session.trust_env = False
    session.mount("http://", limited)
    session.mount("https://", limited)
    wire.ahead = ReadAhead(session, repeated(session.send, wire, backoff), wired.concurrency)
    session.send = wire.ahead.send
    session.prepare_request = _labelled(session.prepare_request, wire.purpose)
    session.__deepcopy__ = lambda _: session  # rest_api copies its configuration to validate it
    wire.auth = session.auth = build_auth(wired.auth)
    if wire.auth is not None:
        wire.auth.bind(wire)
    session.headers.update(wired.headers)
    return wire


class _LimitedAdapter(BaseAdapter):
    """Lets each single attempt wait for the limiter, and tells it what came back."""

    def __init__(self, inner: BaseAdapter, wire: Wire, throttled: dict[str, Any] | None, at_once: int) -> None:
        super().__init__()
        self._inner, self._wire, self._throttled = inner, wire, throttled
        self._in_flight = threading.Semaphore(at_once)

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """One attempt."""
        url, wire = request.url or "", self._wire
        if host_of(url) not in wire.hosts:
            raise errors.CrmRefused(
                wire.label, f"Refused to send credentials to another host than {', '.join(sorted(wire.hosts))}",
                method=request.method or "", path=urlsplit(url).netloc,
            )  # fmt: skip
        sent, is_good = self._begin(request.method or "GET", urlsplit(url).path), False
        try:
            with wire.lock:
                wire.calls[getattr(request, "purpose", "")] += 1
            response = self._inner.send(request, *args, **kwargs)
            is_good = response.status_code < 400
        finally:
            wire.limiter.answered(sent, is_typical=is_good)
            self._in_flight.release()
        self._learn(response)
        return response

    def _begin(self, method: str, path: str) -> Sent:
        """Waits for a place among the calls in flight and for the limiter together.

        A call that the limiter has counted leaves at once: one that waited for a place would arrive with later ones.
        And a call that waits for a limit of its own keeps no place from others.
        """
        while True:
            self._in_flight.acquire()
            try:
                taken = self._wire.limiter.take(method, path)
            except BaseException:
                self._in_flight.release()
                raise
            if isinstance(taken, Sent):
                return taken
            self._in_flight.release()
            time.sleep(taken)

    def close(self) -> None:
        """Closes the connections."""
        self._inner.close()

    def _learn(self, response: Response) -> None:
        wire: Any = self._wire
        if is_throttled(response, self._throttled):
            response.throttled = True  # type: ignore[attr-defined]
            told = response.request
            wire.limiter.throttled(retry_after(response), told.method or "", told.path_url)
        elif response.status_code < 500:
            wire.limiter.succeeded()
        if wire.started_at is None:
            wire.started_at = min(datetime.now(UTC), _server_time(response))


def _labelled(prepare: Callable[..., PreparedRequest], purpose: threading.local) -> Callable[..., PreparedRequest]:
    """Notes on each call for whom it is made, so that calls can be counted though they are made in other threads."""

    def prepare_labelled(request: Any) -> PreparedRequest:
        prepared: Any = prepare(request)
        prepared.purpose, prepared.key = getattr(purpose, "name", ""), key_of(request)
        return prepared  # type: ignore[no-any-return]

    return prepare_labelled


def _server_time(response: Response) -> datetime:
    try:
        return parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError, TypeError):
        return datetime.now(UTC)
