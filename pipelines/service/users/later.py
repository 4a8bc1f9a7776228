"""Syncs that nobody waits for, and telling the outcome to an address that the caller named.

Both are jobs: they are on disk before the caller hears of them, and are done again where a crash undid them.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from pipelines.connections.owner import SERVICE_OWNER
from pipelines.service import jobs
from pipelines.service.context import Context
from pipelines.service.jobs import Job
from pipelines.service.settings import ServiceSettings
from pipelines.service.users.internal import carry_out
from pipelines.service.users.log import Call

SYNC, CALLBACK = "user_sync", "user_sync_callback"
RETRY_SECONDS = (5, 60, 600, 3600)
TIMEOUT_SECONDS = 15
SIGNATURE = "X-Crosswalk-Signature"
logger = logging.getLogger("crosswalk.service")


class NotTold(Exception):  # noqa: N818 - says what happened
    """An outcome that could not be handed over. `retry_in`: seconds until it is tried again; None: no more."""

    def __init__(self, message: str, retry_in: int | None) -> None:
        super().__init__(message)
        self.retry_in = retry_in


def submit(context: Context, call: Call, body: dict[str, Any]) -> str:
    """Puts a sync that has been checked on the list of jobs; its id."""
    asked = {"body": body, "source": call.source}
    return jobs.submit(context, SERVICE_OWNER, SYNC, [], asked)


def tell(context: Context, body: dict[str, Any], answer: dict[str, Any]) -> None:
    """Has the outcome told to `metadata.callbackUrl`, where there is one that the operator allows."""
    url = (body.get("metadata") or {}).get("callbackUrl")
    if url is None:
        return
    if why := objection(url, context.settings):
        logger.warning("the outcome of a user sync is not told: %s", why)
        return
    jobs.submit(context, SERVICE_OWNER, CALLBACK, [], {"url": url, "answer": answer})


def objection(url: Any, settings: ServiceSettings) -> str | None:
    """Why nothing is told to an address; None where it may be."""
    if settings.sync_callback_secret is None:
        return "SYNC_CALLBACK_SECRET is not set, so it could not be signed"
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except (ValueError, AttributeError, TypeError):
        return "callbackUrl is no address"
    allowed = {name.lower() for name in settings.sync_callback_hosts}
    if not host or not ({host, f"{host}:{port}"} & allowed) or parts.username or parts.password:
        return "its host is not in SYNC_CALLBACK_HOSTS"
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        return "callbackUrl must be https"
    return None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def signature(secret: str, body: bytes, moment: int) -> str:
    """`t=<seconds since 1970>,v1=<HMAC-SHA256 of "<t>.<body>", in hex>`."""
    signed = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return f"t={moment},v1={signed.hexdigest()}"


def _sync(context: Context, job: Job) -> dict[str, Any]:
    body = job.params["body"]
    call = Call(body["operation"], job.params["source"], body["tenant"]["id"])
    answer = carry_out(context, call, body)
    tell(context, body, answer)
    return answer


def _call_back(context: Context, job: Job) -> dict[str, Any]:
    url, body = job.params["url"], orjson.dumps(job.params["answer"])
    retry_in = RETRY_SECONDS[job.attempts - 1] if job.attempts <= len(RETRY_SECONDS) else None
    secret = context.settings.sync_callback_secret
    if secret is None:
        raise NotTold("SYNC_CALLBACK_SECRET is no longer set", None)
    headers = {
        "Content-Type": "application/json",
        SIGNATURE: signature(secret.get_secret_value(), body, int(time.time())),
    }
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as client:
            status = client.post(url, content=body, headers=headers).status_code
    except httpx.HTTPError as problem:
        raise NotTold(f"could not be reached: {type(problem).__name__}", retry_in) from None
    if status >= 300:
        raise NotTold(f"answered {status}", retry_in)
    return {"http_status": status}


jobs.register(SYNC, _sync)
jobs.register(CALLBACK, _call_back)
