"""A mapping's own views: what they name must be there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipelines.mapping.problems import Problem

MAPPING = """
crm: acme
label: Acme
connection: {base_url: "https://acme.test"}
entities:
  contacts:
    extract: {path: contacts}
    id: id
    custom: {link: link}
    fields: {name: name, phones: {all_of: [one]}}
  deals:
    extract: {path: deals}
    id: id
    fields: {name: title, amount: amount, contact_ids: {each: who}}
views:
  people:
    of: contacts
    beside: {deals: contact_ids}
    columns:
      key: contacts.source_id
      nama: contacts.name
      link: contacts.custom.link
      price: {value: deals.amount, type: integer}
"""


def test_a_view(problems: Callable[[str], list[Problem]]) -> None:
    assert problems(MAPPING) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("of: contacts", "of: contacs", "did you mean contacts"),
        ("beside: {deals: contact_ids}", "beside: {contacts: contact_ids}", "no other entity"),
        ("beside: {deals: contact_ids}", "beside: {deals: contact_id}", "did you mean contact_ids"),
        ("beside: {deals: contact_ids}", "beside: {deals: name}", "does not point to contacts"),
        ("    beside: {deals: contact_ids}\n", "", "'deals' is not in this view"),
        ("nama: contacts.name", "nama: contacts.nam", "did you mean name"),
        ("nama: contacts.name", "nama: contacts.email", "maps no 'email'"),
        ("nama: contacts.name", "nama: name", "columns.nama"),
        ("contacts.custom.link", "contacts.custom.lin", "did you mean link"),
        ("contacts.custom.link", "contacts.name.link", "has no parts"),
        ("type: integer", "type: whole", "type"),
        ("  people:", "  deals:", "is an entity"),
    ],
)
def test_what_is_not_there(problems: Callable[[str], list[Problem]], old: str, new: str, said: str) -> None:
    assert old in MAPPING
    found = problems(MAPPING.replace(old, new))
    assert found
    assert said in " ".join(map(str, found))
