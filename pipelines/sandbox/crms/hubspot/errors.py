"""HubSpot's error bodies (fact sheet 1.6): `{status: "error", message, correlationId, category, ...}`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from pipelines.sandbox.wire import answer


def body(message: str, category: str = "", **more: Any) -> dict[str, Any]:
    """Returns an error; without a category where the service sends none, whatever its specification says."""
    named = {"category": category} if category else {}
    return {"status": "error", "message": message, "correlationId": str(uuid.uuid4())} | named | more


def invalid(message: str, **more: Any) -> Response:
    """400, VALIDATION_ERROR."""
    return answer(body(message, "VALIDATION_ERROR", **more), 400)


def invalid_properties(problems: list[dict[str, Any]]) -> Response:
    """400 whose message holds the list of what is wrong as JSON, beside `errors`."""
    return answer(invalid_properties_body(problems), 400)


def invalid_properties_body(problems: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the body of the answer to properties that are not known or not well formed."""
    text = json.dumps(problems, separators=(",", ":"), ensure_ascii=False)
    errors = [
        {"message": problem["message"], "code": problem["error"], "context": {"propertyName": [problem["name"]]}}
        for problem in problems
    ]
    return body(f"Property values were not valid: {text}", "VALIDATION_ERROR", errors=errors)


def not_found(message: str = "resource not found") -> Response:
    """404; the text is UNVERIFIED."""
    return answer(body(message, "OBJECT_NOT_FOUND"), 404)


def unknown_type(name: str) -> Response:
    """400 for an object type that does not exist: the one error without a category."""
    return answer(body(f"Unable to infer object type from: {name}"), 400)


def conflict(message: str) -> Response:
    """409."""
    return answer(body(message, "CONFLICT"), 409)


def unauthenticated() -> Response:
    """401 for a call without credentials, or with ones that were never valid."""
    return answer(
        body(
            "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more "
            "details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
            "INVALID_AUTHENTICATION",
        ),
        401,
    )


def expired(seconds: float) -> Response:
    """401 for an OAuth token past its 30 minutes."""
    ago = f"{int(seconds)} second(s)"
    message = f"The OAuth token used to make this call expired {ago} ago."
    return answer(body(message, "EXPIRED_AUTHENTICATION", context={"expire time": [ago]}), 401)


def missing_scope(scope: str) -> Response:
    """403."""
    context = {"requiredGranularScopes": [scope]}
    message = "One or more of the following scopes are required."
    errors = [{"message": message, "context": context}]
    return answer(body(message, "MISSING_SCOPES", context=context, errors=errors), 403)


def row_error(category: str, message: str, context: Mapping[str, list[str]], **more: Any) -> dict[str, Any]:
    """Returns one error of a 207.

    The specification requires `errors` and `links`, and the vendor's client refuses an answer without them; recorded
    answers lack them. They are sent.
    """
    return {
        "status": "error", "category": category, "message": message, "context": dict(context), "errors": [],
        "links": {},
    } | more  # fmt: skip
