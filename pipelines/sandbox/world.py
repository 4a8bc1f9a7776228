"""The seeded world of one brokerage: the truth that every emulated CRM holds a partial, ageing copy of.

Everything is a pure function of (seed, kind, number), so a world of a million people costs nothing until it is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from pipelines.sandbox import names, places
from pipelines.sandbox.draw import Draw
from pipelines.sandbox.people import Address, Deal, Past, Person, Property, User

DAY = 86_400
BEGIN = 1_546_300_800  # 2019-01-01
END = 1_767_139_200  # 2025-12-31: nothing in the world is newer, whatever the clock of the machine says

SOURCES = ("Open house", "Zillow", "Realtor.com", "Referral", "Website", "Facebook", "Sign call", "Past client", "")
TAGS = (
    "vip",
    "investor",
    "first-time buyer",
    "relocation",
    "newsletter",
    "past client",
    "cash buyer",
    "école",
    "luxury",
)
STAGES = (
    (20, "new"), (8, "hot"), (25, "nurture"), (12, "watch"), (10, "active"), (15, "past"), (6, "inactive"), (4, "unqualified"),
)  # fmt: skip
INTENTS = ((50, "buyer"), (28, "seller"), (14, "seller/buyer"), (8, "tenant"))
DEAL_STAGES = (
    (12, ("lead", 10)), (10, ("appointment", 25)), (10, ("showing", 40)), (8, ("offer", 60)),
    (15, ("under_contract", 90)), (35, ("closed", 100)), (10, ("lost", 0)),
)  # fmt: skip
HOUSEHOLDS = (
    (2, 1, 1, 2, 1, 1), (1, 1, 1, 2, 1, 2), (3, 1, 1, 1, 2), (1, 2, 2, 1, 1, 1), (4, 1, 1, 2), (1,) * 8,
)  # fmt: skip
_CULTURES = tuple((culture.weight, culture) for culture in names.CULTURES)


class World:
    """A brokerage's people, properties, deals and users.

    Args:
        seed: any whole number; the same seed and size give the same world on every machine.
        size: the number of people; deals, properties and users follow from it.
    """

    def __init__(self, seed: int = 7, size: int = 300) -> None:
        self.seed = seed
        self.size = size
        self.deals_count = size * 3 // 10
        self.properties_count = size // 5
        self.users_count = min(8 + size // 5_000, 300)
        self._companies = 12 + size // 25
        self._household = lru_cache(maxsize=64)(self._make_household)

    def people(self) -> Iterator[Person]:
        """Yields every person, by number."""
        return (self.person(number) for number in range(self.size))

    def deals(self) -> Iterator[Deal]:
        """Yields every deal, by number."""
        return (self.deal(number) for number in range(self.deals_count))

    def properties(self) -> Iterator[Property]:
        """Yields every property, by number."""
        return (self.property(number) for number in range(self.properties_count))

    def users(self) -> Iterator[User]:
        """Yields every user, by number."""
        return (self.user(number) for number in range(self.users_count))

    def household_of(self, number: int) -> tuple[int, int]:
        """Returns (number of the household's first member, place of this person in it)."""
        first = number - number % 8
        for members in HOUSEHOLDS[Draw(self.seed, "block", first).below(len(HOUSEHOLDS))]:
            if number < first + members:
                return first, number - first
            first += members
        raise AssertionError("the households of a block hold eight people")

    def person(self, number: int) -> Person:
        """Returns the person with this number."""
        head, place = self.household_of(number)
        home = self._household(head)
        draw = Draw(self.seed, "person", number)
        culture = home.culture if place == 0 or draw.chance(0.9) else draw.weighted(_CULTURES)
        given = draw.pick(culture.female if draw.chance(0.5) else culture.male)
        own_family = draw.pick(culture.family)
        family = home.family if place == 0 or culture is home.culture and draw.chance(0.85) else own_family
        suffix = ""
        if home.has_junior and place < 2:
            given, family, culture, suffix = home.given, home.family, home.culture, ("Sr.", "Jr.")[place]
        known = draw.between(BEGIN, END - 200 * DAY)
        mailbox, company, title, work = self._contact_points(draw, number, given[1], family[1])
        shares_mail = home.shares_mailbox and place < 2
        phones = [("mobile", self._phone(draw, number, 0, home.area_code))]
        if home.has_landline:
            phones.append(("home", home.landline))
        emails = [f"{_letters(home.family[1])}family{head}@{places.MAIL_HOSTS[head % 7]}" if shares_mail else mailbox]
        if work:
            emails.append(work[0])
            phones.append(("work", work[1]))
        return Person(
            person_id=f"p{number}", household_id=f"h{head}", culture=culture.label, first_name=given[1], last_name=family[1],
            native=(given[0], family[0]), suffix=suffix, emails=tuple(emails), phones=tuple(phones), company=company,
            job_title=title, address=home.address, past=self._past(draw, number, known, own_family[1], home.area_code),
            shared_email=shares_mail, shared_phone=home.has_landline, intent=draw.weighted(INTENTS),
            stage=draw.weighted(STAGES), source=draw.pick(SOURCES), tags=_some(draw, TAGS), rating=draw.between(1, 5),
            agent=draw.below(self.users_count), known_since=known,
        )  # fmt: skip

    def _make_household(self, head: int) -> _Household:
        draw = Draw(self.seed, "household", head)
        culture = draw.weighted(_CULTURES)
        city = draw.pick(places.CITIES)
        return _Household(
            culture, draw.pick(culture.female + culture.male), draw.pick(culture.family), city.area_code,
            self._address(draw, city), self._phone(draw, head, 1, city.area_code), draw.chance(0.45), draw.chance(0.2),
            draw.chance(0.05),
        )  # fmt: skip

    def _contact_points(
        self, draw: Draw, number: int, given: str, family: str
    ) -> tuple[str, str, str, tuple[str, str] | None]:
        first, last = _letters(given), _letters(family)
        style = draw.pick((f"{first}.{last}", f"{first[:1]}{last}", f"{first}{last}", f"{last}{first[:1]}"))
        # 7919 and 10007 are coprime: the digits look random and are still unique to the person
        mailbox = f"{style}{number * 7919 % 10_007}{number // 10_007 or ''}@{draw.pick(places.MAIL_HOSTS)}"
        if not draw.chance(0.4):
            return mailbox, "", "", None
        name, host, office = self.company(draw.below(self._companies))
        local = "info" if draw.chance(0.12) else f"{first[:1]}.{last}{number % 97}"
        return mailbox, name, draw.pick(places.JOB_TITLES), (f"{local}@{host}", office)

    def company(self, number: int) -> tuple[str, str, str]:
        """Returns (name, e-mail host, main telephone number) of an employer; several people share each."""
        draw = Draw(self.seed, "company", number)
        family = draw.pick(names.CULTURES[draw.below(2)].family)[1]
        host = f"{_letters(family)}{number}.com"
        return (
            f"{family} {draw.pick(places.COMPANY_KINDS)}",
            host,
            self._phone(draw, number, 2, draw.pick(places.CITIES).area_code),
        )

    def _past(self, draw: Draw, number: int, known: int, maiden: str, area_code: str) -> tuple[Past, ...]:
        past = []
        if draw.chance(0.15):
            past.append(Past(draw.between(known, END), phone=self._phone(draw, number, 3, area_code)))
        if draw.chance(0.12):
            past.append(Past(draw.between(known, END), email=f"{_letters(maiden)}{number}@aol.com"))
        if draw.chance(0.06):
            past.append(Past(draw.between(known, END), last_name=maiden))
        if draw.chance(0.15):
            past.append(Past(draw.between(known, END), address=self._address(draw, draw.pick(places.CITIES))))
        return tuple(past)

    def _address(self, draw: Draw, city: places.City) -> Address:
        street = f"{draw.between(1, 9899)} {draw.pick(places.STREETS)} {draw.pick(places.SUFFIXES)[0]}"
        unit = f"Apt {draw.between(1, 60)}" if draw.chance(0.15) else ""
        return Address(street, unit, city.name, city.state, f"{city.postal_prefix}{draw.below(40):02d}")

    def _phone(self, draw: Draw, number: int, kind: int, area_code: str) -> str:
        if kind == 0 and draw.chance(0.02):
            return draw.pick(("+4420794{:05d}", "+5255512{:05d}", "+612937{:05d}")).format(number % 100_000)
        # one subscriber number per (person, kind): 2,000,000 people before the first repeats
        line = (number * 4 + kind) * 5_003_213 % 7_990_000
        exchange, rest = 201 + line // 10_000, line % 10_000
        if exchange == 555 or exchange % 100 == 11:
            exchange += 1
        return f"+1{area_code}{exchange}{rest:04d}"

    def property(self, number: int) -> Property:
        """Returns the property with this number; every third is the home of a person of the world."""
        draw = Draw(self.seed, "property", number)
        owner = self._household(self.household_of(draw.below(self.size))[0])
        address = owner.address if number % 3 == 0 else self._address(draw, draw.pick(places.CITIES))
        price = draw.between(120, 2_400) * 1_000 + draw.pick((0, 0, 500, 900))
        listed = draw.between(BEGIN + 1_400 * DAY, END - 30 * DAY)
        return Property(
            f"r{number}", address, f"{24_000_000 + number * 37}", draw.pick(("single_family", "condo", "townhouse", "land")),
            draw.weighted(((45, "active"), (15, "pending"), (30, "closed"), (6, "withdrawn"), (4, "expired"))), price,
            draw.between(1, 6), draw.between(2, 9) / 2, draw.between(500, 6_000), draw.between(1_000, 90_000),
            draw.between(1895, 2024), listed, draw.below(self.users_count),
        )  # fmt: skip

    def deal(self, number: int) -> Deal:
        """Returns the deal with this number; a partner of the client is often on it too."""
        draw = Draw(self.seed, "deal", number)
        client = draw.below(self.size)
        head, place = self.household_of(client)
        others: list[tuple[int, str]] = []
        has_partner = client + 1 < self.size and self.household_of(client + 1)[0] == head
        if place == 0 and has_partner and draw.chance(0.6):
            others.append((client + 1, "partner"))
        side = draw.pick(("buyer", "seller"))
        other_party = draw.below(self.size)
        if draw.chance(0.3) and other_party not in (client, client + 1):
            others.append((other_party, "seller" if side == "buyer" else "buyer"))
        home = draw.below(max(1, self.properties_count))
        stage, probability = draw.weighted(DEAL_STAGES)
        opened = draw.between(BEGIN + 1_400 * DAY, END - 120 * DAY)
        house = self.property(home)
        person = self.person(client)
        return Deal(
            f"d{number}", f"{person.last_name} - {house.address.street}", client, tuple(others), home, side,
            house.list_price * draw.between(94, 104) // 100, draw.pick((2.5, 2.75, 3.0)), stage, probability, opened,
            (opened // DAY + draw.between(25, 160)) * DAY, person.agent,
        )  # fmt: skip

    def user(self, number: int) -> User:
        """Returns the user with this number; about one in ten has left."""
        draw = Draw(self.seed, "user", number)
        culture = draw.weighted(_CULTURES)
        given, family = draw.pick(culture.female + culture.male), draw.pick(culture.family)
        return User(
            f"u{number}", given[1], family[1], f"{_letters(given[1])}.{_letters(family[1])}{number or ''}@northgate-homes.com",
            self._phone(draw, number + 500_000, 2, "253"), "broker" if number == 0 else draw.pick(("agent", "agent", "assistant")),
            number == 0 or not draw.chance(0.1), draw.between(BEGIN - 900 * DAY, BEGIN),
        )  # fmt: skip


class _Household:
    """What the members of one home share."""

    __slots__ = (
        "address", "area_code", "culture", "family", "given", "has_junior", "has_landline", "landline", "shares_mailbox",
    )  # fmt: skip

    def __init__(
        self, culture: names.Culture, given: names.Name, family: names.Name, area_code: str, address: Address,
        landline: str, has_landline: bool, shares_mailbox: bool, has_junior: bool,
    ) -> None:  # fmt: skip
        self.culture, self.given, self.family, self.area_code, self.address = culture, given, family, area_code, address
        self.landline, self.has_landline = landline, has_landline
        self.shares_mailbox, self.has_junior = shares_mailbox, has_junior


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", names.latin(name).lower()) or "x"


def _some(draw: Draw, choices: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(draw.pick(choices) for _ in range(draw.pick((0, 0, 0, 1, 1, 2, 3)))))
