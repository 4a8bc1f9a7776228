"""One value of each type: what is read, what is empty, what is rejected."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from raw_log import connect, owner_in, schema

from pipelines.staging.columns import layout
from pipelines.staging.phones import parse_phones
from pipelines.staging.render import phone_texts_sql, records_sql

UNREADABLE = object()
ABSENT = object()


def read(canonical: Any, field: Any, record: Any, **spoken: Any) -> Any:
    """The value of the field `it` of one record; UNREADABLE or ABSENT where it has no value for that reason."""
    import json

    plan = layout(connect(owner_in(Path()), {"it": field}, spoken=spoken), "contacts", schema(it=canonical))
    con = duckdb.connect(config={"threads": 1})
    con.execute(
        "set TimeZone = 'UTC'; create schema staging; "
        "create table staging.phone_numbers (raw varchar, region varchar, e164 varchar)"
    )
    con.execute(
        "create table given as select 1 as line, '1' as id, '' as hash, null::varchar as modified, false as deleted, "
        "now() as seen, $1::json as record, now() as first_seen, null::varchar as first_modified",
        [json.dumps(record)],
    )
    texts = phone_texts_sql(plan, "given")
    if texts:
        parse_phones(con, texts, plan.place.region, remembered="staging.phone_numbers")
    found = con.execute(f"select it, absent_fields, unreadable_fields from ({records_sql(plan, 'staging', 'given')})")
    value, absent, unreadable = found.fetchall()[0]
    if value is None:
        return ABSENT if absent else UNREADABLE if unreadable else None
    return value


@pytest.mark.parametrize(
    ("kind", "theirs", "ours"),
    [
        ("text", "Ann", "Ann"),
        ("text", "  Ann\t\n", "Ann"),
        ("text", "\u00a0\u2003Ann\u200b ", "Ann"),
        ("text", "Zoe\u0308", "Zo\u00eb"),
        ("text", "a\u0000b", "ab"),
        ("text", "\u0000", None),
        ("text", 'says "hi" ', 'says "hi"'),
        ("text", "", None),
        ("text", " \u3000 ", None),
        ("text", None, None),
        ("text", [], None),
        ("text", 42, "42"),
        ("text", 12345678901234567890, "12345678901234567890"),
        ("text", True, "true"),
        ("text", {"a": 1}, UNREADABLE),
        ("text", ["a"], UNREADABLE),
        ("text", {}, UNREADABLE),
        ("text", "Ω" * 100_000, "Ω" * 100_000),
        ("email", " Ann@Example.COM ", "ann@example.com"),
        ("email", "none", UNREADABLE),
        ("email", "@example.com", UNREADABLE),
        ("phone", "(202) 555-0123", "+12025550123"),
        ("phone", "202.555.0123 ext. 39", "+12025550123;ext=39"),
        ("phone", 2025550123, "+12025550123"),
        ("phone", "call me", UNREADABLE),
        ("money", "1,234.50", Decimal("1234.50")),
        ("money", "$1,200", Decimal("1200.00")),
        ("money", "USD 1,200,000", Decimal("1200000.00")),
        ("money", "1.234,50 €", Decimal("1234.50")),
        ("money", "1 234,5", Decimal("1234.50")),
        ("money", "(1,200.00)", Decimal("-1200.00")),
        ("money", "-$5", Decimal("-5.00")),
        ("money", "$-5", Decimal("-5.00")),
        ("money", 99999999999.99, Decimal("99999999999.99")),
        ("money", "1e400", UNREADABLE),
        ("money", "12 apples", UNREADABLE),
        ("money", "1,2,3", UNREADABLE),
        ("money", "POA", UNREADABLE),
        ("money", True, UNREADABLE),
        ("date", "2024-02-29", date(2024, 2, 29)),
        ("date", "2024-02-29T23:30:00-08:00", date(2024, 2, 29)),
        ("date", "2024-02-30", UNREADABLE),
        ("date", "03/04/2024", UNREADABLE),
        ("date", "0000-00-00", UNREADABLE),
        ("date", "infinity", UNREADABLE),
        ("timestamp", "2024-01-01T10:00:00Z", datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("timestamp", "2024-01-01T10:00:00.000+0200", datetime(2024, 1, 1, 8, tzinfo=UTC)),
        ("timestamp", "2024-01-01 10:00", datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("timestamp", "2024-01-01", datetime(2024, 1, 1, tzinfo=UTC)),
        ("timestamp", "0001-01-01T00:00:00", UNREADABLE),
        ("timestamp", "epoch", UNREADABLE),
        ("timestamp", 1704067200, UNREADABLE),
        ("boolean", True, True),
        ("boolean", "Yes", True),
        ("boolean", 1, True),
        ("boolean", "0", False),
        ("boolean", "maybe", UNREADABLE),
        ("integer", "1,024", 1024),
        ("integer", 3.0, 3),
        ("integer", 3.5, UNREADABLE),
        ("integer", 2**62 + 1, 2**62 + 1),
        ("integer", 12345678901234567890, UNREADABLE),
        ("decimal", "2.5", 2.5),
        ("decimal", "nan", UNREADABLE),
        ("decimal", "45%", 45.0),
        ({"type": "reference", "to": "users"}, 12345678901234567890, "crm:12345678901234567890"),
        ({"type": "enum", "values": ["past_client", "new"]}, "Past Client", "past_client"),
        ({"type": "enum", "values": ["new"]}, "old", UNREADABLE),
    ],
)
def test_a_value_becomes_its_type_or_is_rejected(kind: Any, theirs: Any, ours: Any) -> None:
    assert read(kind, "Theirs", {"Theirs": theirs}) == ours


@pytest.mark.parametrize(
    ("kind", "field", "theirs", "ours"),
    [
        (
            {"type": "enum", "values": ["lead", "client"]},
            {"values": {"New": "lead", "Active": "client"}},
            "ACTIVE",
            "client",
        ),
        ({"type": "enum", "values": ["lead"]}, {"values": {"New": "lead"}}, "Gone", UNREADABLE),
        ({"type": "enum", "values": ["lead"]}, {"values": {"New": "lead"}, "otherwise": "lead"}, "Gone", "lead"),
        ({"type": "enum", "values": ["lead"]}, {"values": {"New": "lead"}, "otherwise": "lead"}, "", None),
        ("boolean", {"values": {"OptedOut": True, "OptedIn": False}}, "optedin", False),
        ("money", {"unit": 0.01}, 123456, Decimal("1234.56")),
        ("decimal", {"unit": 0.01}, "55", 0.55),
        ("integer", {"unit": 1000}, 1.5, 1500),
        ("timestamp", {"time_format": "epoch_ms"}, 1704067200123, datetime(2024, 1, 1, 0, 0, 0, 123000, UTC)),
        ("timestamp", {"time_format": "epoch_seconds"}, "1704067200", datetime(2024, 1, 1, tzinfo=UTC)),
        ("timestamp", {"time_format": "epoch_seconds"}, 1e300, UNREADABLE),
        ("timestamp", {"time_format": "%d/%m/%Y %H:%M"}, "03/04/2024 10:30", datetime(2024, 4, 3, 10, 30, tzinfo=UTC)),
        ("timestamp", {"time_format": "%d/%m/%Y"}, "2024-01-01", UNREADABLE),
        ("date", {"time_format": "%m/%d/%Y"}, "03/04/2024", date(2024, 3, 4)),
        ("date", {"time_format": "epoch_ms"}, 1704067200000, date(2024, 1, 1)),
    ],
)
def test_what_the_mapping_says_of_a_value_holds(kind: Any, field: dict[str, Any], theirs: Any, ours: Any) -> None:
    assert read(kind, {"path": "Theirs", **field}, {"Theirs": theirs}) == ours


def test_a_time_without_offset_is_of_the_connections_zone() -> None:
    spoken = {"timezone": "America/New_York"}
    assert read("timestamp", "At", {"At": "2024-01-01T10:00:00"}, **spoken) == datetime(2024, 1, 1, 15, tzinfo=UTC)
    assert read("timestamp", "At", {"At": "2024-01-01T10:00:00Z"}, **spoken) == datetime(2024, 1, 1, 10, tzinfo=UTC)


def test_a_number_without_country_is_of_the_connections_region() -> None:
    assert read("phone", "P", {"P": "0412 345 678"}, phone_region="AU") == "+61412345678"


LIST = {"type": "list", "of": "text"}
SET = {**LIST, "survivorship": "union"}
PHONES = {"type": "list", "of": "phone"}


@pytest.mark.parametrize(
    ("kind", "field", "record", "ours"),
    [
        ("text", "A.B", {"A": {"B": "x"}}, "x"),
        ("text", "A.B", {"A": {}}, ABSENT),
        ("text", "A.B", {}, ABSENT),
        ("text", "A.B", {"A": None}, None),
        ("text", "A.B", {"A": "text"}, UNREADABLE),
        ("text", "A.B", {"A": []}, None),
        ("text", "A.0.B", {"A": [{"B": "x"}]}, "x"),
        ("text", "A.0.B", {"A": []}, None),
        ("text", "A.1.B", {"A": [{"B": "x"}]}, None),
        ("text", "A.0.B", {"A": [{"C": "x"}]}, ABSENT),
        ("text", "a/b~c", {"a/b~c": "x"}, "x"),
        ("text", {"first_of": ["A", "B"]}, {"A": " ", "B": "x"}, "x"),
        ("text", {"first_of": ["A", "B"]}, {"A": None}, None),
        ("text", {"first_of": ["A", "B"]}, {"C": 1}, ABSENT),
        ("text", {"first_of": ["A", "B"]}, {"A": {"x": 1}, "B": "x"}, "x"),
        ("text", {"join": ["A", "B"]}, {"A": " Ann ", "B": "Lee"}, "Ann Lee"),
        ("text", {"join": ["A", "B"], "separator": ", "}, {"A": "Lee", "B": ""}, "Lee"),
        ("text", {"join": ["A", "B"]}, {}, ABSENT),
        ("text", {"split": "N", "part": "first"}, {"N": "Ann  Marie Lee"}, "Ann"),
        ("text", {"split": "N", "part": "rest"}, {"N": "Ann  Marie Lee"}, "Marie Lee"),
        ("text", {"split": "N", "part": "last"}, {"N": "Ann Marie Lee"}, "Lee"),
        ("text", {"split": "N", "part": "before_last"}, {"N": "Ann Marie Lee"}, "Ann Marie"),
        ("text", {"split": "N", "part": "before_last"}, {"N": "Cher"}, "Cher"),
        ("text", {"split": "N", "part": "last"}, {"N": "Cher"}, None),
        ("text", {"split": "N", "part": "rest", "separator": ","}, {"N": "Lee, Ann"}, "Ann"),
        ("text", {"const": "here"}, {}, "here"),
        ("boolean", {"const": True}, {}, True),
        ("integer", {"sql": "(record->>'a')::int + 1"}, {"a": 41}, 42),
        ("integer", {"sql": "(record->>'a')::int + 1"}, {"a": "x"}, None),
        (LIST, {"sql": "['b', 'a']"}, {}, ["b", "a"]),
        (LIST, {"each": "T"}, {"T": ["b", " ", None, "a", "b"]}, ["b", "a", "b"]),
        (SET, {"each": "T"}, {"T": ["b", "a", "b"]}, ["a", "b"]),
        (LIST, {"each": "T"}, {"T": "one"}, ["one"]),
        (LIST, "T", {"T": ["one"]}, ["one"]),
        (LIST, {"each": "T"}, {"T": []}, None),
        (LIST, {"each": "T"}, {"T": None}, None),
        (LIST, {"each": "T"}, {}, ABSENT),
        (LIST, {"each": "T", "separator": ";"}, {"T": "a; b;;c"}, ["a", "b", "c"]),
        (LIST, {"each": "T", "path": "V"}, {"T": [{"V": "a"}, {"W": "b"}]}, ["a"]),
        (LIST, {"each": "T", "path": "V", "where": {"K": "Home"}}, {"T": [{"V": 1, "K": "home"}, {"V": 2}]}, ["1"]),
        ("text", {"each": "T", "path": "V", "take": "first"}, {"T": [{"V": ""}, {"V": "b"}]}, "b"),
        ("text", {"each": "T", "path": "V", "take": "first"}, {"T": [{"V": {}}]}, UNREADABLE),
        (LIST, {"each": "T", "take": "first"}, {"T": ["a", "b"]}, ["a"]),
        (LIST, {"each": "T"}, {"T": [{"a": 1}]}, UNREADABLE),
        (
            PHONES,
            {"each": "P", "path": "N"},
            {"P": [{"N": "202 555 0199"}, {"N": "202 555 0123"}]},
            ["+12025550199", "+12025550123"],
        ),
        (PHONES, {"each": "P"}, {"P": ["nope"]}, UNREADABLE),
        ("phone", {"each": "P", "take": "first"}, {"P": ["202 555 0199"]}, "+12025550199"),
        ({"type": "list", "of": "reference", "to": "contacts"}, {"each": "C"}, {"C": 7}, ["crm:7"]),
    ],
)
def test_a_field_is_found_wherever_the_mapping_says(kind: Any, field: Any, record: Any, ours: Any) -> None:
    assert read(kind, field, record) == ours
