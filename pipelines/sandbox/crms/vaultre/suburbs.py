"""Addresses: whole suburbs when read, a suburb's id alone when written (fact sheet 3.4, 3.5)."""

from __future__ import annotations

import re

from pipelines.sandbox import places
from pipelines.sandbox.crms.vaultre.envelope import invalid
from pipelines.sandbox.people import Address
from pipelines.sandbox.store import Body
from pipelines.sandbox.wire import Refused

FIRST_ID = 501
POSTCODES = 40  # of each city, as the world deals them out
COUNTRY = {"id": 233, "name": "United States", "isocode": "US", "gstRate": 0.0}
STATES = sorted({city.state for city in places.CITIES})
TEXTS = ("level", "unitNumber", "streetNumber", "street")


def suburb(id: int) -> Body | None:
    """Returns a suburb as it is read, None where there is none of this id."""
    city_number, place = divmod(id - FIRST_ID, POSTCODES)
    if id < FIRST_ID or city_number >= len(places.CITIES):
        return None
    city = places.CITIES[city_number]
    return {
        "id": id, "name": city.name, "postcode": f"{city.postal_prefix}{place:02d}", "state": _state(city.state),
        "nzDistrict": None, "isPoBox": False,
    }  # fmt: skip


def everywhere() -> list[Body]:
    """Returns all suburbs of the country."""
    ids = range(FIRST_ID, FIRST_ID + POSTCODES * len(places.CITIES))
    return [found for id in ids if (found := suburb(id))]


def suggest(term: str) -> list[Body]:
    """Returns suburbs by a part of the name, or by the exact postcode."""
    wanted = term.strip().lower()
    return [found for found in everywhere() if wanted in found["name"].lower() or wanted == found["postcode"]]


def shown(address: Address) -> Body:
    """Returns an address of the world as it is read."""
    numbered = re.fullmatch(r"(\d\S*)\s+(.+)", address.street)
    city_number = next(number for number, city in enumerate(places.CITIES) if city.name == address.city)
    id = FIRST_ID + city_number * POSTCODES + int(address.postal_code[-2:])
    return _whole({
        "level": None,
        "unitNumber": re.sub(r"\D", "", address.unit) or None,
        "streetNumber": numbered[1] if numbered else None,
        "street": numbered[2] if numbered else address.street,
    }, id)  # fmt: skip


def accepted(given: object) -> Body | None:
    """Returns an address of a write as it will be read; the suburb is {id} and nothing else counts."""
    if given is None:
        return None
    if not isinstance(given, dict):
        raise Refused(invalid("address is not an object"))
    place = given.get("suburb")
    id = place.get("id") if isinstance(place, dict) else None
    if id is None:
        raise Refused(invalid("Suburb is blank"))
    if not isinstance(id, int) or suburb(id) is None:
        raise Refused(invalid("Suburb does not exist"))
    parts = {name: given.get(name) for name in TEXTS}
    if wrong := [name for name, value in parts.items() if not isinstance(value, str | None)]:
        raise Refused(invalid(f"{wrong[0]} is not a text"))
    return _whole({name: (value or "").strip() or None for name, value in parts.items()}, id)


def line(address: Body | None) -> str:
    """Returns an address in one line, as VaultRE displays it."""
    if not address:
        return ""
    unit = f"{address['unitNumber']}/" if address["unitNumber"] else ""
    place = address["suburb"]
    street = f"{unit}{address['streetNumber'] or ''} {address['street'] or ''}".strip()
    return f"{street}, {place['name']}, {place['state']['abbreviation']} {place['postcode']}"


def _whole(parts: Body, id: int) -> Body:
    place = suburb(id)
    assert place is not None, "every postcode of the world is a suburb here"
    return parts | {
        "suburb": place, "state": place["state"], "country": COUNTRY, "royalMail": None, "customAddress": None,
    }  # fmt: skip


def _state(abbreviation: str) -> Body:
    return {"id": STATES.index(abbreviation) + 1, "name": abbreviation, "abbreviation": abbreviation}
