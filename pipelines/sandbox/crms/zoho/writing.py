"""Insert, update, upsert and delete, each of up to 100 rows with an outcome of its own (fact sheet 3.3).

207 where rows fare differently (switch `mixed_status`, for versions differ), 400 where the only row fails. UNVERIFIED,
chosen here: more than 100 rows are INVALID_DATA for the whole call; several failed rows and no good one are a mixed
answer, too; of several records that an upsert finds the oldest is updated; mail addresses may repeat, External_Id may
not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from pipelines.sandbox.crms.zoho import errors, schema
from pipelines.sandbox.crms.zoho.errors import RowError
from pipelines.sandbox.crms.zoho.org import Org, since
from pipelines.sandbox.crms.zoho.rows import Rows
from pipelines.sandbox.crms.zoho.schema import Module
from pipelines.sandbox.crms.zoho.values import user
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Route, answer

MOST = 100
Outcome = dict[str, Any]


class Writing:
    """The writing side of the API."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self.rows = Rows(org)

    def routes(self) -> list[Route]:
        """Returns the routes."""
        module = "/crm/{version}/{module}"
        return [
            Route("POST", f"{module}/upsert", self.upsert),
            Route("POST", module, self.insert),
            Route("PUT", module, self.update),
            Route("DELETE", module, self.delete),
            Route("PUT", f"{module}/{{id}}", self.update),
            Route("DELETE", f"{module}/{{id}}", self.delete),
        ]

    def insert(self, call: Call) -> Response:
        """Adds rows; 201."""
        module = self.org.module(call)
        return self._each(call, 201, lambda row, place: self._added(module, row, place))

    def update(self, call: Call) -> Response:
        """Changes the rows named by their ids, or the one named in the path; 200."""
        module, before = self.org.module(call), since(call, "if-unmodified-since")
        after = since(call)

        def one(row: Body, place: str) -> Outcome:
            record = self._named(module, call, row, place)
            is_newer = before is not None and record.modified > before
            if is_newer or (after is not None and record.modified <= after):
                raise RowError("RECORD_MODIFIED", id=record.id)
            return self._changed(module, record, row, place)

        return self._each(call, 200, one)

    def upsert(self, call: Call) -> Response:
        """Changes the record that a row is found to be, else adds it; 200."""
        module = self.org.module(call)
        checked = self._checked(module, call.object(errors.bad_body).get("duplicate_check_fields"))

        def one(row: Body, place: str) -> Outcome:
            for name in checked:
                if found := self.rows.same(module, name, row.get(name)):
                    done = self._changed(module, found, row, place)
                    return done | {"action": "update", "duplicate_field": name}
            return self._added(module, row, place) | {"action": "insert", "duplicate_field": None}

        return self._each(call, 200, one)

    def _checked(self, module: Module, given: Any) -> list[str]:
        unique = [field.name for field in module.fields if field.is_unique]
        if not given:
            return [module.checked, *unique]
        if not isinstance(given, list) or not all(isinstance(name, str) and module.field(name) for name in given):
            raise errors.refuse("INVALID_DATA", api_name="duplicate_check_fields", json_path="$.duplicate_check_fields")
        return [*given, *(name for name in unique if name not in given)]

    def delete(self, call: Call) -> Response:
        """Puts records into the recycle bin; 200."""
        module = self.org.module(call)
        ids = [call.params["id"]] if "id" in call.params else [*filter(None, call.query.get("ids", "").split(","))]
        if not ids:
            raise errors.refuse("REQUIRED_PARAM_MISSING", param_name="ids")
        if len(ids) > MOST:
            raise errors.refuse("LIMIT_EXCEEDED", param_name="ids", limit=MOST)
        return self._answer([self._deleted(module, call, id) for id in ids], 200)

    def _deleted(self, module: Module, call: Call, id: str) -> Outcome:
        record = self.org.find(module, id, call)
        if record is None:
            return errors.body("INVALID_DATA", "the id given seems to be invalid", id=id)
        record.body["Modified_By"] = self._me()
        self.org.crm.remove(record)
        return {"code": "SUCCESS", "details": {"id": record.id}, "message": "record deleted", "status": "success"}

    def _each(self, call: Call, status: int, one: Callable[[Body, str], Outcome]) -> Response:
        given = call.object(errors.bad_body).get("data")
        if not isinstance(given, list) or not given:
            raise errors.refuse("MANDATORY_NOT_FOUND", api_name="data", json_path="$.data")
        if len(given) > MOST:
            raise errors.refuse("INVALID_DATA", api_name="data", expected_data_type="jsonarray", maximum_length=MOST)
        outcomes = []
        for place, row in enumerate(given):
            try:
                if not isinstance(row, dict):
                    raise RowError("INVALID_DATA", expected_data_type="jsonobject", json_path=f"$.data[{place}]")
                outcomes.append(one(row, f"$.data[{place}]"))
            except RowError as refused:
                outcomes.append(refused.body)
        return self._answer(outcomes, status)

    def _answer(self, outcomes: list[Outcome], status: int) -> Response:
        failed = [outcome for outcome in outcomes if outcome["status"] == "error"]
        if failed and len(outcomes) == 1:
            status = 412 if failed[0]["code"] == "RECORD_MODIFIED" else 400
        elif failed:
            status = self.org.crm.switches["mixed_status"]
        return answer({"data": outcomes}, status)

    def _named(self, module: Module, call: Call, row: Body, place: str) -> Record:
        id = call.params.get("id") or row.get("id") or self.rows.external(module, call, row)
        if not id:
            raise RowError("MANDATORY_NOT_FOUND", api_name="id", json_path=f"{place}.id")
        record = self.org.find(module, id, call)
        if record is None:
            raise RowError("INVALID_DATA", "the id given seems to be invalid", api_name="id", json_path=f"{place}.id")
        return record

    def _added(self, module: Module, row: Body, place: str) -> Outcome:
        changes = self.rows.accepted(module, row, place, None)
        me = self._me()
        body = self.rows.empty(module) | {"Owner": me, "Created_By": me, "Modified_By": me} | changes
        crm = self.org.crm
        return self._done(
            crm.new(module.name, str(crm.store.next_number("ids", schema.FIRST_NEW)), body), "record added"
        )

    def _changed(self, module: Module, record: Record, row: Body, place: str) -> Outcome:
        changes = self.rows.accepted(module, row, place, record)
        return self._done(self.org.crm.edit(record, changes | {"Modified_By": self._me()}), "record updated")

    def _done(self, record: Record, message: str) -> Outcome:
        names = ("Modified_Time", "Modified_By", "Created_Time", "id", "Created_By", "$approval_state")
        details = {name: record.body[name] for name in names}
        return {"code": "SUCCESS", "details": details, "message": message, "status": "success"}

    def _me(self) -> dict[str, str]:
        return user(self.org.crm.store.select("users", limit=1)[0])
