"""A small CRM over HTTP and one in this process, for the tests of the wire."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter

from pipelines.connections.connection import Connection, Settings
from pipelines.connections.owner import Owner
from pipelines.mapping.language import Mapping
from pipelines.wire.limiter import Limiter
from pipelines.wire.session import Wire, open_wire
from pipelines.wire.tokens import shared_tokens

Answer = tuple[int, bytes, dict[str, str]]


class Scripted(BaseAdapter):
    """Answers each request by a function of (request, its number, from 1)."""

    def __init__(self, answer: Callable[[PreparedRequest, int], Answer | Exception]) -> None:
        super().__init__()
        self.answer_of = answer
        self.requests: list[PreparedRequest] = []

    def send(self, request: PreparedRequest, *_: Any, **__: Any) -> Response:
        self.requests.append(request.copy())
        answered = self.answer_of(request, len(self.requests))
        if isinstance(answered, Exception):
            raise answered
        status, body, headers = answered
        response = Response()
        response.status_code, response._content, response.encoding = status, body, "utf-8"
        response.request, response.url = request, request.url or ""
        response.headers.update({"Content-Type": "application/json", **headers})
        return response

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture(autouse=True)
def _no_tokens_from_other_tests() -> None:
    shared_tokens._tokens.clear()


@pytest.fixture
def wired(tmp_path: Path) -> Callable[..., tuple[Wire, Scripted]]:
    """Builds a session whose answers are scripted: `wired(answer, auth={...}, ...)`."""

    def build(answer: Callable[[PreparedRequest, int], Answer | Exception], **block: Any) -> tuple[Wire, Scripted]:
        secrets = block.pop("secrets", ("s3cr3t-value",))
        block = {"kind": "http", "base_url": "https://crm.test/v1", "timeout": 2, **block}
        mapping = Mapping.model_validate(
            {"crm": "x", "label": "Acme", "connection": block,
             "entities": {"contacts": {"extract": {"path": "contacts"}, "id": "id", "fields": {"name": "name"}}}}
        )  # fmt: skip
        connection = Connection(
            "x", Owner("o", tmp_path), mapping, Settings(), True, mapping.connection, frozenset(secrets)
        )
        adapter = Scripted(answer)
        return open_wire(connection, Limiter(mapping.connection.limits), adapter=adapter, backoff=0.0), adapter

    return build
