"""Whatever is sent by the OpenAPI document, or against it: no 500, nothing that it does not describe, nobody let in."""

from __future__ import annotations

import base64
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CheckFunction
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi import checks

from pipelines.connections.project import Project
from pipelines.service.app import create_app
from pipelines.service.context import open_context

SECRET = "a secret of the tests, thirty-two bytes or more"
KEY = "a key of the tests"
VARIABLES = {
    "JWT_SECRET": SECRET, "WRAPPER_SECRET_KEY": SECRET, "INTERNAL_API_KEY": KEY, "INTERNAL_RATE_LIMIT": "1000000",
    "CRM_API_KEY": KEY, "RATE_LIMIT_PER_MINUTE": "1000000", "UNIFIED_RATE_LIMIT_PER_MINUTE": "1000000",
    "EXTERNAL_CRM_ENABLED": "true", "EXTERNAL_CRM_WEBHOOK_SECRET": "w",
    "ENCRYPTION_KEY": base64.b64encode(bytes(range(32))).decode(),
}  # fmt: skip
OPEN = ("/healthz", "/readyz", "/metrics", "/api/webhooks", "/api/external/status")
CHECKED: list[CheckFunction] = [
    checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance,
    checks.response_headers_conformance,
]  # fmt: skip
HEAVY = re.compile(r"POST .*/(sync|sync-all|sync/\{\w+\}|connect|test/\{\w+\})$|GET .*/fetch$")
"""What may start a run: tried a few times only."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Iterator[str]:
    """The whole service, with every door's key set, and no CRM that can be reached."""
    with pytest.MonkeyPatch.context() as patched, socket.socket() as listener:
        patched.delenv("DATABASE_URL", raising=False)
        root = tmp_path_factory.mktemp("project")
        for folder in ("mappings", "schemas"):
            (root / folder).symlink_to(project_root / folder)
        listener.bind(("127.0.0.1", 0))
        app = create_app(open_context(Project(root, root / "data"), VARIABLES))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(30)


@pytest.fixture(scope="module")
def document(address: str) -> Any:
    return schemathesis.openapi.from_url(f"{address}/openapi.json")


def keys() -> dict[str, str]:
    """What opens every door."""
    token = jwt.encode({"sub": "ann", "orgCode": "acme", "exp": time.time() + 600}, SECRET, "HS256")
    return {"Authorization": f"Bearer {token}", "X-Internal-API-Key": KEY, "X-API-Key": KEY}


def hunt(document: Any, look: Callable[[Any], None], generation: GenerationMode, examples: int = 12) -> list[str]:
    """Tries every operation with made-up calls; what was found wrong, an example of each."""
    operations, wrong = [found.ok() for found in document.get_all_operations()], []
    assert len(operations) > 40, "the document does not describe the whole service"
    for operation in operations:
        few = settings(
            max_examples=2 if HEAVY.search(operation.label) else examples, phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck), deadline=None, derandomize=True, database=None,
        )  # fmt: skip

        @few
        @given(case=operation.as_strategy(generation_mode=generation))
        def tried(case: Any) -> None:
            look(case)

        try:
            tried()
        except Unsatisfiable:  # nothing about this operation could be wrong
            continue
        except (AssertionError, FailureGroup, Failure, BaseExceptionGroup) as problem:
            wrong.append(f"{operation.label}: {problem}")
    return wrong


def with_every_key(case: Any) -> None:
    response = case.call(headers=keys(), timeout=60)
    assert response.status_code != 500, f"{case.as_curl_command()}\n{response.text}"
    case.validate_response(response, checks=CHECKED)


def without_a_key(case: Any) -> None:
    case.headers = {k: v for k, v in (case.headers or {}).items() if "auth" not in k.lower() and "key" not in k.lower()}
    response = case.call(timeout=60)
    is_open = case.path.startswith(OPEN)
    assert response.status_code == 401 or (is_open and response.status_code != 500), case.as_curl_command()
    case.validate_response(response, checks=CHECKED)


@pytest.mark.slow
@pytest.mark.parametrize("generation", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_with_every_key(document: Any, generation: GenerationMode) -> None:
    wrong = hunt(document, with_every_key, generation)
    assert not wrong, "\n\n".join(wrong)


def test_without_a_key(document: Any) -> None:
    wrong = hunt(document, without_a_key, GenerationMode.POSITIVE, examples=3)
    assert not wrong, "\n\n".join(wrong)
