"""A CRM in memory: records, an own clock, normalisation, batches, search, and faults one can order."""

from __future__ import annotations

import copy
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

Record = dict[str, Any]
Normalise = Callable[[str, Any], Any]
Strike = Callable[[httpx.Request], str | None]


class Clock:
    """Seconds that pass at each look; several CRMs may share one."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, tzinfo=UTC)

    def tick(self) -> str:
        self.at += timedelta(seconds=1)
        return self.at.isoformat().replace("+00:00", "Z")


def as_it_is(_name: str, value: Any) -> Any:
    return value


class MemoryCrm(httpx.AsyncBaseTransport):
    """Serves `/<entity>`, `/<entity>/<id>`, `/<entity>/batch/{read,create,update,search}` and `/links/...`.

    `normalise` is what it makes of each value; `strike` may order a fault for a call: refuse (connection error before
    anything happens), lost (it does the work, then the connection breaks), error (500 before), lost_error (500 after),
    throttle (429), html (200 with HTML, after the work), truncated, bad (422), unauthorized (401).
    """

    def __init__(
        self, normalise: Normalise = as_it_is, strike: Strike | None = None, clock: Clock | None = None
    ) -> None:
        self.records: dict[str, dict[str, Record]] = {}
        self.normalise, self.strike = normalise, strike
        self.calls: list[str] = []
        self.created: Counter[str] = Counter()
        self.written: list[tuple[str, str, Record]] = []
        self.links: set[tuple[str, str, str]] = set()
        self.hidden: set[str] = set()
        self.refuses: Callable[[Record], str | None] = lambda _: None
        self._clock = clock or Clock()
        self._ids = itertools.count(1000)

    # What tests do to it

    def now(self) -> str:
        return self._clock.tick()

    def put(self, entity: str, id: str, **values: Any) -> Record:
        record = {"id": id, "updated": self.now(), **values}
        self.records.setdefault(entity, {})[id] = record
        return record

    def edit(self, entity: str, id: str, **values: Any) -> None:
        self.records[entity][id] |= {**values, "updated": self.now()}

    def count(self, start: str) -> int:
        return sum(call.startswith(start) for call in self.calls)

    # What it does itself

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.calls.append(f"{request.method} {request.url.path}")
        fault = self.strike(request) if self.strike else None
        if fault == "refuse":
            raise httpx.ConnectError("refused", request=request)
        if fault in {"error", "throttle", "bad", "unauthorized"}:
            status = {"error": 500, "throttle": 429, "bad": 422, "unauthorized": 401}[fault]
            return httpx.Response(status, json={"message": fault}, headers={"Retry-After": "0"}, request=request)
        response = self._answer(request)
        if fault == "lost":
            raise httpx.ReadError("connection lost", request=request)
        if fault == "lost_error":
            return httpx.Response(502, text="bad gateway", request=request)
        if fault == "html":
            return httpx.Response(200, text="<html>busy</html>", request=request)
        if fault == "truncated":
            return httpx.Response(200, content=response.content[:-2], request=request)
        return response

    def _answer(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.strip("/").split("/")
        body = json.loads(request.content) if request.content else None
        status, answer = self._route(request.method, parts, dict(request.url.params), body)
        headers = {"X-Request-Id": f"q{len(self.calls)}"}
        if answer is None:
            return httpx.Response(status, headers=headers, request=request)
        return httpx.Response(status, json=answer, headers=headers, request=request)

    def _route(self, method: str, parts: list[str], params: dict[str, str], body: Any) -> tuple[int, Any]:
        entity = parts[0]
        if entity == "links":
            return self._relate(method, (parts[1], parts[2], parts[3]))
        if len(parts) == 3:
            return getattr(self, f"_batch_{parts[2]}")(entity, body or params)
        if len(parts) == 2:
            return self._one(method, entity, parts[1], body)
        if method == "POST":
            problem = self.refuses(body)
            if problem:
                return 422, {"message": problem}
            return 201, self._create(entity, body)
        return 200, {entity: list(self._search(entity, params))}

    def _relate(self, method: str, link: tuple[str, str, str]) -> tuple[int, Any]:
        """A relation has an id of its own, which is asked for before it is taken back."""
        if method == "GET":
            return 200, {"link": f"link-{link[2]}" if link in self.links else None}
        if method == "DELETE":
            self.links.discard((*link[:2], link[2].removeprefix("link-")))
        else:
            self.links.add(link)
        return 204, None

    def _search(self, entity: str, params: dict[str, str]) -> Iterator[Record]:
        for record in self.records.get(entity, {}).values():
            fits = all(str(record.get(name, "")).casefold() == value.casefold() for name, value in params.items())
            if fits and record["id"] not in self.hidden:
                yield copy.deepcopy(record)

    def _one(self, method: str, entity: str, id: str, body: Any) -> tuple[int, Any]:
        record = self.records.get(entity, {}).get(id)
        if record is None:
            return 404, {"message": "no such record"}
        if method == "DELETE":
            del self.records[entity][id]
            return 204, None
        if method in {"PATCH", "PUT"}:
            problem = self.refuses(body)
            if problem:
                return 422, {"message": problem}
            self._update(entity, id, body)
        return 200, copy.deepcopy(record)

    def _create(self, entity: str, body: Record) -> Record:
        id = str(next(self._ids))
        values = {name: self.normalise(name, value) for name, value in body.items()}
        self.created[
            json.dumps(body.get("email") or body.get("name") or body, sort_keys=True, default=str).casefold()
        ] += 1
        self.written.append((entity, id, copy.deepcopy(body)))
        return copy.deepcopy(self.put(entity, id, **values))

    def _update(self, entity: str, id: str, body: Record) -> Record:
        self.written.append((entity, id, copy.deepcopy(body)))
        self.edit(entity, id, **{name: self.normalise(name, value) for name, value in body.items()})
        return copy.deepcopy(self.records[entity][id])

    def _batch_read(self, entity: str, body: Any) -> tuple[int, Any]:
        known = self.records.get(entity, {})
        return 200, {"results": [copy.deepcopy(known[one["id"]]) for one in body["inputs"] if one["id"] in known]}

    def _batch_search(self, entity: str, body: Any) -> tuple[int, Any]:
        wanted = {str(value).casefold() for value in body["emails"]}
        found = [r for r in self.records.get(entity, {}).values() if str(r.get("email", "")).casefold() in wanted]
        return 200, {"results": [copy.deepcopy(r) for r in found if r["id"] not in self.hidden]}

    def _batch_update(self, entity: str, body: Any) -> tuple[int, Any]:
        rows = []
        for one in body["rows"]:
            id, values = one["id"], one["values"]
            problem = self.refuses(values)
            if problem == "whole":
                return 400, {"message": "the batch is refused"}
            if problem or id not in self.records[entity]:
                rows.append({"id": id, "success": False, "errors": [{"message": problem or "gone"}]})
            elif problem != "silent":
                rows.append({"id": id, "success": True, "errors": [], **self._update(entity, id, values)})
        return 200, rows[: body.get("cut", len(rows))]

    def _batch_delete(self, entity: str, body: Any) -> tuple[int, Any]:
        ids = body["ids"].split(",") if "ids" in body else [one["id"] for one in body["inputs"]]
        for id in ids:
            self.records[entity].pop(id, None)
        return 204, None

    def _batch_create(self, entity: str, body: Any) -> tuple[int, Any]:
        rows = []
        for one in body["rows"]:
            problem = self.refuses(one["values"])
            if problem == "whole":
                return 400, {"message": "the batch is refused"}
            rows.append(
                {"success": False, "errors": [{"message": problem}]}
                if problem
                else {"success": True, "errors": [], **self._create(entity, one["values"])}
            )
        return 200, rows
