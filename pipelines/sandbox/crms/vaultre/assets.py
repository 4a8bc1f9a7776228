"""Properties and commercial deals of VaultRE: how the world's look here, and what a write of a property may hold."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.sandbox import clock
from pipelines.sandbox.copies import DealCopy, PropertyCopy
from pipelines.sandbox.crms.vaultre import suburbs
from pipelines.sandbox.crms.vaultre.envelope import invalid, time
from pipelines.sandbox.store import Body
from pipelines.sandbox.wire import Refused

FIRST_PROPERTY, FIRST_DEAL = 41_000, 7_000
SQUARE_METRE = 10.7639
CLASSES = {"residential": 1, "commercial": 2, "land": 3}
TYPES = {"House": 1, "Apartment": 2, "Townhouse": 3, "Offices": 4, "Land": 5}
KINDS = {
    "single_family": ("residential", "House"), "condo": ("residential", "Apartment"),
    "townhouse": ("residential", "Townhouse"), "land": ("land", "Land"),
}  # fmt: skip
STATUS = {
    "active": "listing", "pending": "conditional", "closed": "settled", "withdrawn": "withdrawn",
    "expired": "withdrawn",
}  # fmt: skip
DEAL_STATUS = {"under_contract": "Pending", "closed": "Approved", "lost": "Rejected"}
TEXTS = ("referenceID", "keyID", "displayPrice", "heading", "description", "volumeNumber", "folioNumber")
NUMBERS = ("searchPrice", "yearBuilt", "bed", "bath", "garages", "carports", "ensuites", "toilets")
ACCOUNT = {"id": 12, "name": "Northgate Homes"}


def class_of(copied: PropertyCopy) -> str:
    """Every eighth property is commercial, so that there are commercial deals."""
    return "commercial" if copied.number % 8 == 0 else KINDS[copied.property.kind][0]


def empty(kind: str, type_name: str) -> Body:
    """Returns a property without anything, of a class and a type."""
    return {
        **dict.fromkeys((*TEXTS, *NUMBERS, "address", "landArea", "floorArea", "geolocation", "corelogicId")),
        "class": {"id": CLASSES[kind], "name": kind.capitalize()}, "type": {"id": TYPES[type_name], "name": type_name},
        "status": "prospect", "portalStatus": "prospect", "photos": [], "contactStaff": [], "account": ACCOUNT,
        "saleLifeId": None, "leaseLifeId": None, "saleDetails": None, "_owners": [], "_purchasers": [],
    }  # fmt: skip


def property(copied: PropertyCopy, owner: Body, deal: DealCopy | None) -> Body:
    """Returns a property of the world as VaultRE sends it, but for id and times.

    Args:
        copied: the property as this CRM holds it.
        owner: {id, name} of its agent.
        deal: the latest deal about it, which decides how far its present life is.
    """
    house = copied.property
    kind = class_of(copied)
    status = {"under_contract": "unconditional", "closed": "settled"}.get(deal.stage if deal else "")
    status = status or {"settled": "listing"}.get(STATUS[house.status], STATUS[house.status])
    body = empty(kind, "Offices" if kind == "commercial" else KINDS[house.kind][1]) | {
        "address": suburbs.shown(copied.address),
        "referenceID": house.mls_number,
        "searchPrice": house.list_price,
        "displayPrice": f"${house.list_price:,}",
        "landArea": {"value": round(house.lot_area / SQUARE_METRE), "units": "sqm"},
        "floorArea": {"value": round(house.living_area / SQUARE_METRE), "units": "sqm"},
        "yearBuilt": house.year_built,
        "bed": house.bedrooms,
        "bath": int(house.bathrooms),
        "status": status,
        "portalStatus": status,
        "contactStaff": [owner],
        "saleLifeId": life(copied.number),
        "leaseLifeId": life(copied.number) + 1 if copied.number % 9 == 4 else None,
    }
    return body | ({"saleDetails": _sale(copied, deal, owner, status)} if deal and status != "listing" else {})


def life(number: int) -> int:
    """Returns the id of the present marketing episode of a property."""
    return 900_000 + 10 * number + 1


def _sale(copied: PropertyCopy, deal: DealCopy, owner: Body, status: str) -> Body:
    is_sold = status in ("unconditional", "settled")
    return {
        "lifeId": life(copied.number), "status": status, "portalStatus": status,
        "salePrice": deal.amount if is_sold else None, "showSalePrice": True,
        "appraisal": None, "listingAuthority": clock.iso_date(copied.created), "conditional": None,
        "unconditional": clock.iso_date(deal.created) if is_sold else None,
        "settlement": clock.iso_date(deal.deal.closes) if is_sold else None,
        "grossCommissionExcGST": _commission(deal), "commissionSplits": [], "contactStaff": [owner],
        "soldType": "Private Treaty" if is_sold else None, "inserted": time(deal.created),
        "modified": time(deal.modified),
    }  # fmt: skip


def deal(copied: DealCopy) -> Body:
    """Returns a commercial deal, but for the id; people are ids below "_", shown whole by `deal_calls`."""
    sides = {"buyer": "_purchasers", "seller": "_owners"}
    people: Body = {"_owners": [], "_purchasers": []}
    for number, role in copied.contacts:
        people[sides[role if role in sides else copied.deal.side]].append(number)
    has_contract = copied.stage in ("under_contract", "closed")
    return people | {
        "tenants": [], "salePrice": copied.amount, "ourDeal": True, "externalAgency": None, "vacantPossession": True,
        "unconditional": time(copied.created) if has_contract else None, "settlement": time(copied.deal.closes),
        "grossCommissionExcGST": _commission(copied), "outgoingsPerAnnum": None, "parkingBays": None,
        "status": DEAL_STATUS.get(copied.stage, "Sent for Approval"),
    }  # fmt: skip


def _commission(copied: DealCopy) -> float | None:
    return None if copied.amount is None else round(copied.amount * copied.deal.commission_percent / 100, 2)


def accepted(given: Body, is_new: bool, user_of: Callable[[object], Body | None]) -> Body:
    """Returns the fields of a write as they are put down; a new property needs an address with a suburb's id."""
    kept: Body = {name: given[name] for name in (*TEXTS, *NUMBERS, "landArea", "floorArea") if name in given}
    for name, value in kept.items():
        fits = int | float if name in NUMBERS else dict if name.endswith("Area") else str
        if value is not None and (not isinstance(value, fits) or isinstance(value, bool)):
            raise Refused(invalid(f"{name} is not valid"))
        kept[name] = value.strip() or None if isinstance(value, str) else value
    if "address" in given or is_new:
        kept["address"] = suburbs.accepted(given.get("address") or {})
    if given.get("type") is not None:
        kept["type"] = _type(given["type"])
    if "contactStaff" in given:
        kept["contactStaff"] = [_staff(item, user_of) for item in given["contactStaff"] or []]
    if "status" in given:
        # spec: the write schema knows these two; the others follow from the life's dates
        if given["status"] not in ("prospect", "appraisal"):
            raise Refused(invalid("status is prospect or appraisal"))
        kept |= {"status": given["status"], "portalStatus": given["status"]}
    return kept


def _type(given: object) -> Body:
    id = given.get("id") if isinstance(given, dict) else None
    names = {number: name for name, number in TYPES.items()}
    if id not in names:
        raise Refused(invalid("type does not exist"))
    return {"id": id, "name": names[id]}


def _staff(given: object, user_of: Callable[[object], Body | None]) -> Body:
    known = user_of(given.get("id")) if isinstance(given, dict) else None
    if known is None:
        raise Refused(invalid("contactStaff: there is no such user"))
    return known
