"""What tests and operators may ask of the sandbox itself, under /_sandbox/ (JSON in, JSON out).

GET    /_sandbox/                              who is here: pid, seed, size, address and environment of each CRM
GET    /_sandbox/stay                          does not end: the sandbox stays up while a guest keeps this open
GET    /_sandbox/guests                        how many do
GET    /_sandbox/calls                         calls by CRM, method, route and status; DELETE counts afresh
POST   /_sandbox/reset                         {"crm"?}: back to the beginning
GET    /_sandbox/{crm}/log                     the last calls, one by one, with their times
GET    /_sandbox/{crm}/settings                PATCH sets latency_ms, enforce_limits and the CRM's own switches
GET    /_sandbox/{crm}/faults                  POST adds one (see `faults`), DELETE switches all off
GET    /_sandbox/{crm}/truth?entity=           id -> who or what it truly is
GET    /_sandbox/{crm}/records?entity=&deleted=  what the CRM holds
POST   /_sandbox/{crm}/records/{entity}        adds a record as a user of the CRM would
PATCH  /_sandbox/{crm}/records/{entity}/{id}   edits one; DELETE deletes it
POST   /_sandbox/{crm}/clock                   {"advance": seconds} {"stop": true} {"stop_at": seconds} {"go": true}
POST   /_sandbox/{crm}/same_time               {"entity", "at"?}: one modification time for all
POST   /_sandbox/{crm}/disturb                 {"kind", "records", "seed"}: what users do while we read
"""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipelines.sandbox.gate import Gate
from pipelines.sandbox.guests import Guests
from pipelines.sandbox.store import Record

Answer = dict[str, Any] | list[Any]


class Host(Protocol):
    """The sandbox, as its admin endpoints see it."""

    gates: Mapping[str, Gate]
    guests: Guests

    def describe(self, origin: str) -> dict[str, Any]:
        """Returns who is here."""


class Missing(Exception):  # noqa: N818
    """There is no such CRM or record."""


def admin(host: Host) -> Starlette:
    """Returns the application that serves /_sandbox/."""
    endpoints = _Endpoints(host)
    table: list[tuple[str, str, Callable[[Request], Awaitable[Answer]]]] = [
        ("GET", "/_sandbox/", endpoints.index),
        ("GET", "/_sandbox/guests", endpoints.guests),
        ("GET", "/_sandbox/calls", endpoints.calls),
        ("DELETE", "/_sandbox/calls", endpoints.forget_calls),
        ("POST", "/_sandbox/reset", endpoints.reset),
        ("GET", "/_sandbox/{crm}/log", endpoints.log),
        ("GET", "/_sandbox/{crm}/settings", endpoints.settings),
        ("PATCH", "/_sandbox/{crm}/settings", endpoints.change_settings),
        ("GET", "/_sandbox/{crm}/faults", endpoints.faults),
        ("POST", "/_sandbox/{crm}/faults", endpoints.add_fault),
        ("DELETE", "/_sandbox/{crm}/faults", endpoints.clear_faults),
        ("GET", "/_sandbox/{crm}/truth", endpoints.truth),
        ("GET", "/_sandbox/{crm}/records", endpoints.records),
        ("POST", "/_sandbox/{crm}/records/{entity}", endpoints.create),
        ("PATCH", "/_sandbox/{crm}/records/{entity}/{id:path}", endpoints.edit),
        ("DELETE", "/_sandbox/{crm}/records/{entity}/{id:path}", endpoints.delete),
        ("POST", "/_sandbox/{crm}/clock", endpoints.clock),
        ("POST", "/_sandbox/{crm}/same_time", endpoints.same_time),
        ("POST", "/_sandbox/{crm}/disturb", endpoints.disturb),
    ]
    routes = [Route(path, _json(function), methods=[method]) for method, path, function in table]
    return Starlette(routes=[Route("/_sandbox/stay", host.guests.stay), *routes])


