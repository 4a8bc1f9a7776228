"""Puts the service together from its routes."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import ModuleType

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from pipelines.service import described, errors
from pipelines.service.context import Context
from pipelines.service.middleware import Frame
from pipelines.service.routing import Guard
from pipelines.state.arrow import be_there

THREADS = 128
ROUTES = (
    "documentation",
    "health",
    "user_sync",
    "internal_users",
    "unified",
    "local",
    "exports",
    "connectors",
    "external",
    "webhooks",
    "set_aside",
    "jobs",
    "schedules",
    "forgetting",
)
"""Modules of `pipelines/service/routes/`. Each has a `router`; it may have

- `GUARDS: dict[str, Guard]`: who stands before a prefix of paths;
- `body_limits(settings) -> dict[str, int]`: bytes, for paths that take more than others;
- `lifespan(context)`: an asynchronous context manager that is open while the service runs.
"""


def create_app(context: Context, routes: Sequence[str] = ROUTES) -> FastAPI:
    """The service as an ASGI application.

    Args:
        context: what it works with; closed when the application ends.
        routes: only these of the modules.
    """
    modules = [importlib.import_module(f"pipelines.service.routes.{name}") for name in routes]

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        context.limits.start()
        # a call that waits for a sync holds a thread; the guards of all others need one, too
        current_default_thread_limiter().total_tokens = THREADS
        try:
            async with AsyncExitStack() as running:
                for module in modules:
                    if hasattr(module, "lifespan"):
                        await running.enter_async_context(module.lifespan(context))
                yield
        finally:
            context.close()

    be_there(with_pandas=True)
    app = FastAPI(docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.context = context
    errors.install(app)
    described.describe(app)
    for module in modules:
        app.include_router(module.router)
    _surround(app, context, modules)
    return app


def _surround(app: FastAPI, context: Context, modules: Iterable[ModuleType]) -> None:
    guards: dict[str, Guard] = {}
    body_limits: dict[str, int] = {}
    for module in modules:
        guards |= getattr(module, "GUARDS", {})
        body_limits |= module.body_limits(context.settings) if hasattr(module, "body_limits") else {}
    app.add_middleware(Frame, context=context, guards=guards, body_limits=body_limits)
    if context.settings.cors_origins:  # around the guards: a browser asks first, and without a token
        app.add_middleware(
            CORSMiddleware, allow_origins=list(context.settings.cors_origins), allow_methods=["*"],
            allow_headers=["*"], expose_headers=["X-Request-ID", "Retry-After", "Location"],
        )  # fmt: skip
