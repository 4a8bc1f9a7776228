"""The overlapping, ageing copy of the world that one CRM holds.

A copy is neutral: it says what was entered and when, never how a CRM spells or numbers it. `crms/<crm>.py` turns each
of these into that CRM's record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pipelines.sandbox import dirt
from pipelines.sandbox.draw import Draw
from pipelines.sandbox.people import Address, Deal, Person, Property, User
from pipelines.sandbox.world import DAY, END, World


@dataclass(frozen=True, slots=True)
class ContactCopy:
    """One contact as one CRM holds it.

    Attributes:
        number: unique among the contacts of this CRM, above nothing, not consecutive; make the CRM's id from it.
        truth: the person it truly is, e.g. "p12".
        emails, phones: as typed, the main one first; phones as (kind, number) with kind "mobile", "home" or "work".
        consents: whether the person agreed to be written to; None where nobody asked.
        stage, intent, source, tags, rating: the words of `people.Person`; "" where nobody filled them in.
        owner: the number of the `UserCopy` it belongs to.
        created, modified: seconds since 1970.
    """

    number: int
    truth: str
    first_name: str
    last_name: str
    suffix: str
    emails: tuple[str, ...]
    phones: tuple[tuple[str, str], ...]
    company: str
    job_title: str
    address: Address | None
    stage: str
    intent: str
    source: str
    tags: tuple[str, ...]
    rating: int | None
    consents: bool | None
    notes: str
    owner: int
    created: int
    modified: int

    @property
    def email(self) -> str:
        """The main mail address, "" where there is none."""
        return self.emails[0] if self.emails else ""

    @property
    def phone(self) -> str:
        """The main telephone number, "" where there is none."""
        return self.phones[0][1] if self.phones else ""


@dataclass(frozen=True, slots=True)
class DealCopy:
    """One deal as one CRM holds it; `contacts` are (contact number, role), the client first with role "client"."""

    number: int
    truth: str
    deal: Deal
    property: PropertyCopy
    contacts: tuple[tuple[int, str], ...]
    owner: int
    amount: int | None
    stage: str
    probability: int
    created: int
    modified: int


@dataclass(frozen=True, slots=True)
class PropertyCopy:
    """One property as one CRM holds it: `property` is the truth, `address` what was typed.

    Attributes:
        vendors, buyers: numbers of the contacts who sell it and who bid for it, as far as the CRM knows them.
    """

    number: int
    truth: str
    property: Property
    address: Address
    vendors: tuple[int, ...]
    buyers: tuple[int, ...]
    owner: int
    created: int
    modified: int


@dataclass(frozen=True, slots=True)
class UserCopy:
    """One user of one CRM."""

    number: int
    truth: str
    user: User
    created: int
    modified: int


class Copy:
    """What one CRM knows of the world.

    Args:
        world: the truth.
        crm: the name of the CRM; it decides which people it knows and what its users typed.
        share: the part of the world's people that it holds.
        duplicates: the part of its people that stand in it twice.
    """

    def __init__(self, world: World, crm: str, share: float = 0.7, duplicates: float = 0.05) -> None:
        self.world = world
        self.crm = crm
        self.share = share
        self.duplicates = duplicates

    def users(self) -> Iterator[UserCopy]:
        """Yields the users: every CRM knows the whole team."""
        for number, user in enumerate(self.world.users()):
            draw = self._draw("user", number)
            yield UserCopy(number + 1, user.user_id, user, user.since, draw.between(user.since, END))

    def contacts(self) -> Iterator[ContactCopy]:
        """Yields the contacts, by number; a person may come twice in a row."""
        for number, person in enumerate(self.world.people()):
            if self.knows(number):
                yield self._contact(person, 2 * number + 1)
                if self._draw("twice", number).chance(self.duplicates):
                    yield self._contact(person, 2 * number + 2)

    def properties(self) -> Iterator[PropertyCopy]:
        """Yields the properties this CRM holds, by number."""
        return (
            self._property(number) for number in range(self.world.properties_count) if self._holds("property", number)
        )

    def deals(self) -> Iterator[DealCopy]:
        """Yields the deals whose client this CRM knows, by number."""
        for number in range(self.world.deals_count):
            if self._holds("deal", number):
                deal = self.world.deal(number)
                if self.knows(deal.client):
                    yield self._deal(number, deal)

    def knows(self, person: int) -> bool:
        """Says whether the person with this number stands in this CRM."""
        return self._draw("knows", person).chance(self.share)

    def _draw(self, what: str, number: int) -> Draw:
        return Draw(self.world.seed, self.crm, what, number)

    def _holds(self, what: str, number: int) -> bool:
        return self._draw(f"holds {what}", number).chance(0.5 + self.share / 2)

    def _contact(self, person: Person, number: int) -> ContactCopy:
        draw = self._draw("contact", number)
        created = draw.between(person.known_since, END - 30 * DAY)
        modified = draw.between(created, END)
        known = self._as_known(draw, person, modified)
        native = draw.chance(0.6) and person.culture not in ("english", "hispanic")
        last = known.native[1] if native and known.last_name == person.last_name else known.last_name
        first = person.native[0] if native else dirt.name(draw, person.native[0], person.first_name)
        first = "" if draw.chance(0.02) else first
        last = dirt.misspell(draw, last) if draw.chance(0.03) else last
        if draw.chance(0.02):  # the whole name in one field
            first, last = f"{first} {last}".strip(), ""
        address = None if draw.chance(0.3) else known.address
        return ContactCopy(
            number=number,
            truth=person.person_id,
            first_name=first,
            last_name=last,
            suffix=person.suffix if draw.chance(0.7) else "",
            emails=self._emails(draw, known),
            phones=self._phones(draw, known),
            company=person.company if draw.chance(0.8) else "",
            job_title=person.job_title if draw.chance(0.6) else "",
            address=address and replace(address, street=dirt.street(draw, address.street)),
            stage=person.stage if draw.chance(0.8) else draw.pick(("new", "nurture", "inactive", "")),
            intent=person.intent,
            source=person.source if draw.chance(0.8) else "",
            tags=person.tags if draw.chance(0.7) else (),
            rating=person.rating if draw.chance(0.7) else None,
            consents=person.consents,
            notes="" if draw.chance(0.6) else draw.pick(dirt.NOTES),
            owner=person.agent + 1,
            created=created,
            modified=modified,
        )

    def _as_known(self, draw: Draw, person: Person, modified: int) -> Person:
        """Puts back what changed after the record was last touched, or what its users never heard of."""
        for past in person.past:
            if past.until < modified and draw.chance(0.75):
                continue
            if past.phone:
                person = replace(person, phones=((person.phones[0][0], past.phone), *person.phones[1:]))
            elif past.email:
                person = replace(person, emails=(past.email, *person.emails[1:]))
            elif past.address:
                person = replace(person, address=past.address)
            else:
                person = replace(person, last_name=past.last_name)
        return person

    def _emails(self, draw: Draw, person: Person) -> tuple[str, ...]:
        roll = draw.below(100)
        if roll < 12:
            return (draw.pick(dirt.PLACEHOLDER_EMAILS),) if roll < 3 else ()
        emails = person.emails[::-1] if roll < 30 else person.emails
        return tuple(dirt.email(draw, email) for email in emails)

    def _phones(self, draw: Draw, person: Person) -> tuple[tuple[str, str], ...]:
        roll = draw.below(100)
        if roll < 15:
            return (("mobile", draw.pick(dirt.PLACEHOLDER_PHONES)),) if roll < 3 else ()
        phones = person.phones[::-1] if roll < 35 else person.phones
        return tuple((kind, dirt.phone(draw, number)) for kind, number in phones)

    def _property(self, number: int) -> PropertyCopy:
        house = self.world.property(number)
        draw = self._draw("property", number)
        address = replace(house.address, street=dirt.street(draw, house.address.street))
        return PropertyCopy(
            number=number + 1,
            truth=house.property_id,
            property=house,
            address=address,
            vendors=self._known(house.vendors),
            buyers=self._known(house.buyers),
            owner=house.agent + 1,
            created=house.listed,
            modified=draw.between(house.listed, END),
        )

    def _known(self, people: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(2 * person + 1 for person in people if self.knows(person))

    def _deal(self, number: int, deal: Deal) -> DealCopy:
        draw = self._draw("deal", number)
        contacts = [(2 * deal.client + 1, "client")]
        contacts += [(2 * person + 1, role) for person, role in deal.others if self.knows(person)]
        behind = deal.stage == "closed" and draw.chance(0.1)
        return DealCopy(
            number + 1, deal.deal_id, deal, self._property(deal.property), tuple(contacts), deal.agent + 1,
            None if draw.chance(0.05) else deal.amount, "under_contract" if behind else deal.stage,
            90 if behind else deal.probability, deal.opened, draw.between(deal.opened, END),
        )  # fmt: skip
