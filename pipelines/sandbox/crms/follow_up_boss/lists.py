"""Lists: the envelope with its cursor, filters, sorting and the choice of fields (fact sheet 4.2).

UNVERIFIED, chosen here: `next` and `nextLink` are null on the last page; more than 100 a page are cut to 100;
`updatedAfter` and its kin leave out the very second that is named; a cursor holds for the sorting it came from;
parameters that nobody documents are passed over; an e-mail is looked for whole, a name as a part.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms._counts import Counts
from pipelines.sandbox.crms.follow_up_boss import records, schema
from pipelines.sandbox.crms.follow_up_boss.errors import DEEP, refuse
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, answer, whole_number

DEFAULT, MOST, DEEPEST = 10, 100, 2000
SQL = {"created": "created", "updated": "modified", "createdAt": "created", "updatedAt": "modified", "id": "seq"}
TIMES = {
    "createdAfter": "created > ?", "createdBefore": "created < ?", "updatedAfter": "modified > ?",
    "updatedBefore": "modified < ?",
}  # fmt: skip
ACTIVITY = {"lastActivityAfter": ">", "lastActivityBefore": "<"}
IDS = {"idGreaterThan": ">", "idLessThan": "<"}
EQUALS = {
    "people": {"stage": "stage", "source": "source", "assignedUserId": "assignedUserId"},
    "deals": {"pipelineId": "pipelineId", "stageId": "stageId", "name": "name"},
    "users": {"role": "role", "name": "name", "email": "email"},
    "events": {"personId": "personId", "type": "type", "source": "source"},
}
SORTED_BY = re.compile(r"-?[A-Za-z]\w*")
Where = tuple[list[str], list[Any]]


class Lists:
    """The collections of one account."""

    def __init__(self, crm: Crm) -> None:
        self.crm = crm
        self._counts = Counts(crm.store)

    def page(self, call: Call, entity: str) -> Response:
        """Answers one page of a collection."""
        query = call.query
        limit = min(whole_number(query.get("limit"), DEFAULT, lambda: refuse("Invalid limit.").answer, low=1), MOST)
        offset = whole_number(query.get("offset"), 0, lambda: refuse("Invalid offset.").answer)
        order, is_down = _order(entity, query)
        where, values = _where(call, self.crm, entity)
        counted = (entity, " and ".join(where), list(values))
        cursor, skipped = query.get("next"), offset
        if cursor:
            (offset, last, seq), skipped = _read_cursor(cursor, f"{entity}{query.get('sort')}"), 0
            # a row value is what SQLite finds in an index; "or" is not
            where.append(f"({order}, seq) {'<' if is_down else '>'} (?, ?)")
            values += [last, seq]
        elif offset >= DEEPEST:
            raise refuse(DEEP)
        direction = "desc" if is_down else "asc"
        sorting = f"{order} {direction}, seq {direction}"
        found = self.crm.store.select(
            entity, " and ".join(where), values, order=sorting, limit=limit + 1, offset=skipped
        )
        is_whole = not cursor and not offset and len(found) <= limit
        total = len(found) if is_whole else self._counts.of(*counted)
        token = None
        if len(found) > limit:
            last = _value(self.crm, entity, found[limit - 1], order)
            token = _cursor(offset + limit, last, found[limit - 1], entity, query)
        bodies = [shown(entity, record.body, query.get("fields")) for record in found[:limit]]
        return _envelope(call, entity, bodies, {"offset": offset, "limit": limit, "total": total}, token)


def whole(call: Call, collection: str, bodies: list[Body]) -> Response:
    """Answers a collection that always fits on one page."""
    return _envelope(call, collection, bodies, {"offset": 0, "limit": MOST, "total": len(bodies)}, None)


def shown(entity: str, body: Body, fields: str | None) -> Body:
    """Leaves out what was not asked for: custom fields come only by name or with `allFields`."""
    wanted = {name.strip() for name in (fields or "").split(",") if name.strip()}
    if "allFields" in wanted:
        return body
    if wanted:
        return {name: value for name, value in body.items() if name in wanted or name == "id"}
    return {name: value for name, value in body.items() if not (entity in schema.CUSTOM and name.startswith("custom"))}


def _envelope(call: Call, key: str, bodies: list[Body], numbers: Body, token: str | None) -> Response:
    link = None
    if token:
        rest = [(name, value) for name, value in call.query_list if name not in ("next", "offset", "limit")]
        pairs = [("limit", str(numbers["limit"])), *rest, ("next", token)]
        link = f"{call.origin}{call.path}?{urlencode(pairs)}"
    return answer({"_metadata": {"collection": key, **numbers, "next": token, "nextLink": link}, key: bodies})


def _order(entity: str, query: dict[str, str]) -> tuple[str, bool]:
    """Returns (SQL, whether downwards); people come newest first where nothing is said."""
    given = query.get("sort") or ("-id" if entity == "people" else "id")
    if not SORTED_BY.fullmatch(given):
        raise refuse(f"Invalid sort: {given}.")
    name = given.lstrip("-")
    return SQL.get(name, f"coalesce(body ->> '$.{name}', '')"), given.startswith("-")


def _value(crm: Crm, entity: str, record: Record, order: str) -> Any:
    row = crm.store.connection.execute(
        f"select {order} from records where entity = ? and id = ?", (entity, record.id)
    ).fetchone()
    return row[0]


def _cursor(offset: int, last: Any, record: Record, entity: str, query: dict[str, str]) -> str:
    place = [offset, last, record.seq, f"{entity}{query.get('sort')}"]
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def _read_cursor(token: str, kind: str) -> tuple[int, Any, int]:
    try:
        offset, last, seq, made_for = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError:
        raise refuse("Invalid next.") from None
    if made_for != kind:
        raise refuse("Invalid next.")
    return offset, last, seq


def _where(call: Call, crm: Crm, entity: str) -> Where:
    query = call.query
    where, values = list[str](), list[Any]()
    for name, sql in TIMES.items():
        is_ignored = entity == "deals" and name.startswith("updated") and not crm.switches["deals_updated_filter"]
        if query.get(name) and not is_ignored:
            where.append(sql)
            values.append(_time(query[name]))
    for name, sign in IDS.items():
        if name in query:
            where.append(f"cast(id as integer) {sign} ?")
            values.append(whole_number(query[name], 0, lambda: refuse("Invalid id.").answer))
    if ids := query.get("id") or query.get("ids"):
        wanted = ids.split(",")
        where.append(f"id in ({', '.join('?' * len(wanted))})")
        values += wanted
    for name, field in EQUALS.get(entity, {}).items():
        if query.get(name):
            where.append(f"body ->> '$.{field}' = ?")
            values.append(int(query[name]) if query[name].isdigit() else query[name])
    if entity in _SPECIAL:
        _SPECIAL[entity](query, where, values)
    # what every call asks comes last: the others are cheaper, or leave less to ask
    hidden, more = _hidden(call, crm, entity)
    return [*where, *hidden], [*values, *more]


def _hidden(call: Call, crm: Crm, entity: str) -> Where:
    """Leaves out what a list does not show unless asked: trash, archived and deleted deals, deleted users."""
    query, where, values = call.query, ["not deleted"], list[Any]()
    if entity == "people":
        if not _flag(query, "includeTrash") and query.get("stage") != schema.TRASH[1]:
            where.append("body ->> '$.stageId' <> 99")
        if crm.switches["visible_after"]:
            where.append("created <= ?")
            values.append(crm.clock.now() - crm.switches["visible_after"])
        if call.memo.get("agent"):
            where.append("body ->> '$.assignedUserId' = ?")
            values.append(call.memo["agent"])
    elif entity == "deals":
        kinds = {"Active"} if not query.get("status") else set(query["status"].split(","))
        kinds |= {"Archived"} if _flag(query, "includeArchived") else set()
        kinds |= {"Deleted"} if _flag(query, "includeDeleted") else set()
        where.append(f"body ->> '$.status' in ({', '.join('?' * len(kinds))})")
        values += sorted(kinds)
    elif entity == "users" and not _flag(query, "includeDeleted"):
        where.append("body ->> '$.status' <> 'Deleted'")
    return where, values


def _people(query: dict[str, str], where: list[str], values: list[Any]) -> None:
    if query.get("smartListId") or query.get("listId"):
        raise refuse("Smart lists are not emulated here.")
    if query.get("email"):
        add(where, values, has_email(query["email"]))
    if query.get("phone"):
        add(where, values, has_phone(query["phone"]))
    if query.get("name"):
        add(where, values, ("instr(lower(body ->> '$.name'), lower(?)) > 0", [query["name"]]))
    for tag in filter(None, query.get("tags", "").split(",")):
        add(where, values, ("exists (select 1 from json_each(body, '$.tags') where value = ?)", [tag]))
    for name, sign in ACTIVITY.items():
        if query.get(name):
            at = clock.iso_seconds(_time(query[name]))
            add(where, values, (f"body ->> '$.lastActivity' {sign} ?", [at]))
    for custom in schema.PEOPLE_CUSTOM:
        if custom.name in query:
            add(where, values, (f"cast(body ->> '$.{custom.name}' as text) = ?", [query[custom.name]]))


def _deals(query: dict[str, str], where: list[str], values: list[Any]) -> None:
    for name, field in (("personId", "people"), ("userId", "users")):
        if query.get(name):
            sql = f"exists (select 1 from json_each(body, '$.{field}') where value ->> '$.id' = ?)"
            id = whole_number(query[name], 0, lambda: refuse("Invalid id.").answer)
            add(where, values, (sql, [id]))


_SPECIAL: dict[str, Callable[[dict[str, str], list[str], list[Any]], None]] = {"people": _people, "deals": _deals}


def add(where: list[str], values: list[Any], condition: tuple[str, list[Any]]) -> None:
    """Puts one more condition to the others."""
    where.append(condition[0])
    values += condition[1]


def has_email(email: str) -> tuple[str, list[Any]]:
    """Returns the condition that a person has this address; `instr` first, for it is far cheaper than JSON."""
    sql = "instr(body, ?) > 0 and exists (select 1 from json_each(body, '$.emails') where value ->> '$.value' = ?)"
    wanted = email.strip().lower()
    return sql, [orjson.dumps(wanted).decode(), wanted]


def has_phone(phone: str) -> tuple[str, list[Any]]:
    """Returns the condition that a person has this number, however it is written."""
    sql = "instr(body, ?) > 0 and exists (select 1 from json_each(body, '$.phones') where value ->> '$.normalized' = ?)"
    wanted = records.normalized(phone)
    return sql, [f'"{wanted}"', wanted]


def _flag(query: dict[str, str], name: str) -> bool:
    return query.get(name, "").lower() in ("1", "true")


def _time(text: str) -> float:
    try:
        return clock.parse_time(text)
    except ValueError:
        raise refuse(f"Invalid date: {text}.") from None
