"""Which owner a user is: the one place where a claim of a token becomes the name of a folder (law L13)."""

from __future__ import annotations

import hashlib
import re

from pipelines.connections.owner import SERVICE_OWNER
from pipelines.connections.resolve import DEFAULT_OWNER, SANDBOX_OWNER

RESERVED = {SERVICE_OWNER, SANDBOX_OWNER, DEFAULT_OWNER}
_SAFE = re.compile(r"[a-z0-9]([a-z0-9_.@-]{0,78}[a-z0-9_@-])?")
_HASHED = re.compile(r"user-[0-9a-f]{40}")
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
    is_safe = (
        _SAFE.fullmatch(user) and ".." not in user and not _HASHED.fullmatch(user) and not _DEVICES.fullmatch(user)
    )
    if is_safe and user not in reserved:
        return user
    return "user-" + hashlib.sha256(user.encode("utf-8", "surrogatepass")).hexdigest()[:40]
