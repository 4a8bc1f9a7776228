"""The seeded world of one brokerage: the truth that every emulated CRM holds a partial, ageing copy of.

Everything is a pure function of (seed, kind, number), so a world of a million people costs nothing until it is read.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.sandbox import homes, places
from pipelines.sandbox.draw import Draw, Odds
from pipelines.sandbox.people import Deal, Past, Person, Property, User

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
STAGES = Odds(
    (20, "new"), (8, "hot"), (25, "nurture"), (12, "watch"), (10, "active"), (15, "past"), (6, "inactive"),
    (4, "unqualified"),
)  # fmt: skip
INTENTS = Odds((50, "buyer"), (28, "seller"), (14, "seller/buyer"), (8, "tenant"))
DEAL_STAGES = Odds(
    (12, ("lead", 10)), (10, ("appointment", 25)), (10, ("showing", 40)), (8, ("offer", 60)),
    (15, ("under_contract", 90)), (35, ("closed", 100)), (10, ("lost", 0)),
)  # fmt: skip
LISTING_STATUS = Odds((45, "active"), (15, "pending"), (30, "closed"), (6, "withdrawn"), (4, "expired"))
MILESTONES = ("Listed", "First open house", "Offer received", "Inspection", "Contract exchanged", "Settled")
RISKS = Odds(
    (60, ("low", ())),
    (25, ("medium", ("finance pending",))),
    (15, ("high", ("finance pending", "inspection issues"))),
)
RISK_OVERVIEWS = ("", "", "Title search outstanding", "Price above recent sales", "Vendor may withdraw")
NEXT_ACTIONS = ("Call the client", "Send the contract", "Book the inspection", "Chase the lender", "")
PROPERTY_KINDS = ("single_family", "condo", "townhouse", "land")


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

    def person(self, number: int) -> Person:
        """Returns the person with this number."""
        head, place = homes.first_member(self.seed, number)
        home = homes.household(self.seed, head)
        draw = Draw(self.seed, "person", number)
        culture = home.culture if place == 0 or draw.chance(0.9) else draw.weighted(homes.CULTURES)
        given = draw.pick(culture.female if draw.chance(0.5) else culture.male)
        maiden = draw.pick(culture.family)
        takes_name = place == 0 or (culture is home.culture and draw.chance(0.85))
        family = home.family if takes_name else maiden
        suffix = ""
        if home.has_junior and place < 2:
            given, family, culture, suffix = home.given, home.family, home.culture, ("Sr.", "Jr.")[place]
        known = draw.between(BEGIN, END - 200 * DAY)
        shares_mail = home.shares_mailbox and place < 2
        emails = [homes.mailbox(draw, number, given[1], family[1])]
        if shares_mail:
            emails = [f"{homes.letters(home.family[1])}family{head}@{places.MAIL_HOSTS[head % 7]}"]
        phones = [("mobile", homes.phone(draw, number, homes.MOBILE, home.area_code))]
        if home.has_landline:
            phones.append(("home", home.landline))
        company, job_title = self._job(draw, number, f"{given[1][:1]}.{family[1]}", emails, phones)
        return Person(
            person_id=f"p{number}",
            household_id=f"h{head}",
            culture=culture.label,
            first_name=given[1],
            last_name=family[1],
            native=(given[0], family[0]),
            suffix=suffix,
            emails=tuple(emails),
            phones=tuple(phones),
            company=company,
            job_title=job_title,
            address=home.address,
            past=_past(draw, number, known, maiden[1], home.area_code),
            shared_email=shares_mail,
            shared_phone=home.has_landline,
            intent=draw.weighted(INTENTS),
            stage=draw.weighted(STAGES),
            source=draw.pick(SOURCES),
            tags=_some(draw, TAGS),
            rating=draw.between(1, 5),
            consents=draw.pick((True, True, False, None)),
            agent=draw.below(self.users_count),
            known_since=known,
        )

    def _job(
        self, draw: Draw, number: int, name: str, emails: list[str], phones: list[tuple[str, str]]
    ) -> tuple[str, str]:
        """Returns (company, job title), having added the office's mail address and telephone number."""
        if not draw.chance(0.4):
            return "", ""
        company, host, office = homes.company(self.seed, draw.below(12 + self.size // 25))
        initial, _, last = name.partition(".")
        own = f"{homes.letters(initial)}.{homes.letters(last)}{number}"
        emails.append(f"{'info' if draw.chance(0.12) else own}@{host}")
        phones.append(("work", office))
        return company, draw.pick(places.JOB_TITLES)

    def property(self, number: int) -> Property:
        """Returns the property with this number; every third is the home of a person of the world."""
        draw = Draw(self.seed, "property", number)
        vendor = draw.below(self.size)
        owner = homes.household(self.seed, homes.first_member(self.seed, vendor)[0])
        listed = draw.between(BEGIN + 1_400 * DAY, END - 30 * DAY)
        passed = draw.between(1, len(MILESTONES))
        return Property(
            property_id=f"r{number}",
            address=owner.address if number % 3 == 0 else homes.address(draw),
            mls_number=f"{24_000_000 + number * 37}",
            kind=draw.pick(PROPERTY_KINDS),
            status=draw.weighted(LISTING_STATUS),
            list_price=draw.between(120, 2_400) * 1_000 + draw.pick((0, 0, 500, 900)),
            bedrooms=draw.between(1, 6),
            bathrooms=draw.between(2, 9) / 2,
            living_area=draw.between(500, 6_000),
            lot_area=draw.between(1_000, 90_000),
            year_built=draw.between(1895, 2024),
            listed=listed,
            vendors=(vendor,),
            buyers=tuple(sorted({draw.below(self.size) for _ in range(draw.below(4))} - {vendor})),
            milestones=tuple((name, listed + place * 11 * DAY) for place, name in enumerate(MILESTONES[:passed])),
            risk_overview=draw.pick(RISK_OVERVIEWS),
            agent=draw.below(self.users_count),
        )

    def deal(self, number: int) -> Deal:
        """Returns the deal with this number; a partner of the client is often on it too."""
        draw = Draw(self.seed, "deal", number)
        client = draw.below(self.size)
        side = draw.pick(("buyer", "seller"))
        others = self._others(draw, client, "seller" if side == "buyer" else "buyer")
        home = draw.below(max(1, self.properties_count))
        stage, probability = draw.weighted(DEAL_STAGES)
        opened = draw.between(BEGIN + 1_400 * DAY, END - 120 * DAY)
        house, person = self.property(home), self.person(client)
        risk_level, risk_flags = draw.weighted(RISKS)
        return Deal(
            deal_id=f"d{number}",
            name=f"{person.last_name} - {house.address.street}",
            client=client,
            others=others,
            property=home,
            side=side,
            amount=house.list_price * draw.between(94, 104) // 100,
            commission_percent=draw.pick((2.5, 2.75, 3.0)),
            stage=stage,
            probability=probability,
            opened=opened,
            closes=(opened // DAY + draw.between(25, 160)) * DAY,
            risk_level=risk_level,
            risk_flags=risk_flags,
            next_action=draw.pick(NEXT_ACTIONS),
            next_action_owner=draw.below(self.users_count),
            summary=f"{person.first_name} {person.last_name}: {side} at {house.address.street}, {house.address.city}",
            agent=person.agent,
        )

    def _others(self, draw: Draw, client: int, other_side: str) -> tuple[tuple[int, str], ...]:
        others = []
        head, place = homes.first_member(self.seed, client)
        has_partner = client + 1 < self.size and homes.first_member(self.seed, client + 1)[0] == head
        if place == 0 and has_partner and draw.chance(0.6):
            others.append((client + 1, "partner"))
        stranger = draw.below(self.size)
        if draw.chance(0.3) and stranger not in (client, client + 1):
            others.append((stranger, other_side))
        return tuple(others)

    def user(self, number: int) -> User:
        """Returns the user with this number; about one in ten has left."""
        draw = Draw(self.seed, "user", number)
        culture = draw.weighted(homes.CULTURES)
        given, family = draw.pick(culture.female + culture.male)[1], draw.pick(culture.family)[1]
        return User(
            user_id=f"u{number}",
            first_name=given,
            last_name=family,
            email=f"{homes.letters(given)}.{homes.letters(family)}{number or ''}@northgate-homes.com",
            phone=homes.phone(draw, number + 500_000, homes.OFFICE, "253"),
            role="broker" if number == 0 else draw.pick(("agent", "agent", "assistant")),
            active=number == 0 or not draw.chance(0.1),
            since=draw.between(BEGIN - 900 * DAY, BEGIN),
        )


def _past(draw: Draw, number: int, known: int, maiden: str, area_code: str) -> tuple[Past, ...]:
    past = []
    if draw.chance(0.15):
        past.append(Past(draw.between(known, END), phone=homes.phone(draw, number, homes.OLD, area_code)))
    if draw.chance(0.12):
        past.append(Past(draw.between(known, END), email=f"{homes.letters(maiden)}{number}@aol.com"))
    if draw.chance(0.06):
        past.append(Past(draw.between(known, END), last_name=maiden))
    if draw.chance(0.15):
        past.append(Past(draw.between(known, END), address=homes.address(draw)))
    return tuple(past)


def _some(draw: Draw, choices: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(draw.pick(choices) for _ in range(draw.pick((0, 0, 0, 1, 1, 2, 3)))))
