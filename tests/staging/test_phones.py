"""Telephone numbers: one answer per writing, equal to the library's."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.staging.phones import e164, parse_phones, phone_key


def numbers_of(region: str, *raw: str | None) -> dict[str | None, str | None]:
    con = duckdb.connect()
    con.execute("create table seen (value varchar)")
    con.executemany("insert into seen values (?)", [[value] for value in raw])
    parse_phones(con, "seen", region)
    query = f"select value, e164 from seen left join phone_numbers p on p.raw = {phone_key('value')}"
    return dict(con.execute(query).fetchall())


@pytest.mark.parametrize(
    ("region", "raw", "expected"),
    [
        ("US", "(202) 555-0123", "+12025550123"),
        ("US", "202.555.0123 x39", "+12025550123"),
        ("US", "1-800-FLOWERS", "+18003569377"),
        ("US", "+44 20 7946 0018", "+442079460018"),
        ("GB", "020 7946 0018", "+442079460018"),
        ("AU", "0412 345 678", "+61412345678"),
        ("US", "555-5555", None),
        ("US", "call after six", None),
        ("", "202 555 0123", None),
    ],
)
def test_a_writing_becomes_e164_by_its_region(region: str, raw: str, expected: str | None) -> None:
    assert numbers_of(region, raw) == {raw: expected}


def test_a_second_run_parses_only_what_is_new() -> None:
    con = duckdb.connect()
    assert parse_phones(con, "(values ('202 555 0123'), ('(202) 555-0123'), (null), ('x'))", "US") == 2
    assert parse_phones(con, "(values ('202 555 0123'), ('202 555 0124'))", "US") == 1
    assert con.execute("select count(*) from phone_numbers").fetchall() == [(3,)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.from_regex(r"(\+?1)?[ (]?[0-9]{3}[) -]?[0-9]{3}[-. ]?[0-9]{4}", fullmatch=True), min_size=1, max_size=20
    )
)
def test_the_known_shape_is_what_the_library_says(raw: list[str]) -> None:
    assert numbers_of("US", *raw) == {value: e164(value, "US") for value in raw}
