"""Readers of the answers to calls that write, or read, many records: one outcome for each record that was sent.

A record that the answer does not speak of has failed, whatever the status says. Mappings name a reader by its neutral
name; a new shape is a new function in READERS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

NOT_MENTIONED = "the answer does not mention the record"


class Sent(NamedTuple):
    """One record as it was sent: its id in the CRM (None for a new one) and its member of the body."""

    id: str | None
    item: Any


class Member(NamedTuple):
    """What became of one record.

    Attributes:
        ok: the CRM did it.
        id: the record's id, also of a new one.
        record: the record, or the part of it that the answer shows.
        error: why not, in the CRM's words.
        existing_id: the record that the CRM says is there already.
        is_matched: an upsert has changed a record that was there; false where it made one, or the answer is silent.
    """

    ok: bool
    id: str | None = None
    record: Any = None
    error: str = ""
    existing_id: str | None = None
    is_matched: bool = False


Reader = Callable[[Any, Sequence[Sent]], list[Member]]


def multi_status(answer: Any, sent: Sequence[Sent]) -> list[Member]:
    """`{results: [{id, ...}], errors: [{message, context: {ids: [...]}}]}` in any order.

    An update is found by its id. A new record has none yet: it is named by its place (`objectWriteTraceId`, sent as
    `$index`), or else, in results, found by its content. Of an upsert `new` is false where a record was there.
    Source: HubSpot CRM v3 batch answers (spec) and a recorded partial failure (3p).
    """
    results = _list(answer, "results")
    found: dict[int, Member] = {}
    for error in _list(answer, "errors"):
        for place in _places(error, sent):
            found[place] = Member(False, error=_words(error), existing_id=_first(error, "context", "existingId"))
    left: dict[str, list[Any]] = {}
    for result in results:
        if isinstance(result, dict):
            left.setdefault(str(result.get("id")), []).append(result)
    for place, one in enumerate(sent):
        if one.id is not None and place not in found and left.get(one.id):
            found[place] = Member(True, one.id, left[one.id].pop(0))
    for result in chain.from_iterable(left.values()):
        whose = _traced(result, sent, found)
        if whose is not None:
            found[whose] = Member(True, str(result.get("id")), result, is_matched=result.get("new") is False)
    return [found.get(place, Member(False, error=NOT_MENTIONED)) for place in range(len(sent))]


def row_success(answer: Any, sent: Sequence[Sent]) -> list[Member]:
    """`[{id, success, errors: [{statusCode, message, fields}]}]` in the order of what was sent; upserts add `created`.

    Source: Salesforce sObject collections (recorded): HTTP 200 even if every row failed.
    """
    return _in_order(answer if isinstance(answer, list) else [], sent, _success_row)


def row_status(answer: Any, sent: Sequence[Sent]) -> list[Member]:
    """`{data: [{status, code, message, details: {id}}]}`, or that list, in the order of what was sent; upserts add
    `action`.

    Source: Zoho CRM v8 insert and update (spec, recorded); the HTTP status of mixed rows differs between versions.
    """
    return _in_order(answer if isinstance(answer, list) else _list(answer, "data"), sent, _status_row)


def records(answer: Any, sent: Sequence[Sent], id_of: Callable[[Any], Any] | None = None) -> list[Member]:
    """A bare list of records, or an object with one list in it, each with its id: for reading many at once.

    `id_of` gives a record's id where that is not simply called so.
    """
    found = answer if isinstance(answer, list) else next(iter(_lists(answer)), [])
    by_id = {str((id_of or _id)(record)): record for record in found if isinstance(record, dict)}
    return [
        Member(True, one.id, by_id[one.id]) if one.id in by_id else Member(False, error=NOT_MENTIONED) for one in sent
    ]


def empty(answer: Any, sent: Sequence[Sent]) -> list[Member]:
    """No content, which says that all of it was done; an answer that does say something is an error.

    Source: HubSpot CRM v3 batch archive (spec): 204 without a body.
    """
    is_done = answer in (None, "", {})
    return [Member(is_done, one.id, error="" if is_done else _words(answer)) for one in sent]


READERS: dict[str, Reader] = {
    "multi_status": multi_status,
    "row_success": row_success,
    "row_status": row_status,
    "records": records,
    "empty": empty,
}
reader_names: frozenset[str] = frozenset(READERS)


def _success_row(row: Mapping[str, Any], one: Sent) -> Member:
    if row.get("success") is True:
        return Member(True, str(row.get("id") or one.id), row, is_matched=row.get("created") is False)
    errors = [error for error in _list(row, "errors") if isinstance(error, dict)]
    return Member(False, one.id, error="; ".join(map(_words, errors)) or "not successful", existing_id=_matched(errors))


def _status_row(row: Mapping[str, Any], one: Sent) -> Member:
    details = row.get("details") if isinstance(row.get("details"), dict) else {}
    if str(row.get("status", "")).lower() == "success":
        is_matched = str(row.get("action", "")).lower() == "update"
        return Member(True, str((details or {}).get("id") or one.id), details, is_matched=is_matched)
    twin = (details or {}).get("duplicate_record")
    existing = twin.get("id") if isinstance(twin, dict) else (details or {}).get("id")
    is_twin = str(row.get("code", "")).upper() == "DUPLICATE_DATA" and existing is not None
    return Member(False, one.id, error=_words(row), existing_id=str(existing) if is_twin else None)


def _in_order(
    rows: Sequence[Any], sent: Sequence[Sent], read: Callable[[Mapping[str, Any], Sent], Member]
) -> list[Member]:
    found = [read(row, one) if isinstance(row, dict) else None for row, one in zip(rows, sent, strict=False)]
    found += [None] * (len(sent) - len(found))
    return [member or Member(False, one.id, error=NOT_MENTIONED) for member, one in zip(found, sent, strict=True)]


def _places(error: Any, sent: Sequence[Sent]) -> list[int]:
    """Which of the sent records an error is about: by id, else by the place it was sent with."""
    context = error.get("context") if isinstance(error, dict) else None
    if not isinstance(context, dict):
        return []
    ids = {str(one) for key in ("ids", "id") for one in _as_list(context.get(key))}
    traces = {str(one) for one in _as_list(context.get("objectWriteTraceId"))}
    return [place for place, one in enumerate(sent) if (one.id in ids if ids else str(place) in traces)]


def _traced(result: Mapping[str, Any], sent: Sequence[Sent], found: Mapping[int, Member]) -> int | None:
    """The place of the new record that a result names; where it names none, the likeliest."""
    trace = str(result.get("objectWriteTraceId") or "")
    if trace.isdecimal() and int(trace) < len(sent) and sent[int(trace)].id is None and int(trace) not in found:
        return int(trace)
    return _likeliest(result, sent, found)


def _likeliest(result: Mapping[str, Any], sent: Sequence[Sent], found: Mapping[int, Member]) -> int | None:
    """The new record, not yet accounted for, that shares most values with a result; the first of equals."""
    free = [place for place, one in enumerate(sent) if one.id is None and place not in found]
    values = _values(result)
    return max(free, key=lambda place: (len(_values(sent[place].item) & values), -place), default=None)


def _values(item: Any) -> set[tuple[str, str]]:
    if not isinstance(item, dict):
        return set()
    flat = {(key, str(value).strip().casefold()) for key, value in item.items() if isinstance(value, str | int | float)}
    return flat.union(*(_values(value) for value in item.values() if isinstance(value, dict)))


def _words(error: Any) -> str:
    """What an error says: its code and its message."""
    if not isinstance(error, dict):
        return str(error)
    code = next((error[key] for key in ("code", "category", "statusCode", "errorCode") if error.get(key)), "")
    message = error.get("message") or error.get("error") or ""
    details = error.get("details")
    fields = error.get("fields") or (details.get("api_name") if isinstance(details, dict) else "") or ""
    named = f" ({', '.join(map(str, fields)) if isinstance(fields, list) else fields})" if fields else ""
    return f"{code}: {message}{named}".strip(": ") or "refused without a reason"


def _matched(errors: Sequence[Mapping[str, Any]]) -> str | None:
    """The id of the first record that a duplicate rule matched."""
    for error in errors:
        result = error.get("duplicateResult")
        for match in _list(result, "matchResults"):
            for one in _list(match, "matchRecords"):
                found = (one.get("record") or {}).get("Id") if isinstance(one, dict) else None
                if found:
                    return str(found)
    return None


def _first(error: Any, *path: str) -> str | None:
    found = error
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    listed = _as_list(found)
    return str(listed[0]) if listed else None


def _id(record: Mapping[str, Any]) -> Any:
    return next((record[key] for key in ("id", "Id", "ID") if record.get(key) is not None), None)


def _list(answer: Any, key: str) -> list[Any]:
    found = answer.get(key) if isinstance(answer, dict) else None
    return found if isinstance(found, list) else []


def _lists(answer: Any) -> list[list[Any]]:
    return [value for value in answer.values() if isinstance(value, list)] if isinstance(answer, dict) else []


def _as_list(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
