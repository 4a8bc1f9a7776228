"""Salesforce's errors (fact sheet 2.6): a list of `{message, errorCode, fields?}`; in rows of collections the code is
called `statusCode`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from pipelines.sandbox.wire import Refused, answer


class Failed(Exception):  # noqa: N818 - a row's outcome
    """A record that was not written.

    Attributes:
        status: of a call that writes this record alone.
        more: what else that call's answer holds, e.g. `duplicateResult`.
    """

    def __init__(
        self, code: str, message: str, fields: Sequence[str] | None = None, *, status: int = 400,
        more: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.code, self.message, self.fields = code, message, fields
        self.status, self.more = status, more or {}

    def refusal(self) -> Refused:
        """Returns the answer to a call that writes this record alone."""
        named = {} if self.fields is None else {"fields": list(self.fields)}
        return Refused(answer([self.more | {"message": self.message, "errorCode": self.code} | named], self.status))

    def row(self) -> dict[str, Any]:
        """Returns the outcome of this record in a collection."""
        error = {"statusCode": self.code, "message": self.message, "fields": list(self.fields or [])}
        return {"success": False, "errors": [error | self.more]}


def error(code: str, message: str, status: int = 400) -> Response:
    """Returns an answer with one error."""
    return answer([{"message": message, "errorCode": code}], status)


def not_found() -> Response:
    """404."""
    return error("NOT_FOUND", "The requested resource does not exist", 404)


def unreadable(problem: str) -> Response:
    """400 for a body that is not the JSON it should be."""
    return error("JSON_PARSER_ERROR", problem)


def malformed(problem: str) -> Refused:
    """400 for a query that cannot be read."""
    return Refused(error("MALFORMED_QUERY", problem))


def invalid_field(problem: str) -> Refused:
    """400 for a field that is not there, or not to be compared so."""
    return Refused(error("INVALID_FIELD", problem))


def invalid_type(name: str) -> Refused:
    """400 for an object that is not there."""
    return Refused(error("INVALID_TYPE", f"sObject type '{name}' is not supported."))


def session_expired() -> Refused:
    """401."""
    return Refused(error("INVALID_SESSION_ID", "Session expired or invalid", 401))
