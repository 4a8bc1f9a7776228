"""The second contract's request (`POST /api/internal/sync/users`): checked as a whole, then its entries."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

from pipelines.service.users.entries import Entry, has_nul

NAMED = frozenset(
    (
        "id", "kindeUserId", "email", "name", "avatar", "isActive", "isAdmin", "department", "title", "lastActiveAt",
        "roles", "permissions", "allowedApplications", "subscriptionTier",
    )
)  # fmt: skip
SYNC_TYPES = ("single_user", "full", "incremental")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_TEXTS = {
    "kindeUserId": "kinde_user_id", "avatar": "avatar", "department": "department", "title": "title",
    "subscriptionTier": "subscription_tier",
}  # fmt: skip
_FLAGS = {"isActive": "is_active", "isAdmin": "is_admin"}
_LISTS = {"roles": "roles", "permissions": "permissions", "allowedApplications": "allowed_applications"}

Problem = dict[str, str]


def problems(body: Any, *, may_have_nul: bool = True) -> list[Problem]:
    """All that is wrong with a request, each as {field, message}; an empty list where nothing is.

    Args:
        body: as it came.
        may_have_nul: False: it holds no NUL character, so none is looked for.
    """
    if not isinstance(body, dict):
        return [_problem("body", "must be a JSON object")]
    if may_have_nul and has_nul(body):
        return [_problem("body", "a text contains a NUL character")]
    return [*_of_the_whole(body), *_of_the_users(body.get("users"))]


def _problem(field: str, message: str) -> Problem:
    return {"field": field, "message": message}


def _of_the_whole(body: dict[str, Any]) -> Iterator[Problem]:
    if not _is_text(body.get("operation")):
        yield _problem("operation", "is required")
    tenant = body.get("tenant")
    if not isinstance(tenant, dict):
        yield from (_problem(field, "is required") for field in ("tenant.id", "tenant.name"))
    else:
        yield from (_problem(f"tenant.{key}", "is required") for key in ("id", "name") if not _is_text(tenant.get(key)))
        optional = (key for key in ("subdomain", "kindeOrgId") if not isinstance(tenant.get(key), str | None))
        yield from (_problem(f"tenant.{key}", "must be a text") for key in optional)
    more = body.get("metadata")
    if more is not None and not isinstance(more, dict):
        yield _problem("metadata", "must be an object")
    elif more and more.get("syncType") is not None and more["syncType"] not in SYNC_TYPES:
        yield _problem("metadata.syncType", f"must be one of {', '.join(SYNC_TYPES)}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _of_the_users(users: Any) -> Iterator[Problem]:
    if not isinstance(users, list):
        yield _problem("users", "is required and must be a list")
        return
    for position, user in enumerate(users):
        if not isinstance(user, dict):
            yield _problem(f"users[{position}]", "must be an object")
            continue
        for field, message in _of_a_user(user):
            yield _problem(f"users[{position}].{field}", message)


def _of_a_user(user: dict[str, Any]) -> Iterator[tuple[str, str]]:
    email = user.get("email")
    if not _is_text(email):
        yield "email", "is required"
    elif not _ADDRESS.fullmatch(email.strip()):  # type: ignore[union-attr]
        yield "email", "must be an e-mail address"
    if not _is_text(user.get("name")):
        yield "name", "is required"
    for fields, fits, expected in _KINDS:
        yield from ((key, expected) for key in fields if user.get(key) is not None and not fits(user[key]))


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(member, str) for member in value)


def _is_moment(value: Any) -> bool:
    return _moment(value) is not None


def _moment(value: Any) -> int | None:
    """Microseconds since 1970 of an ISO 8601 time; without an offset it is in UTC."""
    try:
        parsed = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    at = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    try:
        return round(at.timestamp() * 1_000_000)
    except (OverflowError, ValueError):
        return None


_KINDS: tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...] = (
    (("id",), lambda value: isinstance(value, str | int) and not isinstance(value, bool), "must be a text"),
    (tuple(_TEXTS), lambda value: isinstance(value, str), "must be a text"),
    (tuple(_FLAGS), lambda value: isinstance(value, bool), "must be true or false"),
    (tuple(_LISTS), _is_list, "must be a list of texts"),
    (("lastActiveAt",), _is_moment, "must be a time in ISO 8601"),
)


def entry_of(user: dict[str, Any]) -> Entry:
    """One member of `users` that has passed the check: what is present replaces, what is absent stays."""
    given_id = user.get("id")
    external_id = None if given_id is None or given_id == "" else str(given_id)
    entry = Entry(user["email"], external_id, full_name=user["name"].strip())
    values = entry.values
    values.update((ours, user[theirs]) for theirs, ours in _TEXTS.items() if theirs in user)
    values.update((ours, user[theirs]) for theirs, ours in _FLAGS.items() if user.get(theirs) is not None)
    for theirs, ours in _LISTS.items():
        if theirs in user:
            values[ours] = orjson.dumps(user[theirs] or []).decode()
    if "lastActiveAt" in user:
        values["last_active_at"] = _moment(user["lastActiveAt"])
    entry.more = {key: value for key, value in user.items() if key not in NAMED}
    return entry
