"""Which owner a user or an organisation is: the one place where such a word becomes a folder's name (law L13)."""

from __future__ import annotations

import hashlib
import re

from pipelines.connections.owner import SERVICE_OWNER
from pipelines.connections.resolve import DEFAULT_OWNER, SANDBOX_OWNER

RESERVED = {SERVICE_OWNER, SANDBOX_OWNER, DEFAULT_OWNER}
_SAFE = re.compile(r"[a-z0-9]([a-z0-9_.@-]{0,78}[a-z0-9_@-])?")
_HASHED = re.compile(r"user-[0-9a-f]{40}")
ORGANISATION = "org-"
_HEX = re.compile(r"[0-9a-f]{40}")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def owner_name(user: str, default_owner: str = DEFAULT_OWNER) -> str:
    """The owner's name of a user; two users never share one, on no file system.

    A name that is a safe file name in lower case stays as it is; any other becomes a hash. Of the reserved names a user
    has only the one that the operator has made the default owner's.

    Args:
        user: what the token says, any text.
        default_owner: whose data the command line pulls.
    """
    if user == default_owner:
        return user
    reserved = {name.lower() for name in (*RESERVED, default_owner)}
    is_anothers = user in reserved or user.startswith(ORGANISATION) or _HASHED.fullmatch(user)
    if _is_safe(user) and not is_anothers and not _DEVICES.fullmatch(user):
        return user
    return f"user-{_hash(user)}"


def organisation_name(organisation: str) -> str:
    """The owner's name of an organisation whose users an identity system pushes in; no user has it."""
    is_plain = _is_safe(organisation) and not _HEX.fullmatch(organisation)
    return ORGANISATION + (organisation if is_plain else _hash(organisation))


def _is_safe(name: str) -> bool:
    return _SAFE.fullmatch(name) is not None and ".." not in name


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:40]
