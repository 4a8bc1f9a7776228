"""What the world is made of: people, properties, deals and users as they truly are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address; `street` is the whole first line without the unit."""

    street: str
    unit: str
    city: str
    state: str
    postal_code: str
    country: str = "US"


@dataclass(frozen=True, slots=True)
class Past:
    """What was true of a person before `until` (seconds since 1970)."""

    until: int
    email: str = ""
    phone: str = ""
    last_name: str = ""
    address: Address | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """One human being. Phones are E.164; times are seconds since 1970.

    Attributes:
        native: (first, last) as written at home; equal to the Latin form for most.
        past: earlier e-mail, phone, surname or address, which CRMs with old copies still hold.
        shared_email: True where the mailbox is the household's.
        shared_phone: True where `phones` holds a landline that the household shares.
        intent: "buyer", "seller", "seller/buyer" or "tenant".
        consents: whether the person agreed to be written to; None where nobody asked.
        stage: "new", "hot", "nurture", "watch", "active", "past", "inactive" or "unqualified".
    """

    person_id: str
    household_id: str
    culture: str
    first_name: str
    last_name: str
    native: tuple[str, str]
    suffix: str
    emails: tuple[str, ...]
    phones: tuple[tuple[str, str], ...]
    company: str
    job_title: str
    address: Address
    past: tuple[Past, ...]
    shared_email: bool
    shared_phone: bool
    intent: str
    stage: str
    source: str
    tags: tuple[str, ...]
    rating: int
    consents: bool | None
    agent: int
    known_since: int


@dataclass(frozen=True, slots=True)
class Property:
    """One house or flat; money in whole dollars, sizes in square feet.

    Attributes:
        vendors, buyers: numbers of the people who sell it and who bid for it.
        milestones: (what, when in seconds since 1970), in order.
    """

    property_id: str
    address: Address
    mls_number: str
    kind: str
    status: str
    list_price: int
    bedrooms: int
    bathrooms: float
    living_area: int
    lot_area: int
    year_built: int
    listed: int
    vendors: tuple[int, ...]
    buyers: tuple[int, ...]
    milestones: tuple[tuple[str, int], ...]
    risk_overview: str
    agent: int


@dataclass(frozen=True, slots=True)
class Deal:
    """One sale: who buys, who sells, which property, for how much, how far it is.

    Attributes:
        client: the number of the person whose deal it is; `others` are further people with their roles.
        stage: "lead", "appointment", "showing", "offer", "under_contract", "closed" or "lost".
        closes: day of closing, real or expected, in seconds since 1970.
        risk_level: "low", "medium" or "high".
        next_action_owner: the number of a user.
    """

    deal_id: str
    name: str
    client: int
    others: tuple[tuple[int, str], ...]
    property: int
    side: str
    amount: int
    commission_percent: float
    stage: str
    probability: int
    opened: int
    closes: int
    risk_level: str
    risk_flags: tuple[str, ...]
    next_action: str
    next_action_owner: int
    summary: str
    agent: int


@dataclass(frozen=True, slots=True)
class User:
    """An agent or assistant of the brokerage."""

    user_id: str
    first_name: str
    last_name: str
    email: str
    phone: str
    role: str
    active: bool
    since: int
