"""Answers to batches: every record that was sent has an outcome."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.wire.answers import NOT_MENTIONED, READERS, Member, Sent, multi_status, records, row_status, row_success


def outcomes(members: list[Member]) -> list[tuple[bool, str | None, str]]:
    return [(member.ok, member.id, member.error) for member in members]


def test_multi_status_updates_in_any_order() -> None:
    answer = {
        "results": [{"id": "3"}, {"id": "1", "properties": {"email": "a"}}],
        "errors": [{"category": "OBJECT_NOT_FOUND", "message": "gone", "context": {"ids": ["2"]}}],
    }
    sent = [Sent(id, {"id": id}) for id in ("1", "2", "3", "4")]
    assert outcomes(multi_status(answer, sent)) == [
        (True, "1", ""),
        (False, None, "OBJECT_NOT_FOUND: gone"),
        (True, "3", ""),
        (False, None, NOT_MENTIONED),
    ]


def test_multi_status_creations_are_matched_by_content() -> None:
    error = {
        "category": "CONFLICT", "message": "Contact already exists. Existing ID: 501",
        "context": {"objectWriteTraceId": ["0"], "existingId": ["501"]},
    }  # fmt: skip
    answer = {
        "results": [{"id": "9", "properties": {"email": "C@x.org"}}, {"id": "8", "properties": {"email": "b@x.org"}}],
        "errors": [error],
    }
    sent = [Sent(None, {"properties": {"email": f"{name}@x.org"}}) for name in "abc"]
    found = multi_status(answer, sent)
    assert [(member.ok, member.id, member.existing_id) for member in found] == [
        (False, None, "501"),
        (True, "8", None),
        (True, "9", None),
    ]


def test_row_success() -> None:
    twin = {
        "statusCode": "DUPLICATES_DETECTED", "message": "Use one of these records?",
        "duplicateResult": {"matchResults": [{"matchRecords": [{"record": {"Id": "003x"}}]}]},
    }  # fmt: skip
    missing = {"statusCode": "REQUIRED_FIELD_MISSING", "message": "Required fields are missing", "fields": ["LastName"]}
    answer = [
        {"id": "1", "success": True, "errors": []},
        {"success": False, "errors": [missing]},
        {"success": False, "errors": [twin]},
    ]
    found = row_success(answer, [Sent(None, {})] * 4)
    assert outcomes(found) == [
        (True, "1", ""),
        (False, None, "REQUIRED_FIELD_MISSING: Required fields are missing (LastName)"),
        (False, None, "DUPLICATES_DETECTED: Use one of these records?"),
        (False, None, NOT_MENTIONED),
    ]
    assert found[2].existing_id == "003x"


def test_row_status() -> None:
    bad = {
        "code": "MANDATORY_NOT_FOUND", "details": {"api_name": "Last_Name"}, "message": "required field not found",
        "status": "error",
    }  # fmt: skip
    twin = {"code": "DUPLICATE_DATA", "details": {"id": "77"}, "message": "duplicate data", "status": "error"}
    answer = {"data": [{"code": "SUCCESS", "details": {"id": "5"}, "status": "success"}, bad, twin]}
    found = row_status(answer, [Sent(None, {}), Sent("6", {}), Sent(None, {})])
    assert outcomes(found)[:2] == [
        (True, "5", ""),
        (False, "6", "MANDATORY_NOT_FOUND: required field not found (Last_Name)"),
    ]
    assert found[2].existing_id == "77"


def test_an_upsert_says_who_was_there() -> None:
    """`new` and the trace of HubSpot's answers (spec), `created` of Salesforce's, `action` of Zoho's (recorded)."""
    sent = [Sent(None, {"id": name}) for name in "abc"]
    traced = [
        {"id": "7", "new": False, "objectWriteTraceId": "2"}, {"id": "8", "new": True, "objectWriteTraceId": "0"},
    ]  # fmt: skip
    rows = [{"id": "8", "success": True, "created": True}, {}, {"id": "7", "success": True, "created": False}]
    states = [
        {"status": "success", "action": "insert", "details": {"id": "8"}}, {},
        {"status": "success", "action": "update", "details": {"id": "7"}},
    ]  # fmt: skip
    for reader, answer in ((multi_status, {"results": traced}), (row_success, rows), (row_status, {"data": states})):
        found = reader(answer, sent)
        assert [(one.ok, one.id, one.is_matched) for one in found] == [
            (True, "8", False), (False, None, False), (True, "7", True),
        ]  # fmt: skip


@pytest.mark.parametrize("answer", [[{"id": 1}, {"id": "2"}], {"total": 2, "results": [{"Id": "2"}, {"Id": 1}]}])
def test_records_are_found_by_id(answer: Any) -> None:
    assert [member.ok for member in records(answer, [Sent("1", None), Sent("2", None), Sent("3", None)])] == [
        True, True, False,
    ]  # fmt: skip


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["results", "errors", "data", "id", "success", "status", "details", "context", "ids", "code"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(
    answer=json_values,
    ids=st.lists(st.none() | st.text("12", max_size=1), max_size=4),
    name=st.sampled_from(sorted(READERS)),
)
def test_whatever_the_answer_each_record_has_one_outcome(answer: Any, ids: list[str | None], name: str) -> None:
    found = READERS[name](answer, [Sent(id, {}) for id in ids])
    assert len(found) == len(ids)
    assert all(member.ok or member.error for member in found)
