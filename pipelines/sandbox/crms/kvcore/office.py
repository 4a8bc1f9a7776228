"""Users, offices, teams, transactions and manual listings.

Source: fact sheet 4.2 and 4.3: the paths are the catalogue's, EVERY field name is UNVERIFIED. Chosen here: transactions
have name, address, sale_price, list_price, status ("active", "pending", "closed", "cancelled"), close_date, contact_ids
and user_ids; no time of change is shown, and `filter[updated_at]` is honoured only with a switch.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.kvcore import lists, records
from pipelines.sandbox.crms.kvcore.contacts import bad_body
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Refused, Route, answer

STATUS = ("active", "pending", "closed", "cancelled")
FIXED = {
    "offices": [{"id": 1, "name": "Northgate Homes Tacoma"}],
    "teams": [{"id": 1, "name": "Northgate", "office_id": 1}],
}
LISTED = ("users", "transactions", "manuallistings")


class Office:
    """What an account has beside contacts."""

    def __init__(self, crm: Crm) -> None:
        self.crm = crm

    def routes(self) -> list[Route]:
        """Returns the routes; the relationships stand before the ids."""
        base = "/v2/public"
        return [
            *(Route("GET", f"{base}/{name}", self.page) for name in LISTED),
            *(Route("GET", f"{base}/{name}", self.fixed) for name in FIXED),
            Route("GET", f"{base}/transaction/contacts", lambda call: self.related(call, "contact")),
            Route("GET", f"{base}/transaction/users", lambda call: self.related(call, "user")),
            Route("GET", f"{base}/user/{{id}}", lambda call: answer(self._record(call, "users").body)),
            Route("GET", f"{base}/transaction/{{id}}", lambda call: answer(self._record(call, "transactions").body)),
            Route("POST", f"{base}/transaction", self.create),
            Route("PUT", f"{base}/transaction/{{id}}", self.update),
            Route("DELETE", f"{base}/transaction/{{id}}", self.delete),
        ]

    def page(self, call: Call) -> Response:
        """Answers a list."""
        entity = call.path.rpartition("/")[2]
        is_filtered = entity == "transactions" and self.crm.switches["transactions_updated_filter"]
        where, values = lists.updated_filter(call) if is_filtered else ("not deleted", [])
        page, limit = lists.window(call, self.crm)
        found = self.crm.store.select(entity, where, values, limit=limit, offset=(page - 1) * limit)
        rows = [record.body for record in found]
        return lists.envelope(call, self.crm, rows, self.crm.store.count(entity, where, values))

    def fixed(self, call: Call) -> Response:
        """Answers a list that never changes."""
        return self._sliced(call, FIXED[call.path.rpartition("/")[2]])

    def related(self, call: Call, what: str) -> Response:
        """Answers who belongs to which transaction, one row for each."""
        rows = [
            {"id": int(record.id) * 100 + place, "transaction_id": int(record.id), f"{what}_id": id}
            for record in self.crm.store.select("transactions")
            for place, id in enumerate(record.body.get(f"{what}_ids") or [])
        ]
        return self._sliced(call, rows)

    def _sliced(self, call: Call, rows: list[Body]) -> Response:
        page, limit = lists.window(call, self.crm)
        return lists.envelope(call, self.crm, rows[(page - 1) * limit : page * limit], len(rows))

    def create(self, call: Call) -> Response:
        """Makes a transaction."""
        changes = self._accepted(call.object(bad_body))
        if not changes.get("name"):
            raise Refused(lists.refusal({"name": ["The name field is required."]}))
        fresh = dict.fromkeys(records.TRANSACTION) | {"status": "active", "contact_ids": [], "user_ids": []} | changes
        return answer(self.crm.new("transactions", self.crm.new_id("transactions"), fresh).body, 201)

    def update(self, call: Call) -> Response:
        """Changes what is sent and answers the whole record."""
        record = self._record(call, "transactions")
        return answer(self.crm.edit(record, self._accepted(call.object(bad_body))).body)

    def delete(self, call: Call) -> Response:
        """Ends a transaction."""
        self.crm.remove(self._record(call, "transactions"))
        return answer(None, 204)

    def _record(self, call: Call, entity: str) -> Record:
        record = self.crm.store.get(entity, call.params["id"])
        if record is None or record.deleted:
            raise Refused(lists.refusal(["Not found"], 404))
        return record

    def _accepted(self, given: Body) -> Body:
        changes = {name: given[name] for name in (*records.TRANSACTION, "user_ids") if name in given}
        wrong = {name: problem for name, value in changes.items() if (problem := self._problem(name, value))}
        if wrong:
            raise Refused(lists.refusal({name: [f"The {name} {problem}"] for name, problem in wrong.items()}))
        return changes

    def _problem(self, name: str, value: Any) -> str:
        if name in ("contact_ids", "user_ids"):
            entity = name.replace("_id", "")
            is_known = isinstance(value, list) and all(self.crm.store.get(entity, str(id)) for id in value)
            return "" if is_known else "are invalid."
        if name == "status":
            return "" if value in STATUS else "is invalid."
        if value is None:
            return ""
        if name in ("sale_price", "list_price"):
            return "" if isinstance(value, int | float) and not isinstance(value, bool) else "must be a number."
        if name == "close_date":
            return "" if _is_date(value) else "is not a valid date."
        return "" if isinstance(value, str) else "must be a string."


def _is_date(value: Any) -> bool:
    try:
        return clock.parse_time(str(value)) > 0
    except ValueError:
        return False
