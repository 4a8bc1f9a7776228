"""The records a portal starts with, and how they are associated."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.sandbox.copies import ContactCopy, Copy
from pipelines.sandbox.crms.hubspot import links, records
from pipelines.sandbox.crms.hubspot.links import End
from pipelines.sandbox.crms.hubspot.schema import COMPANIES, CONTACTS, DEALS, LISTINGS
from pipelines.sandbox.store import Record

ROLES = {"client": "Client", "partner": "Partner", "buyer": "Buyer", "seller": "Seller"}


def seed(copied: Copy) -> Iterator[Record]:
    """Yields owners, contacts, companies, deals and listings, each with its associations."""
    for user in copied.users():
        yield Record(
            "owners", str(records.FIRST_OWNER + user.number), records.owner(user), user.created, user.modified,
            deleted=not user.user.active, truth=user.truth,
        )  # fmt: skip
    yield from _contacts(copied)
    yield from _deals(copied)
    yield from _listings(copied)


def _contacts(copied: Copy) -> Iterator[Record]:
    companies: dict[str, str] = {}
    taken: set[str] = set()
    since: dict[str, int] = {}
    for contact in copied.contacts():
        emails = [email for email in _emails(contact) if email not in taken]
        taken.update(emails[:1])
        id = str(records.FIRST_CONTACT + contact.number)
        yield Record(
            "contacts", id, records.contact(contact, emails[:2]), contact.created, contact.modified, truth=contact.truth
        )
        if contact.company:
            company = companies.setdefault(contact.company, str(records.FIRST_COMPANY + len(companies)))
            since[company] = min(since.get(company, contact.created), contact.created)
            primary = [links.labelled("contacts", "companies", "Primary")]
            yield from links.rows(End(CONTACTS, id), End(COMPANIES, company), primary, contact.created)
    for name, id in companies.items():
        yield Record("companies", id, records.company(name), since[id], since[id])


def _emails(contact: ContactCopy) -> list[str]:
    """Returns the addresses as HubSpot keeps them; what is none it would have refused."""
    folded = [email.strip().lower() for email in contact.emails]
    return [email for email in dict.fromkeys(folded) if "." in email.partition("@")[2]]


def _deals(copied: Copy) -> Iterator[Record]:
    listed = {home.number for home in copied.properties()}
    for deal in copied.deals():
        id = str(records.FIRST_DEAL + deal.number)
        yield Record("deals", id, records.deal(deal), deal.created, deal.modified, truth=deal.truth)
        for number, role in dict(reversed(deal.contacts)).items():
            label = [links.labelled("deals", "contacts", ROLES[role])]
            contact = End(CONTACTS, str(records.FIRST_CONTACT + number))
            yield from links.rows(End(DEALS, id), contact, label, deal.created)
        if deal.property.number in listed:
            listing = End(LISTINGS, str(records.FIRST_LISTING + deal.property.number))
            yield from links.rows(End(DEALS, id), listing, [], deal.created)


def _listings(copied: Copy) -> Iterator[Record]:
    for home in copied.properties():
        id = str(records.FIRST_LISTING + home.number)
        yield Record("listings", id, records.listing(home), home.created, home.modified, truth=home.truth)
        people = dict.fromkeys(home.buyers, "Bidder") | dict.fromkeys(home.vendors, "Owner")
        for number, role in people.items():
            label = [links.labelled("listings", "contacts", role)]
            contact = End(CONTACTS, str(records.FIRST_CONTACT + number))
            yield from links.rows(End(LISTINGS, id), contact, label, home.created)
