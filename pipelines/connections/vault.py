"""Credentials at rest: AES-256-GCM, each set by itself, bound to its owner and provider.

The key comes from `ENCRYPTION_KEY` (32 random bytes, as base64 or hexadecimal); `ENCRYPTION_KEY_OLD` holds former keys,
comma-separated, while `crosswalk rotate-key` seals everything anew. A set that is moved to another owner or provider,
or changed in a single bit, does not open.

Source: NIST SP 800-38D (GCM): 96-bit nonces, never used twice with one key. Nonces are random; with them one key may
seal 2^32 sets.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipelines.connections.errors import SettingsError

KEY, OLD_KEYS = "ENCRYPTION_KEY", "ENCRYPTION_KEY_OLD"
KEY_BYTES, NONCE_BYTES = 32, 12
_FEWEST_DIFFERENT = 16
_HOW = "make one with: openssl rand -base64 32"


class NoKey(SettingsError):  # noqa: N818 - a state to act on
    """There is no key to encrypt with, or a weak one: nothing can be connected."""


class NotOpened(SettingsError):  # noqa: N818 - a state to act on
    """A sealed set does not open: another key, another owner or provider, or it was changed."""


@dataclass(frozen=True)
class Sealed:
    """An encrypted set of credentials. `key_id` names the key and tells nothing of it."""

    key_id: str
    nonce: bytes
    ciphertext: bytes


@dataclass(frozen=True)
class Vault:
    """Seals with the first key, opens with any."""

    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Vault:
        """The vault of a process.

        Raises:
            NoKey: `ENCRYPTION_KEY` is missing, of the wrong length, or not random.
        """
        said = environment.get(KEY, "").strip()
        if not said:
            raise NoKey(f"{KEY} is not set: credentials cannot be stored; {_HOW}")
        former = [word.strip() for word in environment.get(OLD_KEYS, "").split(",") if word.strip()]
        keys = [_key(KEY, said), *(_key(OLD_KEYS, word) for word in former)]
        return cls({key_id(key): key for key in keys})

    @property
    def current(self) -> str:
        """Id of the key that new sets are sealed with."""
        return next(iter(self.keys))

    def seal(self, owner: str, provider: str, credentials: Mapping[str, str]) -> Sealed:
        """Encrypts a set under a fresh nonce."""
        nonce = os.urandom(NONCE_BYTES)
        plain = json.dumps(dict(credentials), ensure_ascii=False).encode("utf-8", "surrogatepass")
        box = AESGCM(self.keys[self.current])
        return Sealed(self.current, nonce, box.encrypt(nonce, plain, _bound_to(owner, provider, self.current)))

    def open(self, owner: str, provider: str, sealed: Sealed) -> dict[str, str]:
        """The credentials of a set.

        Raises:
            NotOpened: its key is gone, or it is not this owner's and provider's, or it was changed.
        """
        key = self.keys.get(sealed.key_id)
        if key is None:
            raise NotOpened(f"{provider}: sealed with key {sealed.key_id}, which is in neither {KEY} nor {OLD_KEYS}")
        try:
            plain = AESGCM(key).decrypt(sealed.nonce, sealed.ciphertext, _bound_to(owner, provider, sealed.key_id))
        except (InvalidTag, ValueError):
            raise NotOpened(f"{provider}: the stored credentials cannot be opened; connect again") from None
        return {str(k): str(v) for k, v in json.loads(plain.decode("utf-8", "surrogatepass")).items()}


def key_id(key: bytes) -> str:
    """A short name for a key."""
    return hashlib.sha256(b"crosswalk key id\x00" + key).hexdigest()[:12]


def _bound_to(owner: str, provider: str, key: str) -> bytes:
    return json.dumps(["crosswalk credentials", 1, owner, provider, key]).encode()


def _key(name: str, said: str) -> bytes:
    key = _decoded(said)
    if key is None or len(key) != KEY_BYTES:
        raise NoKey(f"{name} is not {KEY_BYTES} bytes in base64 or hexadecimal; {_HOW}")
    if len(set(key)) < _FEWEST_DIFFERENT or _is_run(key):
        raise NoKey(f"{name} is weak: it does not look random; {_HOW}")
    return key


def _is_run(key: bytes) -> bool:
    """Whether each byte follows from the last by one step, as in 000102..."""
    return len({(after - before) % 256 for before, after in itertools.pairwise(key)}) <= 2


def _decoded(said: str) -> bytes | None:
    try:
        if len(said) == 2 * KEY_BYTES:
            return bytes.fromhex(said)
        padded = said.replace("-", "+").replace("_", "/")
        return base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
    except (ValueError, binascii.Error):
        return None
