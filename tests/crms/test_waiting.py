"""MRI Vault over HTTP: a deal is about a property there, and no call says it before that property is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipelines.commands.exits import Exit
from pipelines.connections.connection import Settings

Office = Any  # see conftest.py
pytestmark = pytest.mark.slow


def posted(office: Office) -> dict[str, int]:
    """How many records of each kind were sent to be created since."""
    calls = [call for call in office.calls("mri_vault") if call["method"] == "POST"]
    return {call["path"].removeprefix("/api/"): call["count"] for call in calls if call["path"] != "/api/contacts"}


def test_a_deal_waits_until_its_property_is_there(
    open_office: Callable[..., Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    """VaultRE has a property and its sale. MRI Vault refuses the property, so it gets no deal; then both, in order."""

    def give(create: str | None) -> None:
        settings = {"mri_vault": Settings.model_validate({"create": create})}
        monkeypatch.setattr("pipelines.connections.resolve.connection_settings", lambda _: settings)

    office = open_office("vaultre", "mri_vault", size=40)
    give("none")
    assert office.run("all").code == Exit.DONE
    before = {kind: office.held("mri_vault", kind).keys() for kind in ("properties", "deals")}
    give(None)
    refusing = {"kind": "error", "method": "POST", "path": "*/properties", "status": 422}
    office.sandbox.admin("POST", "mri_vault/faults", refusing)
    office.forget_calls()
    done = office.run("all")
    homes = posted(office)["properties"]
    assert (done.row("push", "properties", "mri_vault").failed, posted(office)) == (homes, {"properties": homes})
    assert done.row("push", "deals", "mri_vault").failed == 1, "it is told, and tried again"
    office.sandbox.admin("DELETE", "mri_vault/faults")
    office.forget_calls()
    office.settle("all")
    assert posted(office) == {"properties": homes, "deals": 1}
    after = {kind: office.held("mri_vault", kind) for kind in before}
    assert after["properties"].keys() - before["properties"]
    (deal,) = after["deals"].keys() - before["deals"]
    assert after["deals"][deal]["propertyId"] in after["properties"].keys() - before["properties"]
