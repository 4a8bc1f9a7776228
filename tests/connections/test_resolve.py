"""From a name to a connection: which credentials count, whose data it is, and what is refused."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pipelines.connections.errors import NoCredentials, SettingsError
from pipelines.connections.example import example_secrets
from pipelines.connections.project import Project, find_project
from pipelines.connections.resolve import connection_names, resolve
from pipelines.connections.settings import connection_settings
from pipelines.mapping.load import load_mappings

ROOT = Path(__file__).resolve().parents[2]
ALL = {"BRIVITY_API_KEY": "key-12345", "BRIVITY_CLIENT_ID": "id-12345", "BRIVITY_CLIENT_SECRET": "secret-12345"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    for folder in ("mappings", "schemas"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / ".dlt").mkdir()
    return Project(tmp_path, tmp_path / "data")


def auth(project: Project, name: str, environment: dict[str, str], **more: Any) -> dict[str, Any]:
    wire = resolve(name, project, environment=environment, **more).wire
    assert wire.auth is not None
    return wire.auth


def test_credentials_are_filled_in_and_kept_out_of_sight(project: Project) -> None:
    connection = resolve("brivity", project, environment=ALL)
    assert connection.wire.auth == {
        "type": "oauth2_client_credentials",
        "access_token_url": "https://api.brivity.com/v1/auth/oauth/token",
        "client_id": "id-12345",
        "client_secret": "secret-12345",
        "request_format": "json",
    }
    assert connection.wire.headers["X-Api-Key"] == "key-12345"
    assert connection.secrets == set(ALL.values())
    assert not any(secret in repr(connection) for secret in ALL.values())
    assert (connection.owner.name, connection.is_sandbox, connection.settings.push) == ("default", False, "plan")
    assert connection.owner.root == project.root / "data" / "default"
    assert set(connection.entities) == {"contacts", "deals"}


def test_addresses_are_no_secrets(project: Project) -> None:
    text = (project.mappings / "brivity.yml").read_text()
    (project.mappings / "acme.yml").write_text(
        text.replace("crm: brivity", "crm: acme").replace('"{base_url}/auth', '"${ACME_LOGIN_URL}/auth')
    )
    connection = resolve("acme", project, environment=ALL | {"ACME_LOGIN_URL": "https://login.example"})
    assert connection.secrets == set(ALL.values())
    with pytest.raises(SettingsError, match=r"http://login\.example would send"):
        resolve("acme", project, environment=ALL | {"ACME_LOGIN_URL": "http://login.example"})


def test_where_an_office_is_may_be_said_by_variables(project: Project) -> None:
    given = {"HUBSPOT_ACCESS_TOKEN": "token-12345"}
    assert resolve("hubspot", project, environment=given).wire.phone_region == "US"
    there = resolve("hubspot", project, environment=given | {"HUBSPOT_PHONE_REGION": "SE", "HUBSPOT_CURRENCY": "SEK"})
    assert (there.wire.phone_region, there.wire.currency) == ("SE", "SEK")
    assert there.secrets == {"token-12345"}
    with pytest.raises(SettingsError, match="phone_region is 'Sweden'; expected two capitals"):
        resolve("hubspot", project, environment=given | {"HUBSPOT_PHONE_REGION": "Sweden"})


def test_without_credentials_the_caller_may_use_the_sandbox(project: Project) -> None:
    with pytest.raises(NoCredentials) as refused:
        resolve("brivity", project, environment={"BRIVITY_API_BASE_URL": "https://x.example", "BRIVITY_API_KEY": " "})
    assert set(refused.value.missing) == set(ALL)


@pytest.mark.parametrize("missing", sorted(ALL))
def test_half_set_credentials_name_what_is_missing(project: Project, missing: str) -> None:
    environment = {name: value for name, value in ALL.items() if name != missing}
    with pytest.raises(SettingsError) as refused:
        resolve("brivity", project, environment=environment)
    assert not isinstance(refused.value, NoCredentials)
    assert f"half set: {missing} is missing" in str(refused.value)
    assert refused.value.exit_code == 2
    assert not any(value in str(refused.value) for value in ALL.values())


def test_the_sandbox_is_an_owner_of_its_own_and_sees_no_real_credentials(project: Project) -> None:
    url = "http://127.0.0.1:4711/brivity/v1"
    sandbox = {name: f"sandbox-{name}" for name in ALL} | {"BRIVITY_API_BASE_URL": url}
    connection = resolve("brivity", project, environment=ALL, sandbox_environment=sandbox)
    assert (connection.owner.name, connection.is_sandbox, connection.settings.push) == ("sandbox", True, "apply")
    assert connection.wire.base_url == url
    assert not connection.secrets & set(ALL.values())


def test_a_named_connection_has_credentials_of_its_own(project: Project) -> None:
    project.config.write_text('[connections.north]\nmapping = "brivity"\nentities = ["deals"]\nowner = "ann"\n')
    own = {"NORTH_CLIENT_ID": "north-id", "NORTH_CLIENT_SECRET": "north-secret"}
    found = auth(project, "north", ALL | own)
    assert (found["client_id"], found["client_secret"]) == ("north-id", "north-secret")
    connection = resolve("north", project, environment=ALL | own)
    assert connection.wire.headers["X-Api-Key"] == ALL["BRIVITY_API_KEY"]
    assert (list(connection.entities), connection.owner.name, connection.mapping.crm) == (["deals"], "ann", "brivity")
    with pytest.raises(NoCredentials, match="NORTH_API_KEY or BRIVITY_API_KEY"):
        resolve("north", project, environment={})
    assert {"north", "brivity"} <= set(connection_names(project))


def test_the_environment_comes_before_secrets_toml(project: Project) -> None:
    project.secrets.write_text(
        'BRIVITY_API_KEY = "file-key"\n[connections.brivity]\nclient_id = "file-id"\nclient_secret = "file-secret"\n'
    )
    found = auth(project, "brivity", {"BRIVITY_CLIENT_ID": "env-id"})
    assert (found["client_id"], found["client_secret"]) == ("env-id", "file-secret")
    assert resolve("brivity", project, environment={}).wire.headers["X-Api-Key"] == "file-key"


def test_the_default_owner_can_be_set(project: Project) -> None:
    assert resolve("brivity", project, environment=ALL | {"DEFAULT_OWNER": "office"}).owner.name == "office"
    with pytest.raises(SettingsError, match="use letters"):
        resolve("brivity", project, environment=ALL | {"DEFAULT_OWNER": "../else"})


@pytest.mark.parametrize(
    ("url", "is_refused"),
    [
        ("http://crm.example/v1", True),
        ("HTTP://crm.example/v1", True),
        ("http://127.0.0.1.example/v1", True),
        ("http://localhost@crm.example", True),
        ("http://0.0.0.0:1", True),
        ("http://127.0.0.1:80/v1", False),
        ("http://[::1]:80", False),
        ("http://localhost:9", False),
        ("https://crm.example/v1/", False),
        ("ftp://crm.example", True),
        ("https://user:pa55word@crm.example", True),
        ("crm.example", True),
    ],
)
def test_credentials_never_travel_in_the_clear(project: Project, url: str, is_refused: bool) -> None:
    environment = ALL | {"BRIVITY_API_BASE_URL": url}
    if not is_refused:
        assert resolve("brivity", project, environment=environment).wire.base_url == url.rstrip("/")
        return
    with pytest.raises(SettingsError) as refused:
        resolve("brivity", project, environment=environment)
    assert "pa55word" not in str(refused.value)
    if url.lower().startswith("http:"):
        allowed = environment | {"ALLOW_INSECURE_CRM_URLS": "true"}
        assert resolve("brivity", project, environment=allowed).wire.base_url == url


def test_a_misspelt_name_says_what_was_meant(project: Project) -> None:
    for name, wanted in (("brivty", "did you mean brivity"), ("zzz", "there are .*brivity"), ("../x", "no mapping")):
        with pytest.raises(SettingsError, match=wanted):
            resolve(name, project, environment=ALL)


def test_wrong_settings_are_all_told(project: Project) -> None:
    project.config.write_text('[connections.a]\npsuh = "plan"\n[connections.b]\npush = "maybe"\nmax_creates = -1\n')
    with pytest.raises(SettingsError) as refused:
        connection_settings(project)
    lines = str(refused.value).splitlines()
    assert lines[0] == ".dlt/config.toml [connections.a] psuh: unknown setting; did you mean push?"
    assert len(lines) == 3
    project.config.write_text("[connections\n")
    with pytest.raises(SettingsError, match=r"config.toml: not readable as TOML"):
        connection_settings(project)
    project.config.write_text('[connections.brivity]\nentities = ["invoices"]\n')
    with pytest.raises(SettingsError, match="has no entity 'invoices'; it has contacts or deals"):
        resolve("brivity", project, environment=ALL)


def test_a_table_that_nothing_reads_is_refused(project: Project) -> None:
    project.config.write_text("conections = 1\n[runtime]\nlog_level='INFO'\n[brivity]\npush='plan'\n")
    with pytest.raises(SettingsError) as refused:
        connection_settings(project)
    first, second = str(refused.value).splitlines()
    assert first == ".dlt/config.toml conections: nothing reads this; did you mean connections?"
    assert second.startswith(".dlt/config.toml brivity: nothing reads this; write [connections.<name>]")


def test_a_create_policy_is_read_before_it_is_needed(project: Project) -> None:
    for create, wanted in (
        ("linkd", "create: 'linkd' is no known column; did you mean linked"),
        ("1 = 1; drop table x", "create: more than one expression; expected one DuckDB expression"),
        ("stage_name = 'x'", "'stage_name' is no known column"),
    ):
        project.config.write_text(f'[connections.brivity]\ncreate = "{create}"\n')
        with pytest.raises(SettingsError, match=wanted):
            resolve("brivity", project, environment=ALL)
    project.config.write_text(
        "[connections.brivity]\ncreate = \"source_count > 1 and name = 'x'\"\nentities = ['deals']\n"
    )
    assert resolve("brivity", project, environment=ALL).settings.create == "source_count > 1 and name = 'x'"


def test_torn_secrets_are_not_quoted(project: Project) -> None:
    project.secrets.write_text('[connections.brivity]\nclient_secret = "s3cr3t-s3cr3t\n')
    with pytest.raises(SettingsError) as refused:
        resolve("brivity", project, environment={})
    assert "s3cr3t" not in str(refused.value)


def test_the_project_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_project().root == ROOT
    assert find_project(data_dir=Path("here")).data_dir == tmp_path / "here"
    for folder in ("p/mappings", "p/schemas", "p/deep/er"):
        (tmp_path / folder).mkdir(parents=True)
    assert find_project(tmp_path / "p" / "deep" / "er") == Project(tmp_path / "p", tmp_path / "p" / "data")


def test_the_settings_in_the_repository_are_right() -> None:
    project = find_project(ROOT)
    assert tomllib.loads(project.config.read_text())["runtime"]["dlthub_telemetry"] is False
    assert connection_settings(project) == {}


def test_the_example_names_every_variable() -> None:
    example = (ROOT / ".dlt" / "example.secrets.toml").read_text()
    wanted = example_secrets(load_mappings(ROOT / "mappings"))
    assert example == wanted, "run: python -m pipelines.connections.example"
    tables = tomllib.loads(example)["connections"]
    assert set(tables["brivity"]) == {"client_id", "client_secret", "api_key"}
    assert not any(tables["brivity"].values())
