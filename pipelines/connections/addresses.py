"""Addresses that users name: https, and nothing in a private network unless the operator allows it.

A name is looked up when it is given, and every connection is looked at again when it is made (an audit hook of the
interpreter sees it), so that a name that means another machine by then, or a redirect, leads nowhere either.

Source: OWASP, Server-Side Request Forgery Prevention Cheat Sheet (doc).
"""

from __future__ import annotations

import ipaddress
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pipelines.connections.errors import SettingsError

Endpoint = tuple[str, int]
_PORTS = {"http": 80, "https": 443}


class PrivateAddress(SettingsError, ConnectionError):  # noqa: N818 - says what was met
    """A user's word led to a machine that only the operator may name."""


@dataclass(frozen=True)
class Allowed:
    """What the operator allows users to name.

    Attributes:
        private: any address in a private network, this machine included.
        insecure: http, also to other machines.
        endpoints: (IP address, port) pairs that may be reached in any case.
    """

    private: bool = False
    insecure: bool = False
    endpoints: frozenset[Endpoint] = field(default_factory=frozenset)

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Allowed:
        """As the variables ALLOW_PRIVATE_CRM_ADDRESSES, ALLOW_INSECURE_CRM_URLS and ALLOWED_CRM_ADDRESSES say.

        The last is a list of addresses, such as `http://127.0.0.1:8100`, that users may name.
        """
        listed = [word.strip() for word in variables.get("ALLOWED_CRM_ADDRESSES", "").split(",") if word.strip()]
        return cls(
            variables.get("ALLOW_PRIVATE_CRM_ADDRESSES", "").lower() == "true",
            variables.get("ALLOW_INSECURE_CRM_URLS", "").lower() == "true",
            frozenset(endpoint for url in listed for endpoint in endpoints(url)),
        )

    def also(self, url: str | None) -> Allowed:
        """With the address of a connection that the operator has configured."""
        return Allowed(
            self.private, self.insecure, self.endpoints | frozenset(endpoints(url)) if url else self.endpoints
        )

    def permits(self, address: str, port: int) -> bool:
        """Whether a connection may go there."""
        return self.private or (address, port) in self.endpoints or is_public(address)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet; a name is none."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return found.is_global and not found.is_multicast and (inner is None or is_public(str(inner)))


def endpoints(url: str) -> list[Endpoint]:
    """The (IP address, port) pairs behind an address; none where its name cannot be looked up."""
    parts = urlsplit(url)
    try:
        port = parts.port or _PORTS.get(parts.scheme.lower(), 0)
        found = socket.getaddrinfo(parts.hostname or "", port, type=socket.SOCK_STREAM)
    except (OSError, ValueError, UnicodeError):
        return []
    return list(dict.fromkeys((str(one[4][0]), port) for one in found))


def refuse_private(url: str, what: str, allowed: Allowed) -> None:
    """Refuses an address that a user may not name.

    Args:
        url: the address.
        what: how the user calls it: `instanceUrl`.
        allowed: what the operator allows.

    Raises:
        SettingsError: it is no plain https address, or a private one. A name that cannot be looked up passes: the call
            to it will fail.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise SettingsError(f"{what}: is no address; use https://...") from None
    if parts.scheme.lower() not in _PORTS or not host or any(c.isspace() or ord(c) < 33 for c in url):
        raise SettingsError(f"{what}: is no address; use https://...")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise SettingsError(f"{what}: use an address without user, password, ? and #")
    found = endpoints(url)
    if parts.scheme.lower() == "http" and not allowed.insecure and not _on_this_machine(found):
        raise SettingsError(f"{what}: http would send credentials unencrypted; use https")
    if not all(allowed.permits(*endpoint) for endpoint in found):
        raise PrivateAddress(f"{what}: {host} is in a private network; only the operator can allow that")


def _on_this_machine(found: list[Endpoint]) -> bool:
    return bool(found) and all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address, _ in found)


_here = threading.local()
_everywhere: list[Allowed] = []
_installed = threading.Lock()
_hooked: list[bool] = []


@contextmanager
def guarded(allowed: Allowed) -> Iterator[None]:
    """Within the block this thread connects to nothing else; for a call on a user's word.

    Raises:
        PrivateAddress: from the call that tried.
    """
    _install()
    before = getattr(_here, "allowed", None)
    _here.allowed = allowed
    try:
        yield
    finally:
        _here.allowed = before


def guard_process(allowed: Allowed) -> None:
    """From now on no thread of this process connects to anything else."""
    _install()
    _everywhere[:] = [allowed]


def _install() -> None:
    with _installed:
        if not _hooked:
            sys.addaudithook(_look)
            _hooked.append(True)


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect":
        return
    allowed = getattr(_here, "allowed", None) or (_everywhere[0] if _everywhere else None)
    address = arguments[1]
    if allowed is None or not isinstance(address, tuple) or len(address) < 2:
        return
    if not allowed.permits(str(address[0]), int(address[1])):
        raise PrivateAddress(f"{address[0]} is in a private network; only the operator can allow that")
