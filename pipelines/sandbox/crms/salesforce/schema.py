"""The objects of the organisation and their fields, as `describe` tells them.

Names of standard objects and fields are Salesforce's. UNVERIFIED: that there is no standard object for listings in
Sales Cloud; `Property__c` is this organisation's own, as are all names in `__c`.
"""

from __future__ import annotations

from dataclasses import dataclass

CREATED, MODIFIED, STAMP = "CreatedDate", "LastModifiedDate", "SystemModstamp"


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes:
        kind: as `describe` names types: string, email, phone, boolean, currency, double, int, percent, date, datetime,
            reference, picklist, multipicklist, textarea, id.
        to, relation: the object that a reference points to, and the name that leads there in a query.
        options: the values of a picklist, restricted where `is_restricted`.
        is_key: an external id; `is_unique`: no two records have one value.
    """

    name: str
    kind: str = "string"
    length: int = 255
    is_required: bool = False
    is_written: bool = True
    to: str = ""
    relation: str = ""
    options: tuple[str, ...] = ()
    is_restricted: bool = False
    is_key: bool = False
    is_unique: bool = False


@dataclass(frozen=True, slots=True)
class SObject:
    """One object; `children` are (relationship name, object, field that points back).

    `is_made`: calls add and delete its records; a user takes a licence, and is never deleted.
    """

    name: str
    prefix: str
    own: tuple[Field, ...]
    children: tuple[tuple[str, str, str], ...] = ()
    is_made: bool = True

    @property
    def fields(self) -> dict[str, Field]:
        """All fields by name, those that every object has among them."""
        return {each.name: each for each in (*_SYSTEM, *self.own)}

    def field(self, name: str) -> Field | None:
        """Returns a field; names are told apart without regard to case."""
        return self.fields.get(name) or next((f for f in self.fields.values() if f.name.lower() == name.lower()), None)


def _of(kind: str, names: str, **more: bool) -> tuple[Field, ...]:
    return tuple(Field(name, kind, **more) for name in names.split())  # type: ignore[arg-type]


def _reference(name: str, to: str, relation: str = "", is_required: bool = False) -> Field:
    return Field(name, "reference", 18, is_required, to=to, relation=relation or name.removesuffix("Id"))


_SYSTEM = (
    Field("Id", "id", 18, is_written=False),
    Field("IsDeleted", "boolean", is_written=False),
    *_of("datetime", f"{CREATED} {MODIFIED} {STAMP}", is_written=False),
)
_KEYS = (
    Field("External_Id__c", is_key=True, is_unique=True),
    Field("Legacy_Key__c", is_key=True),
)
_OWNER = _reference("OwnerId", "User")
LEAD_SOURCES = ("Open house", "Zillow", "Realtor.com", "Referral", "Website", "Facebook", "Sign call", "Past client")
STAGES = {
    "Prospecting": 10, "Qualification": 10, "Needs Analysis": 20, "Value Proposition": 50, "Id. Decision Makers": 60,
    "Perception Analysis": 70, "Proposal/Price Quote": 75, "Negotiation/Review": 90, "Closed Won": 100,
    "Closed Lost": 0,
}  # fmt: skip
_PERSON = (
    Field("FirstName", length=40), Field("LastName", length=80, is_required=True),
    Field("Name", length=121, is_written=False),
    Field("Email", "email", 80), *_of("phone", "Phone MobilePhone"), Field("Title", length=128),
    Field("LeadSource", "picklist", options=LEAD_SOURCES), Field("Description", "textarea", 32_000),
    Field("HasOptedOutOfEmail", "boolean"), _OWNER,
    Field("Intent__c", "picklist", options=("buyer", "seller", "seller/buyer", "tenant"), is_restricted=True),
    Field("Tags__c", "multipicklist", 4_099), Field("Rating__c", "double"),
)  # fmt: skip

CONTACT = SObject(
    "Contact", "003",
    (
        *_PERSON, *_of("phone", "HomePhone OtherPhone"), _reference("AccountId", "Account"),
        Field("Salutation", "picklist", options=("Mr.", "Ms.", "Mrs.", "Dr.", "Prof.")), Field("Birthdate", "date"),
        Field("DoNotCall", "boolean"),
        Field("MailingStreet", "textarea"), *_of("string", "MailingCity MailingState MailingPostalCode MailingCountry"),
        Field("Status__c", "picklist",
              options=("new", "hot", "nurture", "watch", "active", "past", "inactive", "unqualified")),
        Field("Secondary_Email__c", "email", 80), *_KEYS,
    ),
    (("OpportunityContactRoles", "OpportunityContactRole", "ContactId"),),
)  # fmt: skip
LEAD = SObject(
    "Lead", "00Q",
    (
        *_PERSON, Field("Company", is_required=True),
        Field("Street", "textarea"), *_of("string", "City State PostalCode Country"),
        Field("Status", "picklist",
              options=("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted")),
        Field("IsConverted", "boolean", is_written=False),
        Field("ConvertedContactId", "reference", 18, is_written=False, to="Contact", relation="ConvertedContact"),
        *_KEYS,
    ),
)  # fmt: skip
ACCOUNT = SObject(
    "Account", "001",
    (
        Field("Name", is_required=True), Field("Phone", "phone"), Field("Website"), Field("Description", "textarea"),
        _OWNER, *_KEYS,
    ),
    (("Contacts", "Contact", "AccountId"), ("Opportunities", "Opportunity", "AccountId")),
)  # fmt: skip
OPPORTUNITY = SObject(
    "Opportunity", "006",
    (
        Field("Name", length=120, is_required=True), Field("Amount", "currency"),
        Field("StageName", "picklist", is_required=True, options=tuple(STAGES)),
        Field("CloseDate", "date", is_required=True), Field("Probability", "percent"),
        *_of("boolean", "IsClosed IsWon", is_written=False), Field("NextStep"),
        Field("Description", "textarea", 32_000),
        Field("Type", "picklist", options=("New Business", "Existing Business")),
        Field("LeadSource", "picklist", options=LEAD_SOURCES),
        _OWNER, _reference("AccountId", "Account"), _reference("Property__c", "Property__c", "Property__r"),
        Field("Side__c", "picklist", options=("buyer", "seller"), is_restricted=True),
        Field("Commission_Percent__c", "percent"),
        Field("Risk_Level__c", "picklist", options=("low", "medium", "high"), is_restricted=True), *_KEYS,
    ),
    (("OpportunityContactRoles", "OpportunityContactRole", "OpportunityId"),),
)  # fmt: skip
ROLE = SObject(
    "OpportunityContactRole", "00K",
    (
        _reference("OpportunityId", "Opportunity", is_required=True),
        _reference("ContactId", "Contact", is_required=True),
        Field("Role", "picklist", options=("Client", "Partner", "Buyer", "Seller")), Field("IsPrimary", "boolean"),
    ),
)  # fmt: skip
USER = SObject(
    "User", "005",
    (
        Field("Username", length=80, is_required=True), Field("Email", "email", 128, is_required=True),
        Field("FirstName", length=40), Field("LastName", length=80, is_required=True),
        Field("Name", length=121, is_written=False), *_of("phone", "Phone MobilePhone"), Field("Title", length=80),
        Field("Department", length=80), Field("IsActive", "boolean"),
    ),
    is_made=False,
)  # fmt: skip
PROPERTY = SObject(
    "Property__c", "a00",
    (
        Field("Name", length=80, is_required=True), Field("Street__c", "textarea"),
        *_of("string", "Unit__c City__c State__c Postal_Code__c Country__c"),
        Field("List_Price__c", "currency"), *_of("double", "Bedrooms__c Bathrooms__c Living_Area__c Lot_Area__c"),
        Field("Year_Built__c", "double"),
        Field("Kind__c", "picklist", options=("single_family", "condo", "townhouse", "land")),
        Field("Status__c", "picklist", options=("active", "pending", "closed", "withdrawn", "expired")),
        Field("Listed_On__c", "date"), Field("MLS_Number__c", is_key=True, is_unique=True), _OWNER,
        _reference("Vendor__c", "Contact", "Vendor__r"), *_KEYS,
    ),
    (("Opportunities__r", "Opportunity", "Property__c"),),
)  # fmt: skip
OBJECTS = {each.name: each for each in (ACCOUNT, CONTACT, LEAD, OPPORTUNITY, ROLE, PROPERTY, USER)}
_FOLDED = {name.lower(): each for name, each in OBJECTS.items()}


def sobject(name: str) -> SObject | None:
    """Returns an object; names are told apart without regard to case."""
    return _FOLDED.get(name.lower())
