"""MRI Vault's flat wire: what the connectors' contract says of it, against its emulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipelines.mapping.language import Entity
from pipelines.mapping.load import load_mapping, load_schemas
from pipelines.push.write import Writer

Office = Any  # see conftest.py


@pytest.fixture(scope="module")
def office(open_office: Callable[..., Office]) -> Office:
    """Deals of Salesforce are to stand in MRI Vault, too; their properties do not all."""
    made = open_office("mri_vault", "salesforce", "follow_up_boss", size=40)
    made.settle("all")
    return made


@pytest.fixture(scope="module")
def writers(project_root: Path) -> Mapping[str, Writer]:
    schemas = load_schemas(project_root / "schemas")
    mapping = load_mapping(project_root / "mappings" / "mri_vault.yml", schemas)
    entities: dict[str, Entity] = mapping.entities
    return {name: Writer(entity, schemas[name], mapping.connection) for name, entity in entities.items()}


def test_fields_are_the_contracts(writers: Mapping[str, Writer]) -> None:
    """contracts/connectors.md: name -> firstName (first word) and lastName (the rest), emails[0], phones[0], ..."""
    contact = {
        "name": "Jane van Dyke", "email": "jane@example.test", "phone": "+61400000111", "role": "vendor",
        "relationship_notes": "Met at the fair",
    }  # fmt: skip
    assert writers["contacts"].body(contact) == {
        "firstName": "Jane", "lastName": "van Dyke", "email": "jane@example.test", "phone": "+61400000111",
        "type": "vendor", "notes": "Met at the fair",
    }  # fmt: skip
    home = {
        "address": "1 Elm", "vendor_ids": ["con-1"], "buyer_ids": ["con-2"], "milestones": ["signed"],
        "risk_overview": "none",
    }  # fmt: skip
    assert writers["properties"].body(home) == {
        "address": "1 Elm", "vendors": ["con-1"], "buyers": ["con-2"], "milestones": ["signed"], "riskOverview": "none",
    }  # fmt: skip
    deal = {
        "property_id": "prop-1", "stage": "open", "risk_level": "low", "risk_flags": ["late"], "next_action": "call",
        "next_action_owner": "Bo", "summary": "s", "contact_ids": ["con-1"],
    }  # fmt: skip
    assert writers["deals"].body(deal) == {
        "propertyId": "prop-1", "stage": "open", "riskLevel": "low", "riskFlags": ["late"], "nextAction": "call",
        "nextActionOwner": "Bo", "summary": "s", "contacts": ["con-1"],
    }  # fmt: skip


def test_nothing_is_sent_that_must_be_refused(office: Office) -> None:
    """What points to a record goes after it, and waits for one that is not there."""
    calls = office.calls("mri_vault")
    assert sum(call["count"] for call in calls if call["method"] == "POST") > 5
    assert not [call for call in calls if call["status"] >= 400]
