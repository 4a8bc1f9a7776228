"""What members of one household or firm share, and how anybody can be reached."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from pipelines.sandbox import names, places
from pipelines.sandbox.draw import Draw, Odds
from pipelines.sandbox.people import Address

CULTURES = Odds(*((culture.weight, culture) for culture in names.CULTURES))
SIZES = ((2, 1, 1, 2, 1, 1), (1, 1, 1, 2, 1, 2), (3, 1, 1, 1, 2), (1, 2, 2, 1, 1, 1), (4, 1, 1, 2), (1,) * 8)
MOBILE, LANDLINE, OFFICE, OLD = range(4)


@dataclass(frozen=True, slots=True)
class Household:
    """What the members of one home share; `given` is the name a father and his Jr. both bear."""

    culture: names.Culture
    given: names.Name
    family: names.Name
    area_code: str
    address: Address
    landline: str
    has_landline: bool
    shares_mailbox: bool
    has_junior: bool


def first_member(seed: int, number: int) -> tuple[int, int]:
    """Returns (number of the first member of this person's household, the person's place in it)."""
    first = number - number % 8
    for members in SIZES[Draw(seed, "block", first).below(len(SIZES))]:
        if number < first + members:
            return first, number - first
        first += members
    raise AssertionError("the households of a block hold eight people")


@lru_cache(maxsize=256)
def household(seed: int, head: int) -> Household:
    """Returns the household whose first member has the number `head`."""
    draw = Draw(seed, "household", head)
    culture = draw.weighted(CULTURES)
    city = draw.pick(places.CITIES)
    return Household(
        culture=culture,
        given=draw.pick(culture.female + culture.male),
        family=draw.pick(culture.family),
        area_code=city.area_code,
        address=address(draw, city),
        landline=phone(draw, head, LANDLINE, city.area_code),
        has_landline=draw.chance(0.45),
        shares_mailbox=draw.chance(0.2),
        has_junior=draw.chance(0.05),
    )


@lru_cache(maxsize=1024)
def company(seed: int, number: int) -> tuple[str, str, str]:
    """Returns (name, e-mail host, main telephone number) of an employer; several people share each."""
    draw = Draw(seed, "company", number)
    family = draw.pick(names.CULTURES[draw.below(2)].family)[1]
    office = phone(draw, number, OFFICE, draw.pick(places.CITIES).area_code)
    return f"{family} {draw.pick(places.COMPANY_KINDS)}", f"{letters(family)}{number}.com", office


def address(draw: Draw, city: places.City | None = None) -> Address:
    """Returns an address in the city, or in any."""
    city = city or draw.pick(places.CITIES)
    street = f"{draw.between(1, 9899)} {draw.pick(places.STREETS)} {draw.pick(places.SUFFIXES)[0]}"
    unit = f"Apt {draw.between(1, 60)}" if draw.chance(0.15) else ""
    return Address(street, unit, city.name, city.state, f"{city.postal_prefix}{draw.below(40):02d}")


def phone(draw: Draw, number: int, kind: int, area_code: str) -> str:
    """Returns a valid E.164 number that nobody else has; now and then a mobile from abroad."""
    if kind == MOBILE and draw.chance(0.02):
        return draw.pick(("+4420794{:05d}", "+5255512{:05d}", "+612937{:05d}")).format(number % 100_000)
    # one subscriber number per (person, kind): 2,000,000 people before the first repeats
    line = (number * 4 + kind) * 5_003_213 % 7_990_000
    exchange, rest = 201 + line // 10_000, line % 10_000
    if exchange == 555 or exchange % 100 == 11:
        exchange += 1
    return f"+1{area_code}{exchange}{rest:04d}"


def mailbox(draw: Draw, number: int, given: str, family: str) -> str:
    """Returns a private mail address that nobody else has."""
    first, last = letters(given), letters(family)
    style = draw.pick((f"{first}.{last}", f"{first[:1]}{last}", f"{first}{last}", f"{last}{first[:1]}"))
    # 7919 and 10007 are coprime: the digits look random and are still unique to the person
    return f"{style}{number * 7919 % 10_007}{number // 10_007 or ''}@{draw.pick(places.MAIL_HOSTS)}"


@lru_cache(maxsize=4096)
def letters(name: str) -> str:
    """Returns a name as it stands in a mail address."""
    return re.sub(r"[^a-z]", "", names.latin(name).lower()) or "x"
