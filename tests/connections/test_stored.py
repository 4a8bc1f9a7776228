"""Connections made over the API: what a user may give, and what it becomes."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from pipelines.connections.addresses import Allowed, PrivateAddress, guarded, is_public, refuse_private
from pipelines.connections.connection import Settings
from pipelines.connections.errors import SettingsError
from pipelines.connections.owner import Owner
from pipelines.connections.project import Project
from pipelines.connections.stored import Stored, credentials_of, providers, resolve_stored
from pipelines.mapping.load import load_schemas
from pipelines.mapping.overrides import load_overridden
from pipelines.mapping.problems import MappingErrors

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = load_schemas(ROOT / "schemas")
VAULT = {"apiKey": "key-of-ann", "instanceUrl": "https://192.0.2.1"}
ANYWHERE = Allowed(private=True)


def resolved(tmp_path: Path, provider: str, credentials: dict[str, str], **more: Any) -> Any:
    environment = more.pop("environment", {})
    stored = Stored(provider, credentials, more.pop("settings", Settings.model_validate({})), more.pop("fields", None))
    project = Project(ROOT, tmp_path)
    return resolve_stored(
        stored, project, Owner("ann", tmp_path), SCHEMAS, environment=environment, allowed=more.pop("allowed", ANYWHERE)
    )


def test_credentials_have_names_a_caller_can_guess() -> None:
    found = providers(Project(ROOT, ROOT / "data"), SCHEMAS)
    names = {name: [one.name for one in credentials_of(mapping) if one.is_needed] for name, mapping in found.items()}
    assert set(names["mri_vault"]) == {"apiKey", "instanceUrl"}
    assert set(names["topproducer"]) == {"clientId", "clientSecret", "apiKey"}
    assert set(names["salesforce_leads"]) == set(names["salesforce"]) == {"clientId", "clientSecret", "loginUrl"}
    assert "local" not in names
    assert "brivity_transactions" not in names


def test_a_connection_is_filled_from_the_users_credentials_alone(tmp_path: Path) -> None:
    given = {"clientId": "ann-id", "clientSecret": "ann-secret", "apiKey": "ann-key"}
    operators = {"TOPPRODUCER_CLIENT_SECRET": "operators-secret", "TOPPRODUCER_API_BASE_URL": "https://test.example/v2"}
    made = resolved(tmp_path, "topproducer", given, environment=operators)
    assert (made.owner.name, made.wire.base_url) == ("ann", "https://test.example/v2")
    assert {"ann-id", "ann-secret", "ann-key"} == set(made.secrets)
    with pytest.raises(SettingsError, match="clientSecret: is missing"):
        resolved(tmp_path, "topproducer", {"clientId": "a", "apiKey": "b"}, environment=operators)


def test_usual_names_of_a_lone_key_and_of_the_address(tmp_path: Path) -> None:
    made = resolved(tmp_path, "kvcore", {"apiKey": "ann-token", "instanceUrl": "https://kv.example/v2"})
    assert (made.wire.base_url, made.secrets) == ("https://kv.example/v2", {"ann-token"})


def test_a_connected_crm_gets_what_is_entered_here(tmp_path: Path) -> None:
    """`linked` alone means: what another CRM has, too."""
    before = providers(Project(ROOT, ROOT / "data"), SCHEMAS)["hubspot"].entities["contacts"].push
    made = resolved(tmp_path, "hubspot", {"accessToken": "ann-token"}).mapping.entities["contacts"].push
    assert before is not None
    assert made == (before.model_copy(update={"create": "all"}) if before.create == "linked" else before)
    vault = resolved(tmp_path, "mri_vault", VAULT).mapping.entities
    assert not [name for name, entity in vault.items() if entity.push and entity.push.create in ("linked", "none")]


@pytest.mark.parametrize(
    "credentials", [{"apiKey": "k"}, {**VAULT, "apiKy": "x"}, {**VAULT, "apiKey": "a\nb"}, {**VAULT, "apiKey": " "}]
)
def test_what_cannot_be_used_is_named_and_not_quoted(tmp_path: Path, credentials: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as refused:
        resolved(tmp_path, "mri_vault", credentials)
    assert "key-of-ann" not in str(refused.value)


def test_a_wrong_provider_or_entity(tmp_path: Path) -> None:
    for provider in ("pipedrive", "../mappings/brivity", "local", "brivity_transactions"):
        with pytest.raises(SettingsError):
            resolved(tmp_path, provider, {"apiKey": "k"})
    with pytest.raises(SettingsError, match="no entity"):
        resolved(tmp_path, "mri_vault", VAULT, settings=Settings.model_validate({"entities": ["houses"]}))


def overridden(fields: Any) -> Any:
    return load_overridden(ROOT / "mappings" / "mri_vault.yml", fields, SCHEMAS)


def test_fields_of_ones_own_change_and_add() -> None:
    before, after = (
        overridden(None),
        overridden({"contacts": {"company": "Company_Name", "role": {"path": "kind", "write": "never"}}}),
    )
    contacts = after.entities["contacts"]
    assert contacts.fields["company"].path == "Company_Name"
    assert contacts.fields["role"].path == "kind"
    assert set(contacts.push.fields) == {*before.entities["contacts"].push.fields, "company"} - {"role"}
    assert overridden(None).entities["contacts"].fields["role"].path == "type"
    read_only = overridden({"contacts": {"company": {"path": "Company_Name", "write": "never"}}})
    assert "company" not in read_only.entities["contacts"].push.fields


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"contact": {"company": "x"}}, "contacts"), ({"contacts": {"compny": "x"}}, "company"),
     ({"contacts": {"company": {"sql": "read_text('/etc/passwd')"}}}, "SQL"), ({"contacts": {"company": 5}}, "neither"),
     ({"contacts": {"company": {"path": "a", "join": ["b", "c"]}}}, "exactly one"),
     ({"contacts": {"company": {"pth": "a"}}}, "path"),
     ({"contacts": {"status": {"path": "s", "values": {"x": "no such status"}}}}, "status"),
     ({"contacts": "x"}, "object"),
     ({"contacts": {f"f{i}": "x" for i in range(600)}}, "more than"),
     ({"contacts": {"email": {"path": "a", "write": "sometimes"}}}, "write")],
)  # fmt: skip
def test_fields_are_checked_as_a_mapping_is(fields: Any, said: str) -> None:
    with pytest.raises(MappingErrors) as refused:
        overridden(fields)
    assert said in str(refused.value)


NO_INTERNET = ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.5.5", "169.254.169.254", "0.0.0.0", "::1",
               "fe80::1", "fc00::1", "::ffff:127.0.0.1", "2002:7f00:1::", "224.0.0.1", "100.64.0.1", "x"]  # fmt: skip


@pytest.mark.parametrize("address", NO_INTERNET)
def test_addresses_that_are_not_of_the_internet(address: str) -> None:
    assert not is_public(address)
    assert is_public("8.8.8.8")
    assert is_public("2606:4700::1111")


NOT_NAMED = [
    "", "x", "ftp://8.8.8.8", "https://", "https://a:b@8.8.8.8", "https://8.8.8.8/?q=1", "https://8.8.8.8/#a",
    "http://8.8.8.8", "https://8.8.8.8:99999", "https://8.8.8.8/ a", "javascript:1", "//8.8.8.8", "https://127.1",
    "https://2130706433", "https://0x7f000001", "https://[::]",
]  # fmt: skip


@pytest.mark.parametrize("url", NOT_NAMED)
def test_addresses_that_a_user_may_not_name(url: str) -> None:
    with pytest.raises(SettingsError):
        refuse_private(url, "instanceUrl", Allowed())


def test_what_the_operator_allows() -> None:
    refuse_private("https://8.8.8.8/api", "instanceUrl", Allowed())
    refuse_private("https://no.such.host.invalid", "instanceUrl", Allowed())
    refuse_private(
        "http://127.0.0.1:8100", "instanceUrl", Allowed.of({"ALLOWED_CRM_ADDRESSES": "http://127.0.0.1:8100"})
    )
    refuse_private("http://127.0.0.1:1", "instanceUrl", Allowed.of({"ALLOW_PRIVATE_CRM_ADDRESSES": "true"}))
    refuse_private("http://8.8.8.8", "instanceUrl", Allowed.of({"ALLOW_INSECURE_CRM_URLS": "true"}))
    with pytest.raises(SettingsError):
        refuse_private(
            "http://127.0.0.1:8101", "instanceUrl", Allowed.of({"ALLOWED_CRM_ADDRESSES": "http://127.0.0.1:8100"})
        )


def test_a_connection_that_goes_elsewhere_after_all_is_stopped() -> None:
    """As after a redirect, or where the name means another machine by then."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with guarded(Allowed()), pytest.raises(PrivateAddress):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        with guarded(Allowed(endpoints=frozenset({("127.0.0.1", port)}))):
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        met: list[BaseException] = []

        def elsewhere() -> None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
            except OSError as problem:
                met.append(problem)

        with guarded(Allowed()):
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
        assert not met
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
