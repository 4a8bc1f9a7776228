"""MRI Vault's flat wire: what is written has the names that the connectors' contract gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from pipelines.mapping.language import Entity
from pipelines.mapping.load import load_mapping, load_schemas
from pipelines.push.write import Writer


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
