"""Up to 25 calls in one: `composite`, where later ones may name what earlier ones answered, and `composite/batch`.

Source: fact sheet 2.3. UNVERIFIED: the text of PROCESSING_HALTED.
"""

from __future__ import annotations

import re
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.responses import Response

from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.salesforce import errors
from pipelines.sandbox.crms.salesforce.oauth import mount_of
from pipelines.sandbox.crms.salesforce.query_calls import DATA
from pipelines.sandbox.wire import Call, Refused, Route, answer

MOST = 25
_REFERENCE = re.compile(r"@\{(\w+)\.([\w.\[\]]+)\}")
Part = dict[str, Any]


class CompositeCalls:
    """Calls made of calls."""

    def __init__(self, crm: Crm) -> None:
        self.crm = crm

    def routes(self) -> list[Route]:
        """Returns the routes."""
        return [
            Route("POST", f"{DATA}/composite", self.composite),
            Route("POST", f"{DATA}/composite/batch", self.batch),
        ]

    def composite(self, call: Call) -> Response:
        """Makes calls one after the other; with `allOrNone` a failure undoes all of them."""
        given = call.object(errors.unreadable)
        parts = _parts(given.get("compositeRequest"))
        connection = self.crm.store.connection
        connection.execute("savepoint composite")
        answers: dict[str, Any] = {}
        responses = []
        for part in parts:
            response = self._made(call, part, answers)
            answers[str(part.get("referenceId"))] = response["body"]
            responses.append(response | {"referenceId": part.get("referenceId")})
        if given.get("allOrNone") and any(each["httpStatusCode"] >= 400 for each in responses):
            connection.execute("rollback to composite")
            responses = [_halted(each) for each in responses]
        connection.execute("release composite")
        return answer({"compositeResponse": responses})

    def batch(self, call: Call) -> Response:
        """Makes calls that know nothing of each other; with `haltOnError` none after a failure."""
        given = call.object(errors.unreadable)
        results: list[dict[str, Any]] = []
        for part in _parts(given.get("batchRequests")):
            if given.get("haltOnError") and any(each["statusCode"] >= 400 for each in results):
                halted = [{"errorCode": "BATCH_PROCESSING_HALTED", "message": "Batch processing halted"}]
                results.append({"statusCode": 412, "result": halted})
                continue
            url = f"/services/data/{str(part.get('url', '')).lstrip('/')}"
            made = self._made(call, {"method": part.get("method"), "url": url, "body": part.get("richInput")}, {})
            results.append({"statusCode": made["httpStatusCode"], "result": made["body"]})
        return answer({"hasErrors": any(each["statusCode"] >= 400 for each in results), "results": results})

    def _made(self, call: Call, part: Part, answers: dict[str, Any]) -> Part:
        """Makes one call; what it wrote is undone where it is refused."""
        connection = self.crm.store.connection
        connection.execute("savepoint part")
        path = ""
        try:
            inner = _call(call, part, answers)
            path, route = inner.path, self.crm.router.find(inner)
            response = route.handler(inner) if route else errors.not_found()
        except Refused as refused:
            connection.execute("rollback to part")
            response = refused.answer
        connection.execute("release part")
        shown = orjson.loads(response.body) if response.body else None
        headers = {"Location": f"{path}/{shown['id']}"} if shown and response.status_code == 201 else {}
        return {"body": shown, "httpHeaders": headers, "httpStatusCode": response.status_code}


def _call(call: Call, part: Part, answers: dict[str, Any]) -> Call:
    """Returns the call that a part describes, earlier answers put in."""
    url, body = _filled(part.get("url", ""), answers), _filled(part.get("body"), answers)
    path, _, query = str(url).removeprefix(mount_of(call)).partition("?")
    content = b"" if body is None else orjson.dumps(body)
    return Call(str(part.get("method")), path, query, Headers({}), content, call.origin)


def _parts(given: Any) -> list[Part]:
    if not isinstance(given, list) or not all(isinstance(part, dict) for part in given):
        raise Refused(errors.unreadable("a list of calls is needed"))
    if len(given) > MOST:
        raise Refused(errors.error("LIMIT_EXCEEDED", f"at most {MOST} calls in one"))
    return given


def _filled(value: Any, answers: dict[str, Any]) -> Any:
    """Puts earlier answers in the place of `@{reference.field}`, wherever it stands."""
    if isinstance(value, str):
        return _REFERENCE.sub(lambda match: str(_reached(answers.get(match[1]), match[2])), value)
    if isinstance(value, dict):
        return {name: _filled(each, answers) for name, each in value.items()}
    return [_filled(each, answers) for each in value] if isinstance(value, list) else value


def _reached(value: Any, path: str) -> Any:
    for name in re.findall(r"\w+", path):
        try:
            value = value[int(name)] if isinstance(value, list) else value[name]
        except (KeyError, IndexError, TypeError, ValueError):
            message = f"Invalid reference specified. No value for {path} found"
            raise Refused(errors.error("PROCESSING_HALTED", message)) from None
    return value


def _halted(response: dict[str, Any]) -> dict[str, Any]:
    if response["httpStatusCode"] >= 400:
        return response
    message = "The transaction was rolled back since another operation in the same transaction failed."
    halted = [{"errorCode": "PROCESSING_HALTED", "message": message}]
    return response | {"body": halted, "httpHeaders": {}, "httpStatusCode": 400}
