"""What every answer of VaultRE looks like: pages, times, filters, errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from urllib.parse import urlencode

from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.crm import Crm
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Refused, answer, whole_number

PAGE = 50
Where = tuple[list[str], list[object]]


def error(status: int, code: str, msg: str) -> Response:
    """3.6: {success: false, msg, code}; which codes there are is UNVERIFIED."""
    return answer({"success": False, "msg": msg, "code": code}, status)


def invalid(msg: str) -> Response:
    """Answers a call that cannot be understood."""
    return error(400, "INVALID_DATA", msg)


def missing(what: str) -> Response:
    """Answers a call for a record that is not there."""
    return error(404, "NOT_FOUND", f"{what} not found")


def time(seconds: float) -> str:
    """3.4: 2018-05-22T01:12:59+00:00."""
    return clock.moment(seconds).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def listed(value: str) -> list[str]:
    """3.2: arrays in the query are joined by commas."""
    return [item.strip() for item in value.split(",") if item.strip()]


def filtered(call: Call, inclusive: bool) -> Where:
    """3.2: modifiedSince, modifiedBefore, insertedSince, insertedBefore, held against the times as they are shown."""
    where, values = ["not deleted"], list[object]()
    since = ">=" if inclusive else ">"
    for name, column, compared in (
        ("modifiedSince", "modified", since), ("modifiedBefore", "modified", "<"),
        ("insertedSince", "created", since), ("insertedBefore", "created", "<"),
    ):  # fmt: skip
        if given := call.query.get(name):
            where.append(f"cast({column} as integer) {compared} ?")
            values.append(_seconds(given, name))
    return where, values


def _seconds(value: str, name: str) -> float:
    try:
        return clock.parse_time(value)
    except ValueError:
        raise Refused(invalid(f"{name} is not a date")) from None


def order(call: Call, sortable: Sequence[str]) -> str:
    """3.2: sort and sortOrder; without them the order in which the records came."""
    field, direction = call.query.get("sort"), call.query.get("sortOrder", "asc")
    if direction not in ("asc", "desc"):
        raise Refused(invalid("sortOrder is asc or desc"))
    if field is None:
        return "seq"
    if field not in sortable:
        raise Refused(invalid(f"sort is one of {', '.join(sortable)}"))
    column = {"inserted": "created", "modified": "modified", "touched": "modified"}.get(field, f"body ->> '$.{field}'")
    return f"{column} {direction}, seq {direction}"


def page(
    crm: Crm, call: Call, entity: str, where: Where, shown: Callable[[Record], Body], *, sortable: Sequence[str] = (),
    has_totals: bool = True,
) -> Response:  # fmt: skip
    """3.2: {items, totalItems, totalPages, urls: {self, next, previous}}; pages count from 1, urls are absolute."""
    number = whole_number(call.query.get("page"), 1, lambda: invalid("page begins with 1"), low=1)
    asked = whole_number(call.query.get("pagesize"), PAGE, lambda: invalid("pagesize is not a number"), low=1)
    size = min(asked, int(crm.switches["most_a_page"]))
    condition, values = " and ".join(where[0]), where[1]
    total = crm.store.count(entity, condition, values)
    found = crm.store.select(
        entity, condition, values, order=order(call, sortable), limit=size, offset=(number - 1) * size
    )
    pages = math.ceil(total / size)
    body: Body = {"items": [shown(record) for record in found]}
    if has_totals:
        body |= {"totalItems": total, "totalPages": pages}
    return answer(body | {"urls": _urls(call, number, pages)})


def _urls(call: Call, number: int, pages: int) -> dict[str, str | None]:
    def url(page_number: int) -> str:
        kept = [(name, value) for name, value in call.query_list if name != "page"]
        return f"{call.origin}{call.path}?{urlencode([*kept, ('page', str(page_number))])}"

    return {
        "self": url(number),
        "next": url(number + 1) if number < pages else None,
        "previous": url(number - 1) if 1 < number <= pages + 1 else None,
    }
