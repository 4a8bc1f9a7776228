"""One entry of a request, in the store's own words: what it says, and what it leaves alone."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Entry:
    """One user of a request.

    Attributes:
        email: as the caller wrote it; external_id: the caller's id. None where the entry has none.
        email_key: the address as it is compared.
        values: columns of `users` that the entry sets, as the table keeps them.
        more: keys for the user's metadata, new over old.
        full_name: a whole name, where the caller does not say which part is which.
        error: why this entry cannot be stored; then nothing of it is.
    """

    email: str | None
    external_id: str | None
    values: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    full_name: str | None = None
    error: str | None = None
    email_key: str | None = field(init=False)

    def __post_init__(self) -> None:
        self.email_key = None if self.email is None else email_key(self.email)


@dataclass(slots=True)
class Result:
    """What became of one entry.

    Attributes:
        status: created, updated or failed.
        crm_user_id: the store's own id.
        was_deactivated: the user was active before, and is not any more.
    """

    entry: Entry
    status: str
    crm_user_id: str | None = None
    error: str | None = None
    was_deactivated: bool = False


def email_key(email: str) -> str:
    """An address without case; one that is composed of accents equals one that is not."""
    stripped = email.strip()
    return stripped.lower() if stripped.isascii() else unicodedata.normalize("NFC", stripped).lower()


def may_have_nul(body: bytes) -> bool:
    """Whether a JSON text can hold a NUL character at all: it can only be written in one way."""
    return b"\\u0000" in body


def has_nul(value: Any) -> bool:
    """Whether any text in a JSON value, keys included, holds a NUL; no database keeps one."""
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(has_nul(key) or has_nul(member) for key, member in value.items())
    return any(has_nul(member) for member in value) if isinstance(value, list) else False
