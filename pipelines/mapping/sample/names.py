"""Words by which CRMs call what the canonical schemas name, and how much two names are alike."""

from __future__ import annotations

import difflib
from functools import cache

from pipelines.mapping.canonical import CanonicalField
from pipelines.mapping.sample.paths import words

# Canonical field: what it is also called. The schemas' RESO names come on top.
ALSO: dict[str, tuple[str, ...]] = {
    "first_name": ("given name", "forename", "fname", "firstname"),
    "last_name": ("family name", "surname", "lname", "lastname"),
    "middle_name": ("middle initial", "middlename"),
    "name": ("full name", "display name", "fullname", "title", "deal name", "opportunity name"),
    "name_prefix": ("salutation", "prefix", "honorific"),
    "name_suffix": ("suffix",),
    "email": ("email address", "primary email", "emails value", "emails address", "e mail", "mail"),
    "emails": ("email addresses", "emails value", "emails address"),
    "phone": ("phone number", "mobile", "mobile phone", "cell", "cell phone", "telephone", "primary phone"),
    "phones": ("phone numbers", "phones value", "phones number"),
    "company": ("company name", "organisation", "organization", "employer", "account name"),
    "job_title": ("title", "position", "occupation"),
    "street": ("address", "address line 1", "address1", "street address", "mailing street"),
    "city": ("suburb", "town", "locality", "mailing city"),
    "state_or_province": ("state", "province", "region", "mailing state"),
    "postal_code": ("zip", "zip code", "postcode", "zipcode", "mailing postal code"),
    "country": ("country code", "mailing country"),
    "birth_date": ("birthday", "date of birth", "dob"),
    "status": ("lead status", "contact status", "state"),
    "lead_source": ("source", "origin", "lead origin"),
    "tags": ("labels", "tag", "categories", "groups"),
    "notes": ("note", "comments", "comment", "background", "description"),
    "do_not_call": ("dnc", "do not call flag"),
    "email_opt_out": ("has opted out of email", "unsubscribed", "email unsubscribed"),
    "created_at": (
        "created", "created date", "date created", "created time", "creation date", "create date", "date added",
    ),
    "amount": ("value", "deal value", "price", "total"),
    "currency": ("currency code", "currency iso code"),
    "stage": ("stage name", "deal stage", "pipeline stage"),
    "close_date": ("closing date", "expected close date", "closed at", "settlement date"),
    "commission": ("gci", "gross commission"),
    "list_price": ("asking price", "listing price"),
    "close_price": ("sale price", "sold price", "sales price"),
    "listing_id": ("mls", "mls number", "mls id", "listing number"),
    "property_address": ("address",),
    "address": ("full address", "display address"),
    "bedrooms_total": ("bedrooms", "beds", "bed"),
    "bathrooms_total": ("bathrooms", "baths", "bath"),
    "living_area": ("floor area", "square feet", "sqft", "area"),
    "lot_size": ("land area", "lot area"),
    "is_active": ("active", "enabled"),
    "is_admin": ("admin",),
    "role": ("user role", "profile"),
    "owner_id": ("owner", "assigned to id", "assigned user id", "assigned to", "user id", "agent id", "sales rep id"),
    "property_id": ("property", "property key", "listing key"),
    "contact_ids": ("contact id", "person id", "people id", "client id", "customer id", "contacts id", "people"),
    "vendor_ids": ("vendor id", "seller id", "vendors id", "sellers id"),
    "buyer_ids": ("buyer id", "buyers id", "purchaser id"),
}  # fmt: skip
ENTITIES: dict[str, tuple[str, ...]] = {
    "contacts": ("contact", "people", "person", "leads", "lead", "customers", "clients", "persons"),
    "deals": ("deal", "opportunities", "opportunity", "transactions", "transaction"),
    "properties": ("property", "listings", "listing", "homes"),
    "users": ("user", "agents", "agent", "members", "staff", "owners"),
}
MODIFIED = (
    "modified", "updated", "last modified", "modified at", "updated at", "last updated", "date modified", "changed",
    "date updated", "last modified date", "modified date", "modified time", "update time", "system modstamp",
)  # fmt: skip
SURE = 0.86


def likeness(field: str, canonical: CanonicalField, names: list[str]) -> float:
    """How likely a column called one of `names` holds `field`: 0 to 1, where 1 is its very name."""
    ours = [field.replace("_", " "), *([words(canonical.reso)] if canonical.reso else [])]
    best = max((alike(own, name) for own in ours for name in names), default=0.0)
    other = max((alike(own, name) - 0.05 for own in ALSO.get(field, ()) for name in names), default=0.0)
    return max(best, other)


@cache
def alike(one: str, other: str) -> float:
    """1 for the same words, however they are put together; else by letters."""
    if one.replace(" ", "") == other.replace(" ", ""):
        return 1.0
    if min(len(one), len(other)) < 4:
        return 0.0
    return difflib.SequenceMatcher(None, one, other).ratio() - 0.02
