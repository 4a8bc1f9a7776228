"""Calls and answers: what a CRM module sees of HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import orjson
from starlette.datastructures import Headers
from starlette.responses import Response

D = TypeVar("D")


class Refused(Exception):  # noqa: N818 - it is an answer, not an error of the sandbox
    """Raised anywhere below a handler: what was written so far is undone and `answer` is sent."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Returns a JSON answer; `None` as body sends none at all."""
    content = b"" if body is None else orjson.dumps(body)
    return Response(content, status, headers, media_type=None if body is None else "application/json")


def text(body: str, status: int, media_type: str = "text/plain") -> Response:
    """Returns an answer in plain text or HTML."""
    return Response(body, status, media_type=media_type)


@dataclass(slots=True)
class Call:
    """One HTTP call to a CRM, its body already read.

    Attributes:
        path: as the CRM sees it, without the mount (`/v1/contacts`).
        template: the route that took it (`/v1/contacts/{id}`); the path with ids masked when none did.
        params: what the route's braces matched, decoded.
        origin: scheme and host that the caller used, with the mount, for links in answers.
        client: who calls, once `Crm.authorize` has found out.
    """

    method: str
    path: str
    query_string: str
    headers: Headers
    content: bytes
    origin: str = ""
    template: str = ""
    params: dict[str, str] = field(default_factory=dict)
    client: str = ""
    memo: dict[str, Any] = field(default_factory=dict)

    @property
    def query(self) -> dict[str, str]:
        """The query parameters; of a repeated one the last."""
        return dict(self.query_list)

    @property
    def query_list(self) -> list[tuple[str, str]]:
        """The query parameters in order, repeated ones too."""
        return parse_qsl(self.query_string, keep_blank_values=True)

    def json(self) -> Any:
        """Returns the body. Raises orjson.JSONDecodeError (a ValueError) when it is not JSON."""
        return orjson.loads(self.content)

    def object(self, refuse: Callable[[str], Response]) -> dict[str, Any]:
        """Returns the body, a JSON object; raises `Refused` with `refuse(why)` where it is something else."""
        try:
            given = self.json()
        except ValueError:
            raise Refused(refuse("the body is not JSON")) from None
        if not isinstance(given, dict):
            raise Refused(refuse("the body is not a JSON object"))
        return given

    def form(self) -> dict[str, str]:
        """Returns a form-encoded body."""
        return dict(parse_qsl(self.content.decode("utf-8", "replace"), keep_blank_values=True))

    def bearer(self, scheme: str = "Bearer") -> str:
        """Returns what follows the scheme in the Authorization header, "" where it is another scheme."""
        given, _, credentials = self.headers.get("authorization", "").partition(" ")
        return credentials.strip() if given.lower() == scheme.lower() else ""


Handler = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """Who answers which call.

    Attributes:
        path: a path with braces, `/v1/contacts/{id}`; `{name:path}` also takes slashes.
        public: True where no login is needed (the token endpoint).
    """

    method: str
    path: str
    handler: Handler
    public: bool = False

    def pattern(self) -> re.Pattern[str]:
        """Returns the expression that matches a whole path."""
        parts = re.split(r"\{(\w+)(:path)?\}", self.path)
        expression = "".join(
            re.escape(parts[i])
            + (f"(?P<{parts[i + 1]}>{'.+' if parts[i + 2] else '[^/]+'})" if i + 2 < len(parts) else "")
            for i in range(0, len(parts), 3)
        )
        return re.compile(expression)


class Router:
    """Finds the route of a call."""

    def __init__(self, routes: list[Route]) -> None:
        self._routes = [(route.pattern(), route) for route in routes]

    def find(self, call: Call) -> Route | None:
        """Returns the route, having put its template and params into the call."""
        for pattern, route in self._routes:
            if route.method == call.method and (match := pattern.fullmatch(call.path)):
                call.template, call.params = route.path, match.groupdict()
                return route
        call.template = re.sub(r"/[^/]*\d[^/]{4,}|/\d+", "/{id}", call.path)
        return None

    def knows(self, path: str) -> bool:
        """Says whether the path exists for some other method (405 rather than 404)."""
        return any(pattern.fullmatch(path) for pattern, _ in self._routes)


def whole_number(value: str | None, default: int, refuse: Callable[[], Response], low: int = 0) -> int:
    """Reads a number of the query; raises `Refused` with `refuse()` where it is none or below `low`."""
    if value is None:
        return default
    if not re.fullmatch(r"\d{1,18}", value) or int(value) < low:
        raise Refused(refuse())
    return int(value)
