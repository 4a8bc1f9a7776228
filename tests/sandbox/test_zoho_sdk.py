"""Zoho's own SDK (`zohocrmsdk8_0` on PyPI) accepts the emulator: reading, creating, updating, searching, batch-writing.

The SDK takes any host: its `DataCenter.Environment` is made of plain addresses, and an `api_domain` it does not know
leaves that environment as it is. Before the first record it reads the metadata of modules and fields.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from zohocrmsdk.src.com.zoho.api.authenticator import OAuthToken
from zohocrmsdk.src.com.zoho.api.authenticator.store import FileStore
from zohocrmsdk.src.com.zoho.crm.api import HeaderMap, Initializer, ParameterMap
from zohocrmsdk.src.com.zoho.crm.api.contact_roles import ContactRolesOperations
from zohocrmsdk.src.com.zoho.crm.api.coql import BodyWrapper as Query
from zohocrmsdk.src.com.zoho.crm.api.coql import CoqlOperations
from zohocrmsdk.src.com.zoho.crm.api.dc import DataCenter
from zohocrmsdk.src.com.zoho.crm.api.deal_contact_roles import (
    BodyWrapper as RolesBody,
)
from zohocrmsdk.src.com.zoho.crm.api.deal_contact_roles import ContactRole, Data, DealContactRolesOperations
from zohocrmsdk.src.com.zoho.crm.api.exception import SDKException
from zohocrmsdk.src.com.zoho.crm.api.fields import FieldsOperations, GetFieldsParam
from zohocrmsdk.src.com.zoho.crm.api.modules import ModulesOperations
from zohocrmsdk.src.com.zoho.crm.api.record import (
    APIException,
    BodyWrapper,
    DeleteRecordsParam,
    Field,
    GetDeletedRecordsParam,
    GetRecordsHeader,
    GetRecordsParam,
    Record,
    RecordOperations,
    SearchRecordsParam,
    SuccessResponse,
)
from zohocrmsdk.src.com.zoho.crm.api.sdk_config import SDKConfig
from zohocrmsdk.src.com.zoho.crm.api.users import APIException as UserException
from zohocrmsdk.src.com.zoho.crm.api.users import BodyWrapper as UsersBody
from zohocrmsdk.src.com.zoho.crm.api.users import GetUsersParam, Users, UsersOperations
from zohocrmsdk.src.com.zoho.crm.api.util import Choice

from pipelines.sandbox import SandboxHandle, start

pytestmark = pytest.mark.usefixtures("running")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    """A sandbox of Zoho behind a socket, and the SDK, which is one for the process, pointed at it."""
    folder: Path = tmp_path_factory.mktemp("zoho")
    with start(folder / "data", ["zoho"], size=350) as sandbox:
        initialize(sandbox.environment("zoho"), folder)
        yield sandbox
    Initializer.initializer = None


def initialize(given: dict[str, str], folder: Path, **changed: str) -> None:
    """Points the SDK at a sandbox; it asks for its first access token here."""
    (folder / "tokens.txt").unlink(missing_ok=True)
    url = given["ZOHO_ACCOUNTS_URL"]
    known = {"client_id": given["ZOHO_CLIENT_ID"], "client_secret": given["ZOHO_CLIENT_SECRET"]}
    Initializer.initialize(
        environment=DataCenter.Environment(url, f"{url}/oauth/v2/token", url),
        token=OAuthToken(**known | {"refresh_token": given["ZOHO_REFRESH_TOKEN"]} | changed),
        store=FileStore(str(folder / "tokens.txt")), sdk_config=SDKConfig(), resource_path=str(folder),
    )  # fmt: skip


def contact(**fields: Any) -> Record:
    made = Record()
    for name, value in fields.items():
        made.add_key_value(name, value)
    return made


def body(*records: Record, check: list[str] | None = None) -> BodyWrapper:
    wrapped = BodyWrapper()
    wrapped.set_data(list(records))
    wrapped.set_trigger([])
    if check:
        wrapped.set_duplicate_check_fields(check)
    return wrapped


def parameters(**given: Any) -> ParameterMap:
    made = ParameterMap()
    for name, value in given.items():
        made.add(getattr(GetRecordsParam, name), value)
    return made


def rows(response: Any) -> list[Any]:
    return list(response.get_object().get_data())


def created(**fields: Any) -> int:
    outcome = rows(RecordOperations("Contacts").create_records(body(contact(**fields))))[0]
    assert isinstance(outcome, SuccessResponse), outcome.get_details()
    return int(outcome.get_details()["id"])


def test_modules_and_fields() -> None:
    modules = ModulesOperations().get_modules(ParameterMap(), HeaderMap()).get_object().get_modules()
    kinds = {module.get_api_name(): module.get_generated_type().get_value() for module in modules}
    assert kinds["Contacts"] == "default"
    assert kinds["Properties"] == "custom"
    asked = ParameterMap()
    asked.add(GetFieldsParam.module, "Deals")
    fields = {field.get_api_name(): field for field in FieldsOperations().get_fields(asked).get_object().get_fields()}
    assert fields["Deal_Name"].get_system_mandatory() is True
    assert fields["Contact_Name"].get_lookup().get_module().get_api_name() == "Contacts"
    assert "Closed Won" in [value.get_actual_value() for value in fields["Stage"].get_pick_list_values()]


def test_pages_by_token(running: SandboxHandle) -> None:
    """Record after record, with the types of the metadata: a lookup is a record, an owner a user, a time a datetime."""
    seen: dict[int, Record] = {}
    asked = parameters(fields="Last_Name,Email,Account_Name,Owner,Modified_Time,Lead_Source", per_page=100)
    while True:
        answered = RecordOperations("Contacts").get_records(asked).get_object()
        seen |= {record.get_id(): record for record in answered.get_data()}
        info = answered.get_info()
        if not info.get_more_records():
            break
        assert info.get_page_token_expiry() > datetime.datetime.now(datetime.UTC)
        asked = parameters(
            fields="Last_Name,Email,Account_Name,Owner,Modified_Time,Lead_Source",
            per_page=100,
            page_token=info.get_next_page_token(),
        )
    total = len(running.admin("GET", "zoho/records?entity=Contacts"))
    assert len(seen) == total > 200
    one = next(record for record in seen.values() if record.get_key_value("Account_Name"))
    assert one.get_key_value("Account_Name").get_key_value("name")
    assert one.get_key_value("Owner").get_email()
    assert one.get_modified_time().tzinfo is not None


def test_nothing_is_204_and_304() -> None:
    assert RecordOperations("Leads").get_records(parameters(fields="Last_Name")).get_status_code() == 204
    header = HeaderMap()
    header.add(GetRecordsHeader.if_modified_since, datetime.datetime.now(datetime.UTC))
    answered = RecordOperations("Deals").get_records(parameters(fields="Deal_Name"), header)
    assert answered.get_status_code() == 304


def test_refusals_are_understood() -> None:
    refused = RecordOperations("Contacts").get_records(ParameterMap())
    assert (refused.get_status_code(), refused.get_object().get_code().get_value()) == (400, "REQUIRED_PARAM_MISSING")
    assert refused.get_object().get_details()["param_name"] == "fields"
    with pytest.raises(SDKException):
        RecordOperations("Nothing").get_records(parameters(fields="Name"))


def test_create_read_update_delete() -> None:
    operations = RecordOperations("Contacts")
    id = created(
        **{Field.Contacts.last_name().get_api_name(): "Okoro", "First_Name": "Ada", "Email": "Ada@Example.com"},
        Lead_Source=Choice("Zillow"), Email_Opt_Out=True, Rating=4, Date_of_Birth=datetime.date(1980, 5, 17),
    )  # fmt: skip
    read = rows(operations.get_record(id, ParameterMap(), HeaderMap()))[0]
    assert (read.get_key_value("Full_Name"), read.get_key_value("Email")) == ("Ada Okoro", "ada@example.com")
    assert (read.get_key_value("Lead_Source").get_value(), read.get_key_value("Rating")) == ("Zillow", 4)
    assert read.get_key_value("Date_of_Birth") == datetime.date(1980, 5, 17)
    changed = rows(operations.update_record(id, body(contact(Last_Name="Eze")), HeaderMap()))[0]
    assert (changed.get_code().get_value(), changed.get_message().get_value()) == ("SUCCESS", "record updated")
    gone = ParameterMap()
    gone.add(DeleteRecordsParam.ids, str(id))
    assert rows(operations.delete_records(gone, HeaderMap()))[0].get_message().get_value() == "record deleted"
    deleted = ParameterMap()
    deleted.add(GetDeletedRecordsParam.type, "all")
    listed = rows(operations.get_deleted_records(deleted, HeaderMap()))
    assert {(row.get_id(), row.get_display_name(), row.get_type()) for row in listed} >= {(id, "Ada Eze", "recycle")}
    assert operations.get_record(id, ParameterMap(), HeaderMap()).get_status_code() == 204


def test_a_batch_whose_rows_fare_differently() -> None:
    given = body(contact(Last_Name="One"), contact(Last_Name="Two", Email="nonsense"), contact(Last_Name="Three"))
    answered = RecordOperations("Contacts").create_records(given, HeaderMap())
    outcomes = rows(answered)
    assert answered.get_status_code() == 207
    assert [type(outcome) for outcome in outcomes] == [SuccessResponse, APIException, SuccessResponse]
    assert outcomes[1].get_code().get_value() == "INVALID_DATA"
    assert outcomes[1].get_details()["api_name"] == "Email"


def test_upsert_of_a_hundred() -> None:
    operations = RecordOperations("Contacts")
    first = [contact(Last_Name=f"Nr {n}", Email=f"upsert{n}@example.com") for n in range(60)]
    assert operations.upsert_records(body(*first, check=["Email"]), HeaderMap()).get_status_code() == 200
    second = [contact(Last_Name=f"New {n}", Email=f"UPSERT{n}@example.com") for n in range(100)]
    outcomes = rows(operations.upsert_records(body(*second, check=["Email"]), HeaderMap()))
    actions = [(outcome.get_action().get_value(), outcome.get_duplicate_field()) for outcome in outcomes]
    assert actions == [("update", "Email")] * 60 + [("insert", None)] * 40
    too_many = [contact(Last_Name="A") for _ in range(101)]
    refused = operations.create_records(body(*too_many), HeaderMap())
    assert (refused.get_status_code(), refused.get_object().get_code().get_value()) == (400, "INVALID_DATA")


@pytest.mark.parametrize(
    ("by", "value"),
    [("email", "search@example.com"), ("phone", "2532019999"), ("word", "Searchable"),
     ("criteria", "((Last_Name:equals:Searchable)and(Email:starts_with:search))")],
)  # fmt: skip
def test_search(by: str, value: str) -> None:
    id = created(Last_Name="Searchable", Email="search@example.com", Mobile="(253) 201-9999")
    asked = ParameterMap()
    asked.add(getattr(SearchRecordsParam, by), value)
    assert id in [record.get_id() for record in rows(RecordOperations("Contacts").search_records(asked, HeaderMap()))]


def test_coql() -> None:
    id = created(Last_Name="Queried", Email="queried@example.com")
    query = Query()
    query.set_select_query(
        "select id, Last_Name from Contacts where Modified_Time >= '2026-01-01T00:00:00+00:00' and"
        " (Last_Name = 'Queried' or Email in ('a@b.c')) order by Modified_Time asc limit 0, 200"
    )
    found = rows(CoqlOperations().get_records(query))
    assert [(record.get_id(), record.get_key_value("Last_Name")) for record in found][-1] == (id, "Queried")


def test_users() -> None:
    asked = ParameterMap()
    asked.add(GetUsersParam.type, "ActiveUsers")
    users = UsersOperations().get_users(asked).get_object().get_users()
    assert {user.get_status() for user in users} == {"active"}
    assert users[0].get_role().get_name() == "CEO"


def test_users_are_changed() -> None:
    first, second = UsersOperations().get_users(ParameterMap()).get_object().get_users()[:2]
    done = UsersOperations().update_users(users(first.get_id(), phone="555-0101")).get_object().get_users()
    assert [(one.get_code().get_value(), one.get_details()["id"]) for one in done] == [("SUCCESS", first.get_id())]
    one = UsersOperations().update_user(second.get_id(), users(second.get_id(), first_name="Zora"))
    assert one.get_object().get_users()[0].get_status().get_value() == "success"
    held = {user.get_id(): user for user in UsersOperations().get_users(ParameterMap()).get_object().get_users()}
    assert held[first.get_id()].get_phone() == "555-0101"
    assert held[second.get_id()].get_full_name() == f"Zora {second.get_last_name()}"
    refused = UsersOperations().update_users(users(first.get_id(), email=second.get_email())).get_object().get_users()
    assert isinstance(refused[0], UserException)
    assert refused[0].get_code().get_value() == "DUPLICATE_DATA"


def users(id: int, **fields: str) -> UsersBody:
    user, wrapped = Users(), UsersBody()
    user.set_id(id)
    for name, value in fields.items():
        getattr(user, f"set_{name}")(value)
    wrapped.set_users([user])
    return wrapped


def test_a_deal_and_its_contacts() -> None:
    first, second = (Record() for _ in range(2))
    first.set_id(created(Last_Name="Buyer"))
    second.set_id(created(Last_Name="Partner"))
    deal = contact(Deal_Name="12 High St", Stage=Choice("Offer"), Amount=350000.0, Contact_Name=first)
    deal.add_key_value("Pipeline", Choice("Standard (Standard)"))
    made = rows(RecordOperations("Deals").create_records(body(deal), HeaderMap()))[0]
    assert isinstance(made, SuccessResponse), made.get_details()
    roles = ContactRolesOperations().get_roles().get_object().get_contact_roles()
    partner = next(role for role in roles if role.get_name() == "Partner")
    wanted, data, related = ContactRole(), Data(), RolesBody()
    wanted.set_id(partner.get_id())
    data.set_contact_role(wanted)
    related.set_data([data])
    operations, id = DealContactRolesOperations(), int(made.get_details()["id"])
    answered = operations.associate_contact_role_to_deal(second.get_id(), id, related)
    assert answered.get_status_code() == 200
    listed = rows(operations.get_associated_contact_roles(id, ParameterMap()))
    assert [(row.get_id(), row.get_contact_role().get_name()) for row in listed] == [(second.get_id(), "Partner")]


def test_a_wrong_secret_is_seen_in_a_200(running: SandboxHandle, tmp_path: Path) -> None:
    kept = Initializer.initializer
    with pytest.raises(SDKException, match="invalid_client"):
        initialize(running.environment("zoho"), tmp_path, client_secret="wrong")
    Initializer.initializer = kept
