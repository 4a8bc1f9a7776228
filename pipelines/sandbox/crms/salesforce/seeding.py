"""The records an organisation starts with.

A person of the world is a Contact, with an Account for the company; who is new or unqualified and stands in no deal and
sells no property is a Lead. One contact in forty began as a lead: that lead is still there, converted.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.sandbox.copies import Copy
from pipelines.sandbox.crms.salesforce import records
from pipelines.sandbox.crms.salesforce.ids import record_id
from pipelines.sandbox.crms.salesforce.schema import ACCOUNT, CONTACT, LEAD, OPPORTUNITY, PROPERTY, ROLE, USER, SObject
from pipelines.sandbox.store import Body, Record


def seed(copied: Copy) -> Iterator[Record]:
    """Yields users, people with their accounts, properties, deals with the roles in them."""
    for user in copied.users():
        yield _record(USER, user.number, records.user(user), (user.created, user.modified), user.truth)
    accounts: dict[str, int] = {}
    of_contact: dict[int, str] = {}
    yield from _people(copied, accounts, of_contact)
    held = set()
    for home in copied.properties():
        held.add(home.number)
        yield _record(PROPERTY, home.number, records.property_record(home), (home.created, home.modified), home.truth)
    yield from _deals(copied, of_contact, held)


def _people(copied: Copy, accounts: dict[str, int], of_contact: dict[int, str]) -> Iterator[Record]:
    bound = {number for deal in copied.deals() for number, _ in deal.contacts}
    bound |= {number for home in copied.properties() for number in home.vendors}
    for person in copied.contacts():
        times = (person.created, person.modified)
        if person.stage in ("new", "unqualified") and person.number not in bound:
            yield _record(LEAD, person.number, records.lead(person), times, person.truth)
            continue
        if person.company and person.company not in accounts:
            accounts[person.company] = len(accounts) + 1
            yield _record(ACCOUNT, accounts[person.company], records.account(person.company), times)
        if person.company:
            of_contact[person.number] = records.account_id(accounts[person.company])
        body = records.contact(person, of_contact.get(person.number))
        yield _record(CONTACT, person.number, body, times, person.truth)
        if person.number % 40 == 1:
            converted = records.lead(person, record_id(CONTACT.prefix, person.number))
            yield _record(LEAD, person.number, converted, (person.created, person.created), person.truth)


def _deals(copied: Copy, of_contact: dict[int, str], held: set[int]) -> Iterator[Record]:
    number = 0
    for deal in copied.deals():
        account = of_contact.get(deal.contacts[0][0])
        body = records.opportunity(deal, account, deal.property.number in held)
        yield _record(OPPORTUNITY, deal.number, body, (deal.created, deal.modified), deal.truth)
        for contact, name in deal.contacts:
            number += 1
            yield _record(ROLE, number, records.role(deal.number, contact, name), (deal.created, deal.created))


def _record(kind: SObject, number: int, body: Body, times: tuple[int, int], truth: str | None = None) -> Record:
    whole = dict.fromkeys(name for name, field in kind.fields.items() if field.is_written) | body
    whole |= records.derived(kind, whole, is_stage_new=False)
    return Record(kind.name, record_id(kind.prefix, number), whole, *times, truth=truth)
