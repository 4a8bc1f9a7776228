"""The sandbox: all emulated CRMs in one process, each below its own name, and the server around them."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipelines.sandbox import registry
from pipelines.sandbox.admin import admin
from pipelines.sandbox.crm import Crm
from pipelines.sandbox.gate import Gate
from pipelines.sandbox.guests import Guests
from pipelines.sandbox.world import World

DEFAULT_SEED = 7
DEFAULT_SIZE = 300


class Sandbox:
    """The ASGI application that holds every emulated CRM: `/<crm>/...`, and `/_sandbox/...` for tests and operators.

    With a single CRM, its paths work without the name before them as well, for clients that accept only a host.
    """

    def __init__(self, crms: Mapping[str, Crm]) -> None:
        self.gates: Mapping[str, Gate] = {name: Gate(crm) for name, crm in crms.items()}
        self.guests = Guests()
        self.instance = secrets.token_hex(8)
        self._admin = admin(self)

    def crm(self, name: str) -> Crm:
        """Returns one CRM, its records filled in."""
        self.gates[name].crm.ready()
        return self.gates[name].crm

    def is_large(self) -> bool:
        """Says whether filling takes so long that it is better done before the first call than at it."""
        return any(gate.crm.world.size > 2_000 for gate in self.gates.values())

    def fill(self) -> None:
        """Fills every CRM that is still empty."""
        for gate in self.gates.values():
            gate.crm.ready()

    def describe(self, origin: str) -> dict[str, Any]:
        """Returns who is here, for `origin` as scheme, host and port."""
        world = next(iter(self.gates.values())).crm.world
        return {
            "instance": self.instance, "pid": os.getpid(), "url": origin, "seed": world.seed, "size": world.size,
            "crms": {
                name: {"url": f"{origin}/{name}", "environment": gate.crm.environment(f"{origin}/{name}")}
                for name, gate in self.gates.items()
            },
        }  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one call."""
        if scope["type"] != "http":
            return
        first = str(scope["path"]).lstrip("/").partition("/")[0]
        gate = self.gates.get(first)
        if first == "_sandbox":
            await self._admin(scope, receive, send)
        elif gate:
            await gate(scope, receive, send, scope["path"][len(first) + 1 :] or "/", f"/{first}")
        elif len(self.gates) == 1:
            await next(iter(self.gates.values()))(scope, receive, send, scope["path"], "")
        else:
            there = ", ".join(self.gates)
            await JSONResponse({"error": f"no CRM here; there are {there}"}, 404)(scope, receive, send)


def app(
    data_dir: Path | str | None = None, crms: Sequence[str] | None = None, *, seed: int | None = None,
    size: int | None = None, latency_ms: float = 0, enforce_limits: bool = False,
) -> Sandbox:  # fmt: skip
    """Builds a sandbox for use in this process (`httpx.ASGITransport(app=app(...))`).

    Args:
        data_dir: folder that keeps the CRMs' records; None keeps them in memory.
        crms: names of the CRMs; None for all.
        seed, size: of the world; None for what the folder was filled from, else 7 and 300 people.
        latency_ms: added to every call.
        enforce_limits: whether the vendors' limits hold.

    Raises:
        LookupError: an unknown CRM.
        ValueError: the folder was filled from another seed or size.
    """
    kinds = {name: registry.load(name) for name in crms or registry.names()}
    folder = Path(data_dir) if data_dir is not None else None
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    world = World(*_seed_of(folder, seed, size))
    chosen = {name: kind(world, folder / f"{name}.sqlite" if folder else None) for name, kind in kinds.items()}
    for crm in chosen.values():
        crm.latency, crm.is_limited = latency_ms / 1000, enforce_limits
    return Sandbox(chosen)


def _seed_of(folder: Path | None, seed: int | None, size: int | None) -> tuple[int, int]:
    kept = folder / "world" if folder else None
    if kept and kept.exists():
        old_seed, old_size = (int(number) for number in kept.read_text().split())
        if (seed, size) not in ((old_seed, old_size), (None, None), (old_seed, None), (None, old_size)):
            raise ValueError(
                f"{folder} holds a world of seed {old_seed} and size {old_size}; delete it to begin another"
            )
        return old_seed, old_size
    chosen = DEFAULT_SEED if seed is None else seed, DEFAULT_SIZE if size is None else size
    if kept:
        kept.write_text(f"{chosen[0]} {chosen[1]}\n")
    return chosen


class _Protocol(H11Protocol):
    """Lets the gate hang up: an ASGI application has no other way to close a connection without an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, "sandbox_transport": transport}
        super().connection_made(transport)


def serve(sandbox: Sandbox, port: int, announce: Callable[[dict[str, Any]], None]) -> None:
    """Serves on 127.0.0.1 until stopped; `announce` gets `Sandbox.describe` once calls are taken."""
    # with the protocol named, asyncio turns Nagle's algorithm off: 40 ms less on every answer
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(512)
        announce(sandbox.describe(f"http://127.0.0.1:{listener.getsockname()[1]}"))
        config = uvicorn.Config(
            sandbox, http=_Protocol, loop="asyncio", lifespan="off", ws="none", access_log=False, log_level="warning",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def hold(data_dir: Path) -> Iterator[None]:
    """Keeps other sandboxes out of a folder, by an open SQLite transaction: a lock that ends with the process.

    Raises:
        RuntimeError: another sandbox serves the folder.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    lock = sqlite3.connect(data_dir / "lock.sqlite", timeout=0, isolation_level=None)
    try:
        lock.execute("begin exclusive")
    except sqlite3.OperationalError as held:
        raise RuntimeError(f"another sandbox serves {data_dir}") from held
    try:
        yield
    finally:
        lock.close()
