"""`crosswalk rotate-key` on stored connections."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from pipelines.commands.rotate_key_command import rotate
from pipelines.connections.owner import Owner
from pipelines.connections.stored import Stored
from pipelines.connections.vault import NotOpened, Vault
from pipelines.state import service_connections
from pipelines.state.database import open_state

FIRST = base64.b64encode(bytes((i * 73 + 41) * (i + 3) % 256 for i in range(32))).decode()
SECOND = base64.b64encode(bytes((i * 151 + 7) * (i + 5) % 256 for i in range(32))).decode()
STRANGE = base64.b64encode(bytes((i * 29 + 5) * (i + 11) % 256 for i in range(32))).decode()


def test_sets_are_sealed_anew_and_a_lost_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    owner = Owner("ann", tmp_path)
    with open_state(owner) as state:
        for provider, key in (("mri_vault", FIRST), ("kvcore", SECOND), ("zoho", STRANGE)):
            sealed = Vault.of({"ENCRYPTION_KEY": key}).seal("ann", provider, {"apiKey": provider})
            service_connections.save(state, Stored(provider, {}), sealed)
    both = Vault.of({"ENCRYPTION_KEY": SECOND, "ENCRYPTION_KEY_OLD": FIRST})
    renewed, current, lost = rotate(owner, both)
    assert (renewed, current, len(lost)) == (1, 1, 1)
    assert "zoho" in lost[0]
    assert rotate(owner, both)[:2] == (0, 2)
    new = Vault.of({"ENCRYPTION_KEY": SECOND})
    with open_state(owner) as state:
        kept = {one.provider: one for one in service_connections.load(state)}
    assert service_connections.opened(kept["mri_vault"], "ann", new).credentials == {"apiKey": "mri_vault"}
    with pytest.raises(NotOpened):
        service_connections.opened(kept["mri_vault"], "bob", new)
    with pytest.raises(NotOpened):
        service_connections.opened(kept["zoho"], "ann", new)
