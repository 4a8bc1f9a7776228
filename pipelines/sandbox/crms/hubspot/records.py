"""How the world's contacts, companies, deals, properties and users look in this portal, but for id and times."""

from __future__ import annotations

import re

from pipelines.sandbox import clock
from pipelines.sandbox.copies import ContactCopy, DealCopy, PropertyCopy, UserCopy

FIRST_CONTACT, FIRST_COMPANY, FIRST_DEAL, FIRST_LISTING, FIRST_NEW = (
    20_000_000, 60_000_000, 40_000_000, 70_000_000, 90_000_001,
)  # fmt: skip
FIRST_OWNER = 329_000

LIFECYCLE = {
    "new": ("lead", "NEW"), "hot": ("salesqualifiedlead", "IN_PROGRESS"),
    "nurture": ("marketingqualifiedlead", "ATTEMPTED_TO_CONTACT"), "watch": ("subscriber", "BAD_TIMING"),
    "active": ("opportunity", "OPEN_DEAL"), "past": ("customer", None), "inactive": ("other", None),
    "unqualified": ("lead", "UNQUALIFIED"), "": (None, None),
}  # fmt: skip
DEAL_STAGE = {
    "lead": "qualifiedtobuy", "appointment": "appointmentscheduled", "showing": "presentationscheduled",
    "offer": "decisionmakerboughtin", "under_contract": "contractsent", "closed": "closedwon", "lost": "closedlost",
}  # fmt: skip

Properties = dict[str, str | None]


def contact(copied: ContactCopy, emails: list[str]) -> Properties:
    """Returns a contact; `emails` are those of its addresses that no other contact of the portal has."""
    address = copied.address
    phones = {kind: number for kind, number in reversed(copied.phones) if kind != "mobile"}
    mobile = next((number for kind, number in copied.phones if kind == "mobile"), None)
    lifecycle, lead_status = LIFECYCLE[copied.stage]
    return {
        "email": emails[0] if emails else None,
        "hs_additional_emails": ";".join(emails[1:]) or None,
        "firstname": copied.first_name or None,
        "lastname": f"{copied.last_name} {copied.suffix}".strip() or None,
        "phone": next(iter(phones.values()), None),
        "mobilephone": mobile,
        "company": copied.company or None,
        "jobtitle": copied.job_title or None,
        "address": f"{address.street} {address.unit}".strip() if address else None,
        "city": address.city if address else None,
        "state": address.state if address else None,
        "zip": address.postal_code if address else None,
        "country": address.country if address else None,
        "lifecyclestage": lifecycle,
        "hs_lead_status": lead_status,
        "hs_email_optout": "true" if copied.consents is False else None,
        "hubspot_owner_id": str(FIRST_OWNER + copied.owner),
        "buyer_seller": copied.intent or None,
        "client_tags": ", ".join(copied.tags) or None,
        "lead_source": copied.source or None,
        "rating": str(copied.rating) if copied.rating else None,
        "notes": copied.notes or None,
    }


def company(name: str) -> Properties:
    """Returns a company; its domain is a guess from the name."""
    return {"name": name, "domain": re.sub(r"[^a-z0-9]+", "", name.lower()) + ".com"}


def deal(copied: DealCopy) -> Properties:
    """Returns a deal of the portal's one pipeline."""
    truth = copied.deal
    return {
        "dealname": truth.name,
        "amount": str(copied.amount) if copied.amount is not None else None,
        "deal_currency_code": "USD",
        "closedate": clock.iso_seconds(truth.closes),
        "pipeline": "default",
        "dealstage": DEAL_STAGE[copied.stage],
        "hs_deal_stage_probability": f"{copied.probability / 100:g}",
        "dealtype": "newbusiness",
        "description": truth.summary,
        "hubspot_owner_id": str(FIRST_OWNER + copied.owner),
        "deal_side": truth.side,
        "commission_percent": f"{truth.commission_percent:g}",
        "risk_level": truth.risk_level,
        "next_step": truth.next_action or None,
    }


def listing(copied: PropertyCopy) -> Properties:
    """Returns a listing."""
    house, address = copied.property, copied.address
    return {
        "hs_name": f"{address.street} {address.unit}".strip(),
        "hs_address_1": address.street,
        "hs_address_2": address.unit or None,
        "hs_city": address.city,
        "hs_state_province": address.state,
        "hs_zip": address.postal_code,
        "hs_country": address.country,
        "hs_price": str(house.list_price),
        "hs_bedrooms": str(house.bedrooms),
        "hs_bathrooms": f"{house.bathrooms:g}",
        "hs_square_footage": str(house.living_area),
        "hs_lot_size": str(house.lot_area),
        "hs_year_built": str(house.year_built),
        "hs_listing_type": house.kind,
        "listing_status": house.status,
        "listed_on": clock.iso_date(house.listed),
        "mls_number": house.mls_number,
        "hubspot_owner_id": str(FIRST_OWNER + copied.owner),
    }


def owner(copied: UserCopy) -> dict[str, object]:
    """Returns an owner; one who has left is archived and keeps no user id."""
    user, number = copied.user, FIRST_OWNER + copied.number
    return {
        "email": user.email,
        "type": "PERSON",
        "firstName": user.first_name,
        "lastName": user.last_name,
        "userId": number if user.active else None,
        "userIdIncludingInactive": number,
        "teams": [{"id": "77", "name": "Sales", "primary": True}],
    }
