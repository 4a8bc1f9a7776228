"""The vault: there and back, and never for anybody else."""

from __future__ import annotations

import base64
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.connections.vault import NoKey, NotOpened, Sealed, Vault

KEY = base64.b64encode(bytes((i * 73 + 41) * (i + 3) % 256 for i in range(32))).decode()
OTHER = base64.b64encode(bytes((i * 151 + 7) * (i + 5) % 256 for i in range(32))).decode()
VAULT = Vault.of({"ENCRYPTION_KEY": KEY})

credentials = st.dictionaries(st.text(min_size=1), st.text(), max_size=5)
names = st.text(min_size=1, max_size=20)


@given(names, names, credentials)
def test_there_and_back(owner: str, provider: str, secret: dict[str, str]) -> None:
    assert VAULT.open(owner, provider, VAULT.seal(owner, provider, secret)) == secret


@given(names, names, names, names, credentials)
def test_a_set_belongs_to_its_owner_and_provider(
    owner: str, provider: str, other: str, elsewhere: str, secret: dict[str, str]
) -> None:
    sealed = VAULT.seal(owner, provider, secret)
    if (owner, provider) != (other, elsewhere):
        with pytest.raises(NotOpened):
            VAULT.open(other, elsewhere, sealed)


@given(credentials, st.data())
def test_a_changed_bit_does_not_open(secret: dict[str, str], data: st.DataObject) -> None:
    sealed = VAULT.seal("a", "b", secret)
    whole = bytearray(sealed.nonce + sealed.ciphertext)
    at = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[at // 8] ^= 1 << (at % 8)
    with pytest.raises(NotOpened):
        VAULT.open("a", "b", Sealed(sealed.key_id, bytes(whole[:12]), bytes(whole[12:])))


@given(credentials)
def test_nothing_of_it_can_be_read_and_no_nonce_comes_twice(secret: dict[str, str]) -> None:
    first, second = VAULT.seal("a", "b", secret), VAULT.seal("a", "b", secret)
    assert first.nonce != second.nonce
    assert first.ciphertext != second.ciphertext
    assert not [v for v in secret.values() if len(v) > 3 and v.encode("utf-8", "surrogatepass") in first.ciphertext]


def test_keys_are_rotated() -> None:
    sealed = VAULT.seal("a", "b", {"apiKey": "k"})
    both = Vault.of({"ENCRYPTION_KEY": OTHER, "ENCRYPTION_KEY_OLD": KEY})
    assert both.open("a", "b", sealed) == {"apiKey": "k"}
    anew = both.seal("a", "b", {"apiKey": "k"})
    assert anew.key_id == both.current != sealed.key_id
    with pytest.raises(NotOpened, match="neither"):
        Vault.of({"ENCRYPTION_KEY": OTHER}).open("a", "b", sealed)


def b64(key: bytes) -> str:
    return base64.b64encode(key).decode()


WEAK = [
    "",
    "  ",
    "password",
    "x" * 32,
    "00" * 32,
    b64(b"a" * 32),
    b64(bytes(range(32))),
    b64(b"short"),
    b64(b"ab" * 16),
]


@pytest.mark.parametrize("weak", [*WEAK, b64(bytes(range(100, 131)))])
def test_a_missing_or_weak_key_is_refused(weak: str) -> None:
    with pytest.raises(NoKey):
        Vault.of({"ENCRYPTION_KEY": weak})


@given(st.binary(min_size=32, max_size=32).filter(lambda key: len(set(key)) > 20))
def test_a_key_may_be_written_in_three_ways(key: bytes) -> None:
    ways = (key.hex(), base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode().rstrip("="))
    try:
        ids = {Vault.of({"ENCRYPTION_KEY": way}).current for way in ways}
    except NoKey:
        assert len({(b - a) % 256 for a, b in itertools.pairwise(key)}) <= 2
    else:
        assert len(ids) == 1


def test_a_vault_does_not_show_its_keys() -> None:
    assert KEY not in repr(VAULT)
    assert "keys" not in repr(VAULT)
