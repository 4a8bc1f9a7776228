"""Lists: Laravel's envelope, page and limit, and the filters that must stand in brackets (fact sheet 4.2).

Seen on the live service: parameters without brackets (`status=0`) are silently ignored. UNVERIFIED, chosen here:
filters in brackets that nobody documents are ignored as well; the times of filters are Unix seconds, anything else is
422; `filter[status]` without the second pair of brackets is ignored; more than 500 a page are cut to 500; the URLs in
the envelope leave out the filters and the limit, as Laravel does unless told otherwise (switch `links_keep_query`).
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.kvcore.records import ARCHIVED
from pipelines.sandbox.store import Body
from pipelines.sandbox.wire import Call, Refused, answer

DEFAULT, MOST = 100, 500
TEXTS = {"email": "email", "first_name": "firstname", "last_name": "lastname"}
TIMES = {"updated_at": "modified >= ?", "registered_after": "created >= ?", "registered_before": "created <= ?"}
ARRAYS = {
    "source": "body ->> '$.source' = ?",
    "system_source": "body ->> '$.system_source' = ?",
    "leadtype": "instr(',' || (body ->> '$.leadtype') || ',', ',' || ? || ',') > 0",
    "status": "body ->> '$.status' = cast(? as integer)",
    "hashtags": "exists (select 1 from json_each(body, '$.hashtags') where value = ?)",
}
Where = tuple[str, list[Any]]


def refusal(errors: Any, status: int = 422) -> Response:
    """Returns `{"errors": [...]}` or `{"errors": {"field": [...]}}` (4.5)."""
    return answer({"errors": errors}, status)


def window(call: Call, crm: Crm) -> tuple[int, int]:
    """Returns (page, limit) of a call."""
    query = call.query
    limit = query.get("limit") or (query.get("per_page") if crm.switches["honour_per_page"] else None)
    return _number(query.get("page"), 1), min(_number(limit, DEFAULT), MOST)


def _number(text: str | None, default: int) -> int:
    return int(text) if text and re.fullmatch(r"\d{1,9}", text) and int(text) > 0 else default


def envelope(call: Call, crm: Crm, rows: list[Body], total: int) -> Response:
    """Answers one page."""
    page, limit = window(call, crm)
    last = max(1, -(-total // limit))
    path = f"{call.origin}{call.path}"
    kept = (
        [(name, value) for name, value in call.query_list if name != "page"] if crm.switches["links_keep_query"] else []
    )

    def link(number: int) -> str:
        return f"{path}?{urlencode([*kept, ('page', str(number))])}"

    return answer(
        {
            "current_page": page, "data": rows, "first_page_url": link(1),
            "from": (page - 1) * limit + 1 if rows else None, "last_page": last, "last_page_url": link(last),
            "next_page_url": link(page + 1) if page < last else None, "path": path, "per_page": limit,
            "prev_page_url": link(page - 1) if page > 1 else None,
            "to": (page - 1) * limit + len(rows) if rows else None, "total": total,
        }
    )  # fmt: skip


def contact_filter(call: Call) -> Where:
    """Returns the condition of a list of contacts."""
    where, values = ["not deleted"], list[Any]()
    arrays: dict[str, list[str]] = {}
    for name, value in call.query_list:
        match = re.fullmatch(r"filter\[(\w+)\](\[\d*\])?", name)
        if match is None:
            continue
        if match[2]:
            arrays.setdefault(match[1], []).append(value)
        elif condition := _single(match[1], value):
            where.append(condition[0])
            values += condition[1]
    for name, given in arrays.items():
        if name in ARRAYS:
            where.append(f"({' or '.join([ARRAYS[name]] * len(given))})")
            values += given
    if call.query.get("includeArchived") != "1":
        where.append(f"body ->> '$.status' <> {ARCHIVED}")
    return " and ".join(where), values


def updated_filter(call: Call) -> Where:
    """Returns the condition of any other list: by time of change alone."""
    condition = _single("updated_at", call.query["filter[updated_at]"]) if "filter[updated_at]" in call.query else None
    return (f"not deleted and {condition[0]}", condition[1]) if condition else ("not deleted", [])


def _single(name: str, value: str) -> Where | None:
    if name in TIMES:
        if not re.fullmatch(r"\d{1,12}", value):
            raise Refused(refusal({f"filter.{name}": [f"The filter.{name} must be a Unix timestamp."]}))
        return TIMES[name], [int(value)]
    if name in TEXTS:
        field, wanted = f"lower(body ->> '$.{TEXTS[name]}')", value.strip().lower()
        if wanted.endswith("*"):
            return f"substr({field}, 1, length(?)) = ?", [wanted[:-1], wanted[:-1]]
        return f"{field} = ?", [wanted]
    if name == "assigned_agent_id":
        return "body ->> '$.assigned_agent_id' = cast(? as integer)", [value]
    return None