def _json(function: Callable[[Request], Awaitable[Answer]]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse(await function(request))
        except Missing as missing:
            return JSONResponse({"error": str(missing)}, 404)
        except (ValueError, TypeError, KeyError) as wrong:
            return JSONResponse({"error": f"{type(wrong).__name__}: {wrong}"}, 400)

    return endpoint


class _Endpoints:
    def __init__(self, host: Host) -> None:
        self._host = host

    def _gate(self, request: Request) -> Gate:
        name = request.path_params["crm"]
        if name not in self._host.gates:
            raise Missing(f"no CRM {name!r} here; there are {', '.join(self._host.gates)}")
        gate = self._host.gates[name]
        gate.crm.ready()
        return gate

    def _record(self, request: Request) -> Record:
        entity, id = request.path_params["entity"], request.path_params["id"]
        if record := self._gate(request).crm.store.get(entity, id):
            return record
        raise Missing(f"no record {id!r} in {entity!r}")

    async def index(self, request: Request) -> Answer:
        return self._host.describe(str(request.base_url).rstrip("/"))

    async def guests(self, request: Request) -> Answer:  # noqa: ARG002
        return {"guests": self._host.guests.count}

    async def calls(self, request: Request) -> Answer:  # noqa: ARG002
        return {
            name: [
                {"method": method, "path": path, "status": status, "count": count}
                for (method, path, status), count in sorted(gate.calls.counts.items())
            ]
            for name, gate in self._host.gates.items()
        }

    async def forget_calls(self, request: Request) -> Answer:  # noqa: ARG002
        for gate in self._host.gates.values():
            gate.calls.clear()
        return {"done": True}

    async def reset(self, request: Request) -> Answer:
        names = [name] if (name := (await _body(request)).get("crm")) else list(self._host.gates)
        for each in names:
            self._host.gates[each].crm.reset()
            self._host.gates[each].calls.clear()
        return {"reset": names}

    async def log(self, request: Request) -> Answer:
        names = ("seconds", "method", "target", "status")
        return [dict(zip(names, entry, strict=True)) for entry in self._gate(request).calls.log]

    async def settings(self, request: Request) -> Answer:
        crm = self._gate(request).crm
        return crm.switches | {"latency_ms": crm.latency * 1000, "enforce_limits": crm.is_limited}

    async def change_settings(self, request: Request) -> Answer:
        crm = self._gate(request).crm
        changes = await _body(request)
        if unknown := set(changes) - set(crm.switches) - {"latency_ms", "enforce_limits"}:
            raise ValueError(f"unknown settings {sorted(unknown)}; there are {sorted(crm.switches)}")
        crm.latency = changes.pop("latency_ms", crm.latency * 1000) / 1000
        crm.is_limited = bool(changes.pop("enforce_limits", crm.is_limited))
        crm.switches |= changes
        return await self.settings(request)

    async def faults(self, request: Request) -> Answer:
        return [fault.as_dict() for fault in self._gate(request).crm.faults.all()]

    async def add_fault(self, request: Request) -> Answer:
        return self._gate(request).crm.faults.add(**await _body(request)).as_dict()

    async def clear_faults(self, request: Request) -> Answer:
        self._gate(request).crm.faults.clear()
        return {"done": True}

    async def truth(self, request: Request) -> Answer:
        store = self._gate(request).crm.store
        return {r.id: r.truth for r in store.select(request.query_params["entity"], "truth is not null")}

    async def records(self, request: Request) -> Answer:
        where = "true" if request.query_params.get("deleted") else "not deleted"
        found = self._gate(request).crm.store.select(request.query_params["entity"], where)
        return [
            {"id": r.id, "body": r.body, "modified": r.modified, "deleted": r.deleted, "truth": r.truth} for r in found
        ]

    async def create(self, request: Request) -> Answer:
        crm, entity = self._gate(request).crm, request.path_params["entity"]
        return crm.new(entity, crm.new_id(entity), await _body(request)).body

    async def edit(self, request: Request) -> Answer:
        return self._gate(request).crm.edit(self._record(request), await _body(request)).body

    async def delete(self, request: Request) -> Answer:
        self._gate(request).crm.remove(record := self._record(request))
        return {"deleted": record.id}

    async def clock(self, request: Request) -> Answer:
        clock, body = self._gate(request).crm.clock, await _body(request)
        clock.advance(float(body.get("advance", 0)))
        if body.get("stop") or "stop_at" in body:
            clock.stop(body.get("stop_at"))
        if body.get("go"):
            clock.go()
        return {"now": clock.now()}

    async def same_time(self, request: Request) -> Answer:
        crm, body = self._gate(request).crm, await _body(request)
        return {"records": crm.same_time(body["entity"], float(body.get("at", crm.clock.now())))}

    async def disturb(self, request: Request) -> Answer:
        crm, body = self._gate(request).crm, await _body(request)
        done = crm.disturb(body["kind"], random.Random(body.get("seed")), int(body.get("records", 1)))
        return [{"entity": entity, "id": id} for entity, id in done]


async def _body(request: Request) -> dict[str, Any]:
    content = await request.body()
    body = json.loads(content) if content else {}
    if not isinstance(body, dict):
        raise ValueError("the body is not a JSON object")
    return body
