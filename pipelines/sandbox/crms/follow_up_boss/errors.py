"""What Follow Up Boss answers when it refuses: `{"errorMessage": "..."}` (fact sheet 4.6).

From the sources: the text of the deep offset and of unknown fields. All other texts are UNVERIFIED.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.responses import Response

from pipelines.sandbox.wire import Refused, answer

DEEP = "Deep pagination disabled, use 'nextLink' url"


def error(message: str, status: int = 400) -> Response:
    """Returns a refusal."""
    return answer({"errorMessage": message}, status)


def bad_body(problem: str) -> Response:
    """Returns the refusal of a body that is no JSON object."""
    return error(f"Invalid request body: {problem}.")


def refuse(message: str, status: int = 400) -> Refused:
    """Returns what a handler raises."""
    return Refused(error(message, status))


def invalid_fields(names: Iterable[str]) -> Refused:
    """Returns what a handler raises for fields it does not know."""
    return refuse(f"Invalid fields in the request body: {', '.join(names)}.")


def not_found() -> Refused:
    """Returns what a handler raises for an id it does not know."""
    return refuse("Not found.", 404)
