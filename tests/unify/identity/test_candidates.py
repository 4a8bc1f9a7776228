"""How many pairs are looked at: bounded on any data, and no copy is lost by that."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.unify.identity import candidates
from pipelines.unify.identity.declaration import load_declaration
from pipelines.unify.identity.match import match

GIVEN = "['Alice', 'Bruno', 'Carla', 'Dmitri', 'Elena', 'Farid', 'Greta', 'Hugo', 'Ines', 'Jonas']"
FAMILY = "['Abara', 'Bianchi', 'Castro', 'Dvorak', 'Eriksen', 'Fischer', 'Garcia', 'Horvat']"


def people(con: Any, number: int, columns: str, person: str = "i") -> str:
    """A table of so many records; `columns` may use the person's number p."""
    con.execute(
        f"""create or replace table people as
            select 'a:' || i as record_key, {GIVEN}[1 + p % 10] as first_name, {FAMILY}[1 + p // 10 % 8] as last_name,
                {columns}, p as truth
            from (select i, {person} as p from range({number}) as r(i))"""
    )
    return "people"


@pytest.mark.parametrize(
    "columns",
    [
        "'+1202555' || lpad((p // 50)::varchar, 4, '0') as phone",  # fifty share each telephone
        "(10000 + p % 60)::varchar as postal_code, 'Austin' as city",  # eighty names in sixty postal codes
        "'+12025550147' as phone, (1 + p % 20) || ' High Street' as street, '10001' as postal_code",
        "(date '1970-01-02' + (p % 90)::integer)::varchar as birth_date, (10000 + p % 40)::varchar as postal_code",
    ],
)
def test_pairs_are_bounded_on_any_data(
    con: Any, declaration: Any, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setattr(candidates, "SMALL", 0)
    summary = match(con, people(con, 3_000, columns), declaration)
    assert summary.pairs <= candidates.PAIRS_PER_RECORD * 3_000
    assert summary.model.caps is not None
    assert summary.model.caps.keys() == declaration.candidates.keys()


def test_caps_stay_with_the_model(con: Any, declaration: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as many records per telephone: with the model kept, the caps are those of before."""
    monkeypatch.setattr(candidates, "SMALL", 0)
    monkeypatch.setattr(candidates, "PAIRS_PER_RECORD", 5)
    phone = "'+1202555' || lpad((p // 20)::varchar, 4, '0') as phone"
    first = match(con, people(con, 1_000, phone), declaration)
    assert first.model.caps is not None
    assert first.model.caps["phone"] < declaration.candidates["phone"].at_most
    again = match(con, people(con, 1_200, phone), declaration, model=first.model)
    assert again.model.caps == first.model.caps


def test_many_copies_of_a_few_people_are_found(con: Any, declaration: Any) -> None:
    """Forty copies of each; all telephones are beyond what may share a key, and each is one person's."""
    tight = declaration.model_copy(deep=True)
    tight.candidates["phone"].at_most = 30
    tight.candidates = {"phone": tight.candidates["phone"]}
    columns = "'+1202555' || lpad(p::varchar, 4, '0') as phone, 'm' || p || '@x.org' as email"
    summary = match(con, people(con, 2_000, columns, person="i // 40"), tight)
    sizes = f"select count(*) from {summary.tables.clusters} group by cluster"
    assert con.execute(sizes).fetchall() == [(40,)] * 50
    tight.candidates["phone"].neighbours = 0
    match(con, "people", tight)
    assert con.execute(sizes).fetchall() == [(1,)] * 2_000


@pytest.mark.parametrize(("suffix", "joined"), [("{}", False), ("", True)])
def test_letters_of_made_up_names_are_never_wrong(
    con: Any, declaration: Any, make_world: Any, put_rows: Any, suffix: str, joined: bool
) -> None:
    """Alexandrine12 and Alexandrine13 of one telephone are two; with a letter wrong instead they are one."""
    home = {"phone": "+12025550147", "street": "9 Quay Street", "postal_code": "78701", "city": "Austin"}
    names = ["Alexandrine" + suffix.format(12), ("Alexandrine" if suffix else "Alexandrina") + suffix.format(13)]
    rows = [home | {"record_key": f"x:{name}", "first_name": name, "last_name": "Quimby"} for name in names]
    summary = match(con, put_rows(con, [*make_world(60), *rows]), declaration)
    clusters = dict(con.execute(f"select record_key, cluster from {summary.tables.clusters}").fetchall())
    assert (clusters[f"x:{names[0]}"] == clusters[f"x:{names[1]}"]) is joined


def test_every_candidate_rule_of_contacts_names_columns_that_are_there(con: Any) -> None:
    declaration = load_declaration("contacts")
    people(con, 10, "p::varchar as phone")
    summary = match(con, "people", declaration)
    known = {row[0] for row in con.execute(f"describe {summary.tables.known}").fetchall()}
    assert {column for rule in declaration.candidates.values() for column in rule.on} <= known
