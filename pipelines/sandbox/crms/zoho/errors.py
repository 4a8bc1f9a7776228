"""What Zoho answers when it refuses: `{"code", "details", "message", "status": "error"}`, in rows as for a whole call.

Source: fact sheet 3.3 to 3.6; messages that it lacks are from the type map of Zoho's own SDK, which lists them. The
message of 429 is UNVERIFIED.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from pipelines.sandbox.wire import Refused, answer

MESSAGES = {
    "INVALID_DATA": "invalid data",
    "MANDATORY_NOT_FOUND": "required field not found",
    "DUPLICATE_DATA": "duplicate data",
    "REQUIRED_PARAM_MISSING": "One of the expected parameter is missing",
    "INVALID_MODULE": "the module name given seems to be invalid",
    "INVALID_TOKEN": "invalid oauth token",
    "AUTHENTICATION_FAILURE": "Authentication failed",
    "NO_PERMISSION": "permission denied",
    "INVALID_URL_PATTERN": "Please check if the URL trying to access is a correct one",
    "METHOD_NOT_ALLOWED": "The http request method type is not a valid one",
    "INTERNAL_ERROR": "Internal server error occurred.",
    "INVALID_QUERY": "invalid query formed",
    "SYNTAX_ERROR": "invalid query formed",
    "RECORD_MODIFIED": "the record has been modified",
    "EXPIRED_VALUE": "the page_token has expired",
    "AMBIGUITY_DURING_PROCESSING": "page and page_token cannot be given together",
    "LIMIT_EXCEEDED": "the limit was exceeded",
    "NOT_ALLOWED": "not allowed",
    "DISCRETE_PAGINATION_LIMIT_EXCEEDED": "You can only get the first 2000 records without using page_token param",
    "PAGINATION_LIMIT_EXCEEDED": "You can only get upto 100000 records using page_token param",
    "TOKEN_BOUND_DATA_MISMATCH": (
        "The page_token given seems to be invalid or input param is added or altered or deleted"
    ),
    "TOO_MANY_REQUESTS": "You have made too many requests.",
}  # fmt: skip


class RowError(Exception):
    """One row of a batch is refused; the others go on."""

    def __init__(self, code: str, message: str | None = None, **details: Any) -> None:
        super().__init__(code)
        self.body = body(code, message, **details)


def body(code: str, message: str | None = None, **details: Any) -> dict[str, Any]:
    """Returns the body of an error."""
    return {"code": code, "details": details, "message": message or MESSAGES[code], "status": "error"}


def error(code: str, status: int = 400, message: str | None = None, **details: Any) -> Response:
    """Returns a refusal."""
    return answer(body(code, message, **details), status)


def refuse(code: str, status: int = 400, message: str | None = None, **details: Any) -> Refused:
    """Returns what a handler raises."""
    return Refused(error(code, status, message, **details))


def bad_body(problem: str) -> Response:  # noqa: ARG001 - which of the two it was is not said
    """Returns the refusal of a body that is no JSON object."""
    return error("INVALID_DATA", expected_data_type="jsonobject")
