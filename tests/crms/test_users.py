"""Users go both ways where a vendor documents it: changed, never made or deleted, and never what they log in with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipelines.cli import main
from pipelines.commands.exits import Exit
from pipelines.mapping.language import Mapping
from pipelines.mapping.load import load_mapping, load_schemas

Office = Any  # see conftest.py
CRMS = {"salesforce": "User", "zoho": "users"}


@pytest.fixture(scope="module")
def mappings(project_root: Any) -> dict[str, Mapping]:
    schemas = load_schemas(project_root / "schemas")
    return {one.stem: load_mapping(one, schemas) for one in (project_root / "mappings").glob("*.yml")}


def test_users_are_written_where_a_vendor_documents_it_and_only_changed(mappings: dict[str, Mapping]) -> None:
    """Salesforce: object reference, User (doc); Zoho: specification v8.0, users. Why not the others: docs/crms.md."""
    pushed = {name: one.entities["users"].push for name, one in mappings.items() if "users" in one.entities}
    assert {name for name, push in pushed.items() if push is not None} == set(CRMS)
    for push in filter(None, pushed.values()):
        assert push.create == "none"
        assert {push.create_request, push.create_batch, push.upsert_batch} == {None}
        assert {push.delete_request, push.delete_batch} == {None}
        assert not {"email", "role", "is_active", "is_admin", "external_id", "name"} & set(push.fields)


@pytest.mark.slow
def test_an_edit_of_a_user_reaches_the_other_crm_and_is_taken_back(open_office: Callable[..., Office]) -> None:
    office = open_office(*CRMS, size=12)
    office.settle(*CRMS)
    before = {crm: office.held(crm, store) for crm, store in CRMS.items()}
    ids = _of_one_user(office)
    for crm in CRMS:
        office.advance(crm, 600)
    office.edit("zoho", "users", ids["zoho"], {"first_name": "Zora", "phone": "+1 512 555 0199"})
    office.forget_calls()
    pushed = office.run(*CRMS)
    assert pushed.code == Exit.DONE
    after = office.held("salesforce", "User")
    changed = _changed(before["salesforce"], after)
    named = {"FirstName", "Name", "Phone", "LastModifiedDate", "SystemModstamp"}
    assert changed == {(ids["salesforce"], name) for name in named}
    assert after[ids["salesforce"]]["FirstName"] == "Zora"
    assert [c["method"] for c in office.calls("zoho") if c["method"] not in ("GET", "POST")] == []
    assert not [row for row in office.run(*CRMS).report.rows if row.planned], "no rest"
    with pytest.raises(SystemExit) as ended:
        main(["revert", pushed.report.run_id, "salesforce", "--apply", "--data-dir", str(office.data)])
    assert ended.value.code == Exit.DONE
    assert _changed(before["salesforce"], office.held("salesforce", "User")) == {
        (ids["salesforce"], name) for name in ("LastModifiedDate", "SystemModstamp")
    }
    office.settle(*CRMS)


def _of_one_user(office: Office) -> dict[str, str]:
    found = office.query("""select map_from_entries(list((connection, source_id))) from unified.user_sources
        group by user_id having count(*) = 2 order by user_id limit 1""")
    return dict(found[0][0])


def _changed(before: dict[str, Any], after: dict[str, Any]) -> set[tuple[str, str]]:
    return {(id, key) for id, body in after.items() for key, value in body.items() if before[id].get(key) != value}
