"""Entries of the first contract (`POST /api/admin/users/sync`)."""

from __future__ import annotations

from typing import Any

from pipelines.service.users.entries import Entry, has_nul, unfit

NAMED = frozenset(("externalId", "email", "firstName", "lastName", "role", "isActive", "orgCode", "metadata"))
_TEXTS = (("firstName", "first_name"), ("lastName", "last_name"), ("role", "role"))
REQUIRED = "Missing required fields: email or externalId"


def entry_of(user: Any, organisation: str) -> Entry:
    """One member of `users`; a wrong one carries its error and touches nobody else's.

    Args:
        user: as it came.
        organisation: of the token.
    """
    if not isinstance(user, dict):
        return Entry(None, None, error=REQUIRED)
    email, external_id = _filled(user.get("email")), _filled(_id(user.get("externalId")))
    entry = Entry(email, external_id)
    entry.error = _wrong(user, entry, organisation)
    if entry.error is None:
        for theirs, ours in _TEXTS:
            if _filled(user.get(theirs)) is not None:
                entry.values[ours] = user[theirs]
        if user.get("isActive") is not None:
            entry.values["is_active"] = user["isActive"]
        entry.more = {key: value for key, value in user.items() if key not in NAMED} | (user.get("metadata") or {})
    return entry


def _filled(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _id(value: Any) -> Any:
    """An id that is a number is a text of digits."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _wrong(user: dict[str, Any], entry: Entry, organisation: str) -> str | None:
    if entry.email is None or entry.external_id is None:
        return REQUIRED
    if user.get("orgCode") not in (None, "", organisation):
        return "orgCode is not the organization of the token"
    for theirs, _ in _TEXTS:
        if user.get(theirs) is not None and (why := unfit(user[theirs])):
            return f"{theirs} {why}"
    if user.get("isActive") is not None and not isinstance(user["isActive"], bool):
        return "isActive must be true or false"
    if user.get("metadata") is not None and not isinstance(user["metadata"], dict):
        return "metadata must be an object"
    return "a text contains a NUL character" if has_nul(user) else None
