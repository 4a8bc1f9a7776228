"""Lists with page numbers and page tokens, one record, deleted records (fact sheet 3.2).

Tokens that follow each other end at 100,000 records, and hold for their own query alone (vendor's specification v8.0,
record). UNVERIFIED, chosen here: `If-Modified-Since` leaves out the very second that is named; an id that nobody has is
204, one that is no number INVALID_DATA; a list of deleted records without hits is 304 where only changes were asked
for; in v2 the pages have no end at 2,000.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.responses import Response

from pipelines.sandbox.crms.zoho import errors
from pipelines.sandbox.crms.zoho.org import DEEPEST, Org, fields_of, nothing, shown, since, window
from pipelines.sandbox.crms.zoho.values import zoned
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Route, answer

# ids rise with the order in which records come, which SQLite has in an index
SORTS = {"id": "seq", "Created_Time": "created", "Modified_Time": "modified"}
TOKEN_SECONDS, BIN_SECONDS = 86_400, 60 * 86_400
SAME_QUERY = ("fields", "ids", "sort_by", "sort_order", "per_page", "cvid", "converted", "territory_id")


@dataclass(frozen=True, slots=True)
class _Place:
    """A page, the (value, seq) behind which it starts, and behind which the page before it starts; None at the top."""

    page: int
    start: tuple[float, int] | None
    before: tuple[float, int] | None

    def token(self, until: int, query: str) -> str:
        return base64.urlsafe_b64encode(orjson.dumps([self.page, self.start, self.before, until, query])).decode()


class Reading:
    """The reading side of the API."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self.store = org.crm.store

    def routes(self) -> list[Route]:
        """Returns the routes."""
        return [
            Route("GET", "/crm/{version}/{module}/deleted", self.deleted),
            Route("GET", "/crm/{version}/{module}", self.page),
            Route("GET", "/crm/{version}/{module}/{id}", self.read),
        ]

    def page(self, call: Call) -> Response:
        """Answers one page of a module."""
        module, is_old = self.org.module(call), self.org.version(call) == 2
        fields = fields_of(call, is_mandatory=not is_old)
        page, per_page = window(call)
        by, order = call.query.get("sort_by", "id"), call.query.get("sort_order", "desc")
        if by not in SORTS or order not in ("asc", "desc"):
            raise errors.refuse("INVALID_DATA", param_name="sort_by" if by not in SORTS else "sort_order")
        where, values = self._where(call)
        token = call.query.get("page_token") if not is_old else None
        place = _Place(page, None, None)
        if token:
            if "page" in call.query:
                raise errors.refuse("AMBIGUITY_DURING_PROCESSING", param_name="page_token")
            place = self._read_token(token, _query(call, module.name))
            if place.page * per_page > self.org.crm.switches["token_rows"]:
                raise errors.refuse("PAGINATION_LIMIT_EXCEEDED", param_name="page_token")
            if place.start:
                where += f" and ({SORTS[by]}, seq) {'<' if order == 'desc' else '>'} (?, ?)"
                values += place.start
        elif page * per_page > DEEPEST and not is_old:
            raise errors.refuse("DISCRETE_PAGINATION_LIMIT_EXCEEDED", limit=DEEPEST)
        offset = 0 if token else (page - 1) * per_page
        sorting = f"{SORTS[by]} {order}, seq {order}"
        found = self.store.select(module.name, where, values, order=sorting, limit=per_page + 1, offset=offset)
        if not found:
            return nothing(call)
        rows, more = found[:per_page], len(found) > per_page
        info: Body = {"per_page": per_page, "count": len(rows), "page": place.page, "more_records": more}
        if not is_old:
            info |= {"sort_by": by, "sort_order": order} | self._tokens(call, module.name, place, rows[-1], by, more)
        return answer({"data": [shown(record, fields) for record in rows], "info": info})

    def _where(self, call: Call) -> tuple[str, list[Any]]:
        where, values = ["not deleted"], list[Any]()
        if (changed := since(call)) is not None:
            where.append("modified > ?")
            values.append(changed)
        if ids := call.query.get("ids"):
            wanted = ids.split(",")
            where.append(f"id in ({', '.join('?' * len(wanted))})")
            values += wanted
        return " and ".join(where), values

    def _tokens(self, call: Call, module: str, place: _Place, last: Record, by: str, more: bool) -> Body:
        """Returns the tokens of the next page and of the page before, which knows no earlier one."""
        query, until = _query(call, module), int(self.org.crm.clock.now()) + TOKEN_SECONDS
        value = {"id": last.seq, "Created_Time": last.created, "Modified_Time": last.modified}[by]
        following = _Place(place.page + 1, (value, last.seq), place.start).token(until, query) if more else None
        before = _Place(place.page - 1, place.before, None).token(until, query) if place.start else None
        expiry = zoned(until) if following or before else None
        return {"next_page_token": following, "previous_page_token": before, "page_token_expiry": expiry}

    def _read_token(self, token: str, query: str) -> _Place:
        try:
            page, start, before, until, made_for = orjson.loads(base64.urlsafe_b64decode(token))
        except ValueError:
            raise errors.refuse("TOKEN_BOUND_DATA_MISMATCH", param_name="page_token") from None
        if until <= self.org.crm.clock.now():
            raise errors.refuse("EXPIRED_VALUE", param_name="page_token")
        if made_for != query:
            raise errors.refuse("TOKEN_BOUND_DATA_MISMATCH", param_name="page_token")
        return _Place(page, start, before)

    def read(self, call: Call) -> Response:
        """Answers one record as a list of one."""
        module, id = self.org.module(call), call.params["id"]
        if not id.isdigit() and "x-external" not in call.headers:
            raise errors.refuse("INVALID_DATA", 400, "the id given seems to be invalid", resource_path_index=1)
        record = self.org.find(module, id, call)
        changed = since(call)
        if record is None or (changed is not None and record.modified <= changed):
            return nothing(call)
        return answer({"data": [shown(record, fields_of(call, is_mandatory=False))]})

    def deleted(self, call: Call) -> Response:
        """Answers what was deleted; after sixty days in the recycle bin a record is gone for good."""
        module, kind = self.org.module(call), call.query.get("type", "all")
        if kind not in ("all", "recycle", "permanent"):
            raise errors.refuse("INVALID_DATA", param_name="type")
        cut, changed = self.org.crm.clock.now() - BIN_SECONDS, since(call)
        age = {"all": "true", "recycle": "modified > ?", "permanent": "modified <= ?"}[kind]
        where = f"deleted and {age}" + (" and modified > ?" if changed is not None else "")
        values = [*([cut] if kind != "all" else []), *([changed] if changed is not None else [])]
        page, per_page = window(call)
        found = self.store.select(
            module.name, where, values, order="modified desc, id", limit=per_page + 1, offset=(page - 1) * per_page
        )
        if not found:
            return nothing(call)
        rows = [
            {
                "id": record.id, "display_name": record.body[module.shown_as],
                "type": "recycle" if record.modified > cut else "permanent", "deleted_by": record.body["Modified_By"],
                "created_by": record.body["Created_By"], "deleted_time": zoned(record.modified),
            }
            for record in found[:per_page]
        ]  # fmt: skip
        info = {"per_page": per_page, "count": len(rows), "page": page, "more_records": len(found) > per_page}
        return answer({"data": rows, "info": info})


def _query(call: Call, module: str) -> str:
    """Returns what tells one query from another."""
    parts = [module, *(call.query.get(name, "") for name in SAME_QUERY), call.headers.get("if-modified-since", "")]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
