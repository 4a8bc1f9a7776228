"""The world is the same on every machine, valid where it claims to be, and dirty where real CRMs are."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict

import phonenumbers
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sandbox import dirt, homes
from pipelines.sandbox.copies import Copy
from pipelines.sandbox.draw import Draw, Odds
from pipelines.sandbox.world import BEGIN, END, World


def test_the_world_is_the_same_on_every_machine() -> None:
    """Pinned: a change of the world changes what every test and every README answer built on it sees."""
    world = World(seed=7, size=100)
    copy = Copy(world, "brivity")
    seen = [*world.people(), *world.deals(), *world.properties(), *world.users(), *copy.contacts(), *copy.deals()]
    assert hashlib.sha256(repr(seen).encode()).hexdigest()[:16] == "f16ba2766cdc6658"


@given(st.integers(0, 2**40), st.integers(1, 200))
@settings(max_examples=30)
def test_a_person_does_not_depend_on_who_was_asked_before(seed: int, size: int) -> None:
    forwards = list(World(seed, size).people())
    world = World(seed, size)
    backwards = [world.person(number) for number in reversed(range(size))][::-1]
    assert forwards == backwards


def test_seeds_differ() -> None:
    assert list(World(1, 20).people()) != list(World(2, 20).people())


@given(st.integers(0, 2**32), st.integers(1, 2**32 - 1))
def test_draws_stay_below_their_limit(key: int, limit: int) -> None:
    assert 0 <= Draw(key).below(limit) < limit


def test_draws_are_spread_evenly() -> None:
    firsts = Counter(Draw("even", number).below(10) for number in range(10_000))
    later = Draw("even")
    rest = Counter(later.weighted(Odds((1, "a"), (3, "b"))) for _ in range(10_000))
    assert min(firsts.values()) > 850
    assert 2_300 < rest["a"] < 2_700


def test_every_true_number_is_valid_and_nobody_shares_a_mobile_or_a_private_mailbox() -> None:
    mobiles: set[str] = set()
    mailboxes: set[str] = set()
    people = list(World(size=4_000).people())
    for person in people:
        for _, number in person.phones:
            assert phonenumbers.is_valid_number(phonenumbers.parse(number)), number
        mobiles.add(person.phones[0][1])
        mailboxes.add(person.emails[0] if not person.shared_email else f"{person.emails[0]} {person.person_id}")
    assert len(mobiles) == len(mailboxes) == len(people)


def test_the_traps_of_identity_are_there() -> None:
    people = list(World(size=2_000).people())
    homes_of = defaultdict(list)
    for person in people:
        homes_of[person.household_id].append(person)
    couples = [members for members in homes_of.values() if len(members) > 1]
    assert any(len({m.emails[0] for m in members}) == 1 for members in couples), "a mailbox shared by a family"
    assert any(m.suffix == "Jr." for members in couples for m in members), "a father and son of one name"
    assert any(e.startswith("info@") for p in people for e in p.emails), "a role mailbox"
    offices = Counter(number for p in people for kind, number in p.phones if kind == "work")
    assert max(offices.values()) > 3, "an office number shared by colleagues"
    assert sum(p.native != (p.first_name, p.last_name) for p in people) > 200, "names in other scripts"
    assert len({p.culture for p in people}) > 15


def test_a_copy_ages_overlaps_and_doubles() -> None:
    world = World(size=1_000)
    north, south = list(Copy(world, "north").contacts()), list(Copy(world, "south").contacts())
    shared = {c.truth for c in north} & {c.truth for c in south}
    assert 400 < len(shared) < 600
    assert len({c.number for c in north}) == len(north)
    assert 20 < len(north) - len({c.truth for c in north}) < 70, "people who stand in one CRM twice"
    people = {p.person_id: p for p in world.people()}
    outdated = [c for c in north if c.emails and c.emails[0].lower() in {p.email for p in people[c.truth].past}]
    assert outdated, "an e-mail address its owner has given up"
    assert any(c.email in dirt.PLACEHOLDER_EMAILS for c in north)
    assert any(c.phone in dirt.PLACEHOLDER_PHONES for c in north)
    assert any(not c.first_name for c in north)
    assert any(not c.emails for c in north)
    assert all(BEGIN <= c.created <= c.modified <= END for c in north)


def test_the_contacts_of_a_deal_stand_in_the_same_copy() -> None:
    copy = Copy(World(size=500), "north")
    numbers = {c.number for c in copy.contacts()}
    deals = list(copy.deals())
    assert len(deals) > 50
    for deal in deals:
        assert deal.contacts[0][1] == "client"
        assert {number for number, _ in deal.contacts} <= numbers
    homes = list(copy.properties())
    assert {p.number for p in homes} <= set(range(1, 101))
    assert all({*p.vendors, *p.buyers} <= numbers for p in homes)
    assert any(p.vendors for p in homes)
    assert any(p.buyers for p in homes)


@given(st.integers(0, 10**6))
def test_a_telephone_number_survives_how_it_is_typed(key: int) -> None:
    number = homes.phone(Draw(key), key, homes.LANDLINE, "253")
    typed = dirt.phone(Draw(key, "typed"), number)
    read = phonenumbers.parse(typed, "US")
    assert phonenumbers.format_number(read, phonenumbers.PhoneNumberFormat.E164) == number
