"""Entries of the first contract (`POST /api/admin/users/sync`)."""

from __future__ import annotations

from typing import Any

from pipelines.service.users.entries import Entry, has_nul

NAMED = frozenset(("externalId", "email", "firstName", "lastName", "role", "isActive", "orgCode", "metadata"))
_TEXTS = (("firstName", "first_name"), ("lastName", "last_name"), ("role", "role"))
REQUIRED = "Missing required fields: email or externalId"


def entry_of(user: Any, organisation: str, *, may_have_nul: bool = True) -> Entry:
    """One member of `users`; a wrong one carries its error and touches nobody else's.

    Args:
        user: as it came.
        organisation: of the token.
        may_have_nul: False: the request holds no NUL character, so none is looked for.
    """
    if not isinstance(user, dict):
        return Entry(None, None, error=REQUIRED)
    entry = Entry(_filled(user.get("email")), _filled(_id(user.get("externalId"))))
    entry.error = _wrong(user, entry, organisation)
    if entry.error is None and may_have_nul and has_nul(user):
        entry.error = "a text contains a NUL character"
    if entry.error is None:
        _fill(entry, user)
    return entry


def _fill(entry: Entry, user: dict[str, Any]) -> None:
    for theirs, ours in _TEXTS:
        if (text := _filled(user.get(theirs))) is not None:
            entry.values[ours] = text
    if (is_active := user.get("isActive")) is not None:
        entry.values["is_active"] = is_active
    if not user.keys() <= NAMED:
        entry.more = {key: value for key, value in user.items() if key not in NAMED}
    if more := user.get("metadata"):
        entry.more = {**entry.more, **more}


def _filled(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _id(value: Any) -> Any:
    """An id that is a number is a text of digits."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _wrong(user: dict[str, Any], entry: Entry, organisation: str) -> str | None:
    if entry.email is None or entry.external_id is None:
        return REQUIRED
    get = user.get
    if get("orgCode") not in (organisation, None, ""):
        return "orgCode is not the organization of the token"
    for theirs, _ in _TEXTS:
        if not isinstance(get(theirs), str | None):
            return f"{theirs} must be a text"
    if not isinstance(get("isActive"), bool | None):
        return "isActive must be true or false"
    return None if isinstance(get("metadata"), dict | None) else "metadata must be an object"
