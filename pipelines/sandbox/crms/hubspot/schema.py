"""The object types of the portal and their properties, as `GET /crm/v3/properties/{type}` describes them.

The names of contacts, deals and companies are HubSpot's. UNVERIFIED: the properties of listings (`0-420`); the fact
sheet has no more than the object type. `is_custom` properties are what this brokerage added to its portal.
"""

from __future__ import annotations

from dataclasses import dataclass

Options = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Property:
    """One property; `kind` is its `type`, `unique` its `hasUniqueValue`; `options` are (value, label)."""

    name: str
    kind: str = "string"
    field: str = "text"
    options: Options = ()
    unique: bool = False
    read_only: bool = False
    is_custom: bool = False


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One object type.

    Attributes:
        name: in paths and in our store.
        type_id: in paths too.
        one: as association types say it (`contact_to_deal`).
        created, modified: the properties that show when; only contacts have `lastmodifieddate`.
        defaults: the properties that come when none is asked for.
        searched: where `query` of a search looks.
    """

    name: str
    type_id: str
    one: str
    created: str
    modified: str
    defaults: tuple[str, ...]
    searched: tuple[str, ...]
    properties: tuple[Property, ...]


def _options(*values: str) -> Options:
    return tuple((value, value.replace("_", " ").capitalize()) for value in values)


def _texts(names: str) -> tuple[Property, ...]:
    return tuple(Property(name) for name in names.split())


def _numbers(names: str) -> tuple[Property, ...]:
    return tuple(Property(name, "number", "number") for name in names.split())


def _system(created: str, modified: str) -> tuple[Property, ...]:
    return (
        Property("hs_object_id", "number", "number", read_only=True),
        Property(created, "datetime", "date", read_only=True),
        Property(modified, "datetime", "date", read_only=True),
        Property("hubspot_owner_id", "enumeration", "select"),
        Property("hs_merged_object_ids", "enumeration", "checkbox", read_only=True),
    )


LIFECYCLE = _options(
    "subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer", "evangelist",
    "other",
)  # fmt: skip
LEAD_STATUS = _options(
    "NEW", "OPEN", "IN_PROGRESS", "OPEN_DEAL", "UNQUALIFIED", "ATTEMPTED_TO_CONTACT", "CONNECTED", "BAD_TIMING"
)
DEAL_STAGES: tuple[tuple[str, str, str, str], ...] = (
    ("appointmentscheduled", "Appointment Scheduled", "0.2", "false"),
    ("qualifiedtobuy", "Qualified To Buy", "0.4", "false"),
    ("presentationscheduled", "Presentation Scheduled", "0.6", "false"),
    ("decisionmakerboughtin", "Decision Maker Bought-In", "0.8", "false"),
    ("contractsent", "Contract Sent", "0.9", "false"),
    ("closedwon", "Closed Won", "1.0", "true"),
    ("closedlost", "Closed Lost", "0.0", "true"),
)

CONTACTS = ObjectType(
    "contacts", "0-1", "contact", "createdate", "lastmodifieddate",
    ("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"),
    ("firstname", "lastname", "email", "phone", "mobilephone", "company"),
    (
        *_system("createdate", "lastmodifieddate"),
        Property("email", unique=True),
        *_texts("firstname lastname company jobtitle address city state zip country website"),
        Property("phone", field="phonenumber"), Property("mobilephone", field="phonenumber"),
        Property("hs_additional_emails", "enumeration", "checkbox", read_only=True),
        Property("lifecyclestage", "enumeration", "radio", LIFECYCLE),
        Property("hs_lead_status", "enumeration", "radio", LEAD_STATUS),
        Property("hs_email_optout", "bool", "booleancheckbox", _options("true", "false")),
        Property("client_reference", unique=True, is_custom=True),
        Property("buyer_seller", "enumeration", "select", _options("buyer", "seller", "seller/buyer", "tenant"),
                 is_custom=True),
        Property("client_tags", "string", "textarea", is_custom=True),
        Property("lead_source", is_custom=True),
        Property("rating", "number", "number", is_custom=True),
        Property("notes", "string", "textarea", is_custom=True),
    ),
)  # fmt: skip
COMPANIES = ObjectType(
    "companies", "0-2", "company", "createdate", "hs_lastmodifieddate",
    ("createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"), ("name", "domain", "phone"),
    (*_system("createdate", "hs_lastmodifieddate"), *_texts("name domain phone address city state zip country")),
)  # fmt: skip
DEALS = ObjectType(
    "deals", "0-3", "deal", "createdate", "hs_lastmodifieddate",
    ("amount", "closedate", "createdate", "dealname", "dealstage", "hs_lastmodifieddate", "hs_object_id", "pipeline"),
    ("dealname", "description"),
    (
        *_system("createdate", "hs_lastmodifieddate"), *_texts("dealname description deal_currency_code"),
        *_numbers("amount hs_deal_stage_probability"),
        Property("closedate", "datetime", "date"),
        Property("dealtype", "enumeration", "radio", _options("newbusiness", "existingbusiness")),
        Property("pipeline", "enumeration", "select", (("default", "Sales Pipeline"),)),
        Property("dealstage", "enumeration", "radio", tuple(stage[:2] for stage in DEAL_STAGES)),
        Property("deal_reference", unique=True, is_custom=True),
        Property("deal_side", "enumeration", "select", _options("buyer", "seller"), is_custom=True),
        Property("commission_percent", "number", "number", is_custom=True),
        Property("risk_level", "enumeration", "select", _options("low", "medium", "high"), is_custom=True),
        Property("next_step", "string", "textarea", is_custom=True),
    ),
)  # fmt: skip
LISTINGS = ObjectType(
    "listings", "0-420", "listing", "hs_createdate", "hs_lastmodifieddate",
    ("hs_createdate", "hs_lastmodifieddate", "hs_object_id"), ("hs_name", "hs_address_1", "hs_city"),
    (
        *_system("hs_createdate", "hs_lastmodifieddate"),
        *_texts("hs_name hs_address_1 hs_address_2 hs_city hs_state_province hs_zip hs_country hs_neighborhood"),
        *_numbers("hs_price hs_bedrooms hs_bathrooms hs_square_footage hs_lot_size hs_year_built"),
        Property("hs_listing_type", "enumeration", "select",
                 _options("single_family", "condo", "townhouse", "land")),
        Property("listing_status", "enumeration", "select",
                 _options("active", "pending", "closed", "withdrawn", "expired"), is_custom=True),
        Property("listed_on", "date", "date", is_custom=True),
        Property("mls_number", unique=True, is_custom=True),
    ),
)  # fmt: skip
TYPES = (CONTACTS, COMPANIES, DEALS, LISTINGS)
BY_NAME = {name: kind for kind in TYPES for name in (kind.name, kind.one, kind.type_id)}


def object_type(name: str) -> ObjectType | None:
    """Returns the object type a path names: `contacts`, `contact`, `0-1`, in whatever case."""
    return BY_NAME.get(name.lower())
