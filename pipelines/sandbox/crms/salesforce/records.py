"""How the world's people, companies, deals, properties and users look in this organisation, but for id and times."""

from __future__ import annotations

from typing import Any

from pipelines.sandbox import clock
from pipelines.sandbox.copies import ContactCopy, DealCopy, PropertyCopy, UserCopy
from pipelines.sandbox.crms.salesforce.ids import record_id
from pipelines.sandbox.crms.salesforce.schema import (
    ACCOUNT,
    CONTACT,
    OPPORTUNITY,
    PROPERTY,
    STAGES,
    USER,
    SObject,
)

Body = dict[str, Any]

STAGE = {
    "lead": "Prospecting", "appointment": "Qualification", "showing": "Needs Analysis",
    "offer": "Proposal/Price Quote", "under_contract": "Negotiation/Review", "closed": "Closed Won",
    "lost": "Closed Lost",
}  # fmt: skip
ROLES = {"client": "Client", "partner": "Partner", "buyer": "Buyer", "seller": "Seller"}


def _person(copied: ContactCopy) -> Body:
    phones = dict(reversed(copied.phones))
    last = f"{copied.last_name or copied.first_name or 'Unknown'} {copied.suffix}".strip()
    first = copied.first_name.strip() if copied.last_name else None
    return {
        "FirstName": first or None,
        "LastName": last,
        "Email": copied.email.strip() if "." in copied.email.partition("@")[2] else None,
        "Phone": phones.get("work") or phones.get("home"),
        "MobilePhone": phones.get("mobile"),
        "Title": copied.job_title or None,
        "LeadSource": copied.source or None,
        "Description": copied.notes or None,
        "HasOptedOutOfEmail": copied.consents is False,
        "OwnerId": record_id(USER.prefix, copied.owner),
        "Intent__c": copied.intent or None,
        "Tags__c": ";".join(copied.tags) or None,
        "Rating__c": copied.rating,
    }


def _address(copied: ContactCopy, prefix: str) -> Body:
    address = copied.address
    names = [f"{prefix}{name}" for name in ("Street", "City", "State", "PostalCode", "Country")]
    if address is None:
        return dict.fromkeys(names)
    street = f"{address.street} {address.unit}".strip()
    return dict(zip(names, (street, address.city, address.state, address.postal_code, address.country), strict=True))


def contact(copied: ContactCopy, account: str | None) -> Body:
    """Returns a contact of an account."""
    phones = dict(reversed(copied.phones))
    other = next((email.strip() for email in copied.emails[1:]), None)
    return _person(copied) | _address(copied, "Mailing") | {
        "HomePhone": phones.get("home") if phones.get("work") else None,
        "AccountId": account,
        "Status__c": copied.stage or None,
        "Secondary_Email__c": other,
    }  # fmt: skip


def lead(copied: ContactCopy, contact_id: str | None = None) -> Body:
    """Returns a lead, converted where it became a contact."""
    return _person(copied) | _address(copied, "") | {
        "Company": copied.company or "Household",
        "Status": "Closed - Converted" if contact_id else "Open - Not Contacted",
        "IsConverted": contact_id is not None,
        "ConvertedContactId": contact_id,
    }  # fmt: skip


def account(name: str) -> Body:
    """Returns the account of a company."""
    return {"Name": name, "OwnerId": record_id(USER.prefix, 1)}


def opportunity(copied: DealCopy, account_id: str | None, is_property_held: bool) -> Body:
    """Returns a deal."""
    truth = copied.deal
    return {
        "Name": truth.name,
        "Amount": copied.amount,
        "StageName": STAGE[copied.stage],
        "Probability": copied.probability,
        "CloseDate": clock.iso_date(truth.closes),
        "NextStep": truth.next_action or None,
        "Description": truth.summary,
        "Type": "New Business",
        "OwnerId": record_id(USER.prefix, copied.owner),
        "AccountId": account_id,
        "Property__c": record_id(PROPERTY.prefix, copied.property.number) if is_property_held else None,
        "Side__c": truth.side,
        "Commission_Percent__c": truth.commission_percent,
        "Risk_Level__c": truth.risk_level,
    }


def role(deal: int, contact_number: int, name: str) -> Body:
    """Returns who stands in a deal as what."""
    return {
        "OpportunityId": record_id(OPPORTUNITY.prefix, deal),
        "ContactId": record_id(CONTACT.prefix, contact_number),
        "Role": ROLES[name],
        "IsPrimary": name == "client",
    }


def property_record(copied: PropertyCopy) -> Body:
    """Returns a property of the custom object."""
    house, address = copied.property, copied.address
    return {
        "Name": f"{address.street} {address.unit}".strip(),
        "Street__c": address.street, "Unit__c": address.unit or None, "City__c": address.city,
        "State__c": address.state, "Postal_Code__c": address.postal_code, "Country__c": address.country,
        "List_Price__c": house.list_price, "Bedrooms__c": house.bedrooms, "Bathrooms__c": house.bathrooms,
        "Living_Area__c": house.living_area, "Lot_Area__c": house.lot_area, "Year_Built__c": house.year_built,
        "Kind__c": house.kind, "Status__c": house.status, "Listed_On__c": clock.iso_date(house.listed),
        "MLS_Number__c": house.mls_number,
        "OwnerId": record_id(USER.prefix, copied.owner),
        "Vendor__c": record_id(CONTACT.prefix, copied.vendors[0]) if copied.vendors else None,
    }  # fmt: skip


def user(copied: UserCopy) -> Body:
    """Returns a user; one who has left is not active."""
    who = copied.user
    return {
        "Username": who.email, "Email": who.email, "FirstName": who.first_name, "LastName": who.last_name,
        "Name": f"{who.first_name} {who.last_name}", "Phone": who.phone, "Title": who.role, "Department": "Sales",
        "IsActive": who.active,
    }  # fmt: skip


def derived(kind: SObject, body: Body, is_stage_new: bool = True) -> Body:
    """Returns the fields that Salesforce works out itself: a person's name; what a stage means."""
    if "LastName" in kind.fields:
        return {"Name": " ".join(part for part in (body.get("FirstName"), body.get("LastName")) if part)}
    if kind is OPPORTUNITY:
        stage = body.get("StageName")
        closed = {"IsClosed": stage in ("Closed Won", "Closed Lost"), "IsWon": stage == "Closed Won"}
        known = stage in STAGES and (is_stage_new or body.get("Probability") is None)
        return closed | ({"Probability": STAGES[stage]} if known and stage else {})
    return {}


def account_id(number: int) -> str:
    """Returns the id of the account of the company with this number."""
    return record_id(ACCOUNT.prefix, number)
