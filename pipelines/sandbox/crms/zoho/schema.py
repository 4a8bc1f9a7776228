"""The modules of one Zoho CRM organisation and their fields.

Source: the samples of fact sheet 3.2; the spelling of field metadata follows the type map of Zoho's own SDK. There is
no standard module for listings, so `Properties` is a custom one (3.2). Made up here: which custom fields there are
(Contact_Status, Looking_For, Rating, External_Id, Property), the words of the picklists, the roles of contacts in
deals.
"""

from __future__ import annotations

from dataclasses import dataclass

# 19 digits, as in the samples; every module has its own range
ORG = 7_328_395_000_000_000_000
FIRST_ID = {
    "users": ORG + 605_000, "Leads": ORG + 80_000_000, "Contacts": ORG + 100_000_000, "Accounts": ORG + 300_000_000,
    "Deals": ORG + 400_000_000, "Properties": ORG + 500_000_000,
}  # fmt: skip
FIRST_NEW = ORG + 900_000_000
API_USER = str(FIRST_ID["users"] + 1)


@dataclass(frozen=True, slots=True)
class Field:
    """One field; `kind` is Zoho's data_type, `module` what a lookup points to."""

    name: str
    kind: str = "text"
    length: int = 255
    is_mandatory: bool = False
    is_read_only: bool = False
    is_unique: bool = False
    is_custom: bool = False
    choices: tuple[str, ...] = ()
    module: str = ""


@dataclass(frozen=True, slots=True)
class Module:
    """One module: what names its records, and what an upsert checks when nothing is said."""

    name: str
    fields: tuple[Field, ...]
    shown_as: str
    checked: str
    is_custom: bool = False

    def field(self, name: str) -> Field | None:
        """Returns a field by its name."""
        return next((field for field in self.fields if field.name == name), None)


STAGES = {
    "lead": "Qualification", "appointment": "Appointment", "showing": "Showing", "offer": "Offer",
    "under_contract": "Under Contract", "closed": "Closed Won", "lost": "Closed Lost",
}  # fmt: skip
SOURCES = (
    "Open house", "Zillow", "Realtor.com", "Referral", "Website", "Facebook", "Sign call", "Past client",
)  # fmt: skip
STATUS = ("new", "hot", "nurture", "watch", "active", "past", "inactive", "unqualified")
INTENTS = ("buyer", "seller", "seller/buyer", "tenant")
LISTING_STATUS = ("active", "pending", "closed", "withdrawn", "expired")
ROLES = {
    str(ORG + 6_800 + place): name for place, name in enumerate(("Client", "Partner", "Buyer", "Seller", "Attorney"), 1)
}
PIPELINE = "Standard (Standard)"

_SYSTEM = (
    Field("id", "bigint", is_read_only=True), Field("Owner", "ownerlookup"),
    Field("Created_Time", "datetime", is_read_only=True), Field("Modified_Time", "datetime", is_read_only=True),
    Field("Created_By", "ownerlookup", is_read_only=True), Field("Modified_By", "ownerlookup", is_read_only=True),
    Field("Tag", "text", is_read_only=True),
)  # fmt: skip
_EXTERNAL = Field("External_Id", is_unique=True, is_custom=True)
_NAME = (
    Field("First_Name", length=40), Field("Last_Name", length=80, is_mandatory=True),
    Field("Full_Name", is_read_only=True), Field("Email", "email", 100), Field("Secondary_Email", "email", 100),
    Field("Phone", "phone", 30), Field("Mobile", "phone", 30),
)  # fmt: skip
_CONTACT = (
    Field("Home_Phone", "phone", 30), Field("Other_Phone", "phone", 30),
    Field("Account_Name", "lookup", module="Accounts"), Field("Title", length=100),
    Field("Lead_Source", "picklist", choices=SOURCES), Field("Mailing_Street", length=250),
    Field("Mailing_City", length=100), Field("Mailing_State", length=100), Field("Mailing_Zip", length=30),
    Field("Mailing_Country", length=100), Field("Date_of_Birth", "date"), Field("Email_Opt_Out", "boolean"),
    Field("Description", "textarea", 32_000),
    Field("Contact_Status", "picklist", is_custom=True, choices=STATUS),
    Field("Looking_For", "picklist", is_custom=True, choices=INTENTS), Field("Rating", "integer", is_custom=True),
)  # fmt: skip
_DEAL = (
    Field("Deal_Name", length=120, is_mandatory=True),
    Field("Stage", "picklist", is_mandatory=True, choices=tuple(STAGES.values())),
    Field("Amount", "currency"), Field("Closing_Date", "date"), Field("Probability", "integer"),
    Field("Pipeline", "picklist", choices=(PIPELINE,)), Field("Type", "picklist", choices=("Buyer", "Seller")),
    Field("Contact_Name", "lookup", module="Contacts"), Field("Account_Name", "lookup", module="Accounts"),
    Field("Property", "lookup", is_custom=True, module="Properties"), Field("Description", "textarea", 32_000),
)  # fmt: skip
_PROPERTY = (
    Field("Name", length=120, is_mandatory=True), Field("Street", is_custom=True), Field("City", is_custom=True),
    Field("State", is_custom=True), Field("Zip_Code", is_custom=True), Field("MLS_Number", is_custom=True),
    Field("Listing_Status", "picklist", is_custom=True, choices=LISTING_STATUS),
    Field("List_Price", "currency", is_custom=True), Field("Bedrooms", "integer", is_custom=True),
    Field("Bathrooms", "double", is_custom=True), Field("Living_Area", "integer", is_custom=True),
    Field("Year_Built", "integer", is_custom=True),
)  # fmt: skip

MODULES = {
    module.name: module
    for module in (
        Module("Leads", (*_SYSTEM, *_NAME, Field("Company", length=200), _EXTERNAL), "Full_Name", "Email"),
        Module("Accounts", (*_SYSTEM, Field("Account_Name", length=200, is_mandatory=True), _EXTERNAL), "Account_Name",
               "Account_Name"),
        Module("Contacts", (*_SYSTEM, *_NAME, *_CONTACT, _EXTERNAL), "Full_Name", "Email"),
        Module("Properties", (*_SYSTEM, *_PROPERTY, _EXTERNAL), "Name", "Name", is_custom=True),
        Module("Deals", (*_SYSTEM, *_DEAL, _EXTERNAL), "Deal_Name", "Deal_Name"),
    )
}  # fmt: skip
