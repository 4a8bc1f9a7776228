"""From an environment to a running service: real or in the sandbox, bound to an address, until it is stopped."""

from __future__ import annotations

import base64
import gc
import ipaddress
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import jwt
import uvicorn

from pipelines.connections.errors import NoCredentials, SettingsError
from pipelines.connections.locks import lock
from pipelines.connections.project import Project
from pipelines.connections.resolve import SANDBOX_OWNER, connection_names, resolve
from pipelines.connections.settings import variables
from pipelines.sandbox import handle
from pipelines.service import logs
from pipelines.service.app import create_app
from pipelines.service.context import Context, open_context

OPENING = (
    "JWT_SECRET", "JWT_JWKS_FILE", "WRAPPER_SECRET_KEY", "INTERNAL_API_KEY", "CRM_API_KEY", "EXTERNAL_CRM_ENABLED",
    "EXTERNAL_CRM_API_URL", "DATABASE_URL",
)  # fmt: skip
"""Who sets one of these means a real service."""
TOKEN_SECONDS = 24 * 3600
BACKLOG = 2048
SWITCH_SECONDS = 0.0005


def is_configured(project: Project, environment: Mapping[str, str]) -> bool:
    """Whether anything says that this is a real service: a way in, or a CRM's credentials."""
    given = variables(project, environment)
    return any(given.get(name) for name in OPENING) or any(
        _has_credentials(name, project, environment) for name in connection_names(project)
    )


def _has_credentials(name: str, project: Project, environment: Mapping[str, str]) -> bool:
    try:
        return resolve(name, project, environment=environment).wire.kind != "table"
    except NoCredentials:
        return False
    except SettingsError:
        return True  # half-set: the operator hears of it where it is used, and does not get a sandbox instead


def open_real(project: Project, environment: Mapping[str, str]) -> Context:
    """A service on the operator's own settings.

    Raises:
        SettingsError: a setting cannot be read.
    """
    return open_context(project, environment)


def open_sandbox(project: Project, environment: Mapping[str, str]) -> Context:
    """A service on the emulated CRMs, with a key of its own: the operator's would open the real service, too."""
    crms = handle.use(project.data_dir / SANDBOX_OWNER)
    own = dict.fromkeys(("JWT_JWKS_FILE", "JWT_AUDIENCE", "JWT_ISSUER", "JWT_USER_CLAIM"), "")
    own |= {"JWT_SECRET": secrets.token_urlsafe(32), "DEFAULT_OWNER": SANDBOX_OWNER}
    if not variables(project, environment).get("ENCRYPTION_KEY"):
        own["ENCRYPTION_KEY"] = _kept_key(project.data_dir / SANDBOX_OWNER / "service.key")
    return open_context(project, {**environment, **own}, crms)


def _kept_key(path: Path) -> str:
    """The sandbox's own key, so that what was connected there can be read after a restart."""
    try:
        with open(path, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(base64.b64encode(secrets.token_bytes(32)).decode())
    except FileExistsError:
        pass
    return path.read_text(encoding="ascii")


def token(context: Context, seconds: int = TOKEN_SECONDS) -> str:
    """A token for the default owner, good for so many seconds."""
    secret = context.settings.jwt_secret
    assert secret is not None, "a sandbox has a secret"
    claims = {context.settings.jwt_user_claim: context.settings.default_owner, "exp": int(time.time()) + seconds}
    return jwt.encode(claims, secret.get_secret_value(), "HS256")


def welcome(context: Context) -> str:
    """What to paste: the address, a token, three calls that work."""
    assert context.sandbox is not None, "only a sandbox gives its token away"
    root, source = f"{context.address}/api/crm/integrations", next(iter(context.sandbox.crms))
    auth = '-H "Authorization: Bearer $TOKEN"'
    return "\n".join(
        (
            f"Crosswalk serves the built-in sandbox at {context.address} (documentation: {context.address}/docs)",
            "",
            f"TOKEN={token(context)}",
            f"curl -X POST {auth} {root}/sync/{source}",
            f"curl {auth} '{root}/contacts?source={source}&limit=2'",
            f"curl {auth} '{root}/search?q=an'",
            "",
            "(ctrl-c ends it)",
        )
    )


def serve(context: Context, host: str, port: int, announce: Callable[[Context], None]) -> None:
    """Serves until stopped; `announce` is called once calls are taken.

    Raises:
        SettingsError: the address cannot be had, or is no place for a service without keys.
        LockHeld: another service works on the same data.
    """
    try:
        if not context.settings.api_auth_enabled and not _is_loopback(host):
            raise SettingsError(f"API_AUTH_ENABLED=false is refused on {host}: it is not this machine's own address")
        with lock(context.store.owner, "serve", "crosswalk serve"), _bound(host, port) as listener:
            context.address = f"http://{_shown(host)}:{listener.getsockname()[1]}"
            with context.redactor.in_all_logs():
                _run(context, listener, announce)
    finally:
        context.close()


def _run(context: Context, listener: socket.socket, announce: Callable[[Context], None]) -> None:
    logs.set_up(context.settings)
    proxies = os.environ.get("FORWARDED_ALLOW_IPS", "")
    # with the protocol named, asyncio turns Nagle's algorithm off: 40 ms less on some answers
    config = uvicorn.Config(
        create_app(context), log_config=None, access_log=False, server_header=False, proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies or None, timeout_graceful_shutdown=10, log_level="warning",
    )  # fmt: skip
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn ends in order, and then raises the signal once more
    server = _Announcing(config, lambda: announce(context))
    # who answers a call waits that long for another thread to let go of the interpreter, not 5 ms
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()  # what is loaded stays: to look through it again and again would take from every long call
    server.run(sockets=[listener])


class _Announcing(uvicorn.Server):
    """Tells when it is up."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as refused:
        listener.close()
        raise SettingsError(f"{host} port {port} cannot be had: {refused.strerror}") from None
    return listener


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
