"""Alerts: what a person should hear of goes to the operator's webhook or e-mail address, once for each opening.

What is wrong is read from the owner's state, so runs of cron and of the service are told alike: a sync that failed, a
guard that stopped one, failed checks, writes that did not come through. A notice is open until a later run is without
it; only an opening is told.
"""

from __future__ import annotations

import json
import smtplib
import ssl
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import httpx
import sqlalchemy as sa

from pipelines.commands.exits import Exit
from pipelines.service.jobs import kinds
from pipelines.service.jobs.store import Job, add
from pipelines.service.settings import ServiceSettings
from pipelines.state import intents, notices
from pipelines.state.database import State
from pipelines.state.tables import runs

if TYPE_CHECKING:
    from pipelines.service.context import Context

KIND = "alert"
RETRY_SECONDS = (60, 600, 3600)
TIMEOUT = 15
LOOKED_AT = 200
WHAT = {
    Exit.CHECKS_FAILED: ("checks", "checks failed, nothing was published or pushed"),
    Exit.WRONG_SETTINGS: ("sync", "cannot run"),
    Exit.CRM_FAILED: ("sync", "sync failed"),
    Exit.GUARDED: ("guard", "a guard stopped it"),
    Exit.FAULT: ("sync", "sync failed by a fault of the program"),
}


class NotSent(Exception):  # noqa: N818 - says what happened
    """An alert that could not be handed over. `retry_in`: seconds until it is tried again; None: no more."""

    def __init__(self, message: str, retry_in: int | None = None) -> None:
        super().__init__(message)
        self.retry_in = retry_in


@dataclass(frozen=True)
class Alert:
    """One opening, as it is told."""

    key: str
    owner: str
    connection: str
    severity: str
    text: str


def look(state: State) -> list[Alert]:
    """Opens and closes notices as the state now is; gives back what was opened just now."""
    wrong = _runs_gone_wrong(state) | _dead_letters(state)
    for known in notices.open_notices(state):
        if known["key"].startswith(("run:", "dead-letters:")) and known["key"] not in wrong:
            notices.close(state, known["key"])
    news = []
    for key, (connection, text) in wrong.items():
        if notices.raise_notice(state, key, "error", text, connection):
            news.append(Alert(key, state.owner.name, connection, "error", text))
    return news


def _runs_gone_wrong(state: State) -> dict[str, tuple[str, str]]:
    """Of the last run of each set of connections: what went wrong, by key, as (connections, text)."""
    query = sa.select(runs).where(runs.c.finished_at.is_not(None)).order_by(runs.c.started_at.desc()).limit(LOOKED_AT)
    found: dict[str, tuple[str, str]] = {}
    seen: set[str] = set()
    with state.read() as connection:
        rows = connection.execute(query).mappings().all()
    for row in rows:
        names = ",".join(json.loads(row["connections"]))
        if names in seen or row["exit_code"] == Exit.LOCKED:  # whoever held the lock has a run of its own
            continue
        seen.add(names)
        if row["exit_code"] in WHAT:
            kind, said = WHAT[Exit(row["exit_code"])]
            messages = list(dict.fromkeys(json.loads(row["summary"] or "{}").get("messages", [])))
            found[f"run:{kind}:{names}"] = (names, "; ".join([f"{names}: {said}", *map(str, messages[:5])])[:2000])
    return found


def _dead_letters(state: State) -> dict[str, tuple[str, str]]:
    dead = (row for row in intents.failures(state) if row["status"] in ("dead", "uncertain"))
    counted = Counter(str(row["connection"]) for row in dead)
    return {
        f"dead-letters:{name}": (name, f"{name}: {number} writes did not come through; see crosswalk failures")
        for name, number in counted.items()
    }


def after_job(context: Context, job: Job) -> None:
    """Looks at the owner's state after a job, and submits a job for each alert, so that none is lost on the way."""
    news = look(context.state_of(context.owner(job.owner)))
    if not is_configured(context.settings) or not news:
        return
    with context.store.write() as connection:
        for alert in news:
            add(connection, job.owner, KIND, [], {"alert": vars(alert)})


def is_configured(settings: ServiceSettings) -> bool:
    """Whether there is anybody to tell."""
    return settings.alert_webhook_url is not None or bool(settings.alert_email and settings.smtp_host)


def register() -> None:
    """Alerts are handed over by jobs."""
    kinds.register(KIND, _deliver)


def _deliver(context: Context, job: Job) -> dict[str, Any]:
    try:
        return {"told": send(context.settings, Alert(**job.params["alert"]))}
    except NotSent as problem:
        tries = job.attempts
        retry_in = RETRY_SECONDS[tries - 1] if tries <= len(RETRY_SECONDS) else None
        raise NotSent(str(problem), retry_in) from None


def send(settings: ServiceSettings, alert: Alert) -> list[str]:
    """Tells the operator by all ways that are set; which ones.

    Raises:
        NotSent: a way is closed; the text holds neither the address nor a password.
    """
    told = []
    if settings.alert_webhook_url is not None:
        _post(settings.alert_webhook_url.get_secret_value(), alert)
        told.append("webhook")
    if settings.alert_email and settings.smtp_host:
        _mail(settings, alert)
        told.append("email")
    return told


def _post(url: str, alert: Alert) -> None:
    body: Mapping[str, str] = {"event": "crosswalk.alert", **vars(alert)}
    try:
        answer = httpx.post(url, json=body, timeout=TIMEOUT, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        raise NotSent(f"the alert's webhook cannot be reached: {type(problem).__name__}") from None
    if answer.status_code >= 300:
        raise NotSent(f"the alert's webhook answered {answer.status_code}")


def _mail(settings: ServiceSettings, alert: Alert) -> None:
    message = EmailMessage()
    message["Subject"] = f"Crosswalk, {alert.owner}: {alert.text.splitlines()[0][:120]}"
    message["From"] = settings.smtp_from or settings.smtp_user or "crosswalk@localhost"
    message["To"] = ", ".join(settings.alert_email)
    message.set_content(alert.text)
    try:
        with _mail_server(settings) as server:
            if settings.smtp_user and settings.smtp_password:
                server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as problem:
        raise NotSent(f"the alert's e-mail cannot be sent: {type(problem).__name__}") from None


def _mail_server(settings: ServiceSettings) -> smtplib.SMTP:
    host, port = settings.smtp_host or "", settings.smtp_port
    if settings.smtp_security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=ssl.create_default_context())
    server = smtplib.SMTP(host, port, timeout=TIMEOUT)
    if settings.smtp_security == "starttls":
        server.starttls(context=ssl.create_default_context())
    return server
