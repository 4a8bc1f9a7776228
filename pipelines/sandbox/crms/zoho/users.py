"""Users: read under a key of their own, and changed (fact sheet 3.2; vendor's specification v8.0, users).

`PUT /users` takes up to ten users, each with its id, `PUT /users/{id}` one. Not emulated: adding and deleting users;
role, profile and status, which are refused. UNVERIFIED, chosen here: that a changed address is a user's at once; the
status of a call whose users fare differently; fields that a user does not have are passed over.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from pipelines.sandbox.crms.zoho import errors, seeding
from pipelines.sandbox.crms.zoho.errors import RowError
from pipelines.sandbox.crms.zoho.org import Org, nothing, since, window
from pipelines.sandbox.crms.zoho.schema import Field
from pipelines.sandbox.crms.zoho.values import put_down, user
from pipelines.sandbox.store import Body, Record
from pipelines.sandbox.wire import Call, Route, answer

MOST = 10
WRITTEN = (
    Field("first_name", length=50), Field("last_name", length=50), Field("alias", length=50),
    Field("email", "email", 100), Field("phone", "phone", 30), Field("mobile", "phone", 30), Field("fax", length=30),
    Field("street", length=250), Field("city", length=100), Field("state", length=100), Field("zip", length=30),
    Field("country", length=100), Field("dob", "date"), Field("website", length=250), Field("signature", length=200),
)  # fmt: skip
REFUSED = ("role", "profile", "status", "Created_By", "Modified_By", "type__s")


class Users:
    """The users of the organisation."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self.store = org.crm.store

    def routes(self) -> list[Route]:
        """Returns the routes; they must come before the modules."""
        path = "/crm/{version}/users"
        return [
            Route("GET", path, self.page),
            Route("PUT", path, self.update),
            Route("GET", f"{path}/{{id}}", self.read),
            Route("PUT", f"{path}/{{id}}", self.update),
        ]

    def page(self, call: Call) -> Response:
        """Answers users under their own key."""
        self.org.version(call)
        kind, changed = call.query.get("type", "AllUsers"), since(call)
        where = {
            "AllUsers": "true", "ActiveUsers": "body ->> '$.status' = 'active'",
            "DeactiveUsers": "body ->> '$.status' <> 'active'",
            "CurrentUser": f"id = '{user(self._me())['id']}'",
        }.get(kind)  # fmt: skip
        if where is None:
            raise errors.refuse("INVALID_DATA", param_name="type")
        where = f"not deleted and {where}" + (" and modified > ?" if changed is not None else "")
        page, per_page = window(call)
        values = [changed] if changed is not None else []
        found = self.store.select("users", where, values, limit=per_page + 1, offset=(page - 1) * per_page)
        if not found:
            return nothing(call)
        bodies = [record.body for record in found[:per_page]]
        info = {"per_page": per_page, "count": len(bodies), "page": page, "more_records": len(found) > per_page}
        return answer({"users": bodies, "info": info})

    def read(self, call: Call) -> Response:
        """Answers one user."""
        record = self.store.get("users", call.params["id"])
        return answer({"users": [record.body]}) if record else nothing(call)

    def update(self, call: Call) -> Response:
        """Changes the users named by their ids, or the one named in the path; 200, or 400 where the only one fails."""
        self.org.version(call)
        given, most = call.object(errors.bad_body).get("users"), 1 if "id" in call.params else MOST
        if not isinstance(given, list) or not given:
            raise errors.refuse("MANDATORY_NOT_FOUND", api_name="users", json_path="$.users")
        if len(given) > most:
            raise errors.refuse("INVALID_DATA", maximum_length=most, api_name="users", json_path="$.users")
        outcomes = [self._outcome(call, row, f"$.users[{place}]") for place, row in enumerate(given)]
        has_failed = [outcome["status"] == "error" for outcome in outcomes]
        status = self.org.crm.switches["mixed_status"] if any(has_failed) else 200
        return answer({"users": outcomes}, 400 if all(has_failed) else status)

    def _outcome(self, call: Call, row: Any, place: str) -> Body:
        try:
            record = self._named(call, row, place)
            self._change(record, row, place)
        except RowError as refused:
            return refused.body
        return {"code": "SUCCESS", "details": {"id": record.id}, "message": "User updated", "status": "success"}

    def _named(self, call: Call, row: Any, place: str) -> Record:
        if not isinstance(row, dict):
            raise RowError("INVALID_DATA", expected_data_type="jsonobject", json_path=place)
        id = call.params.get("id") or row.get("id")
        if not id:
            raise RowError("MANDATORY_NOT_FOUND", api_name="id", json_path=f"{place}.id")
        record, at = self.store.get("users", str(id)), {"api_name": "id", "json_path": f"{place}.id"}
        if record is None:
            raise RowError("INVALID_DATA", "the id given seems to be invalid", **at)
        if record.deleted or record.body["status"] in ("closed", "deleted"):
            raise RowError("NOT_ALLOWED", "You can't perform this action over a closed/deleted user", **at)
        return record

    def _change(self, record: Record, row: Body, place: str) -> None:
        for name in REFUSED:
            if name in row:
                raise RowError("NOT_ALLOWED", "not emulated", api_name=name, json_path=f"{place}.{name}")
        changes = {field.name: put_down(field, row[field.name], place) for field in WRITTEN if field.name in row}
        if email := changes.get("email"):
            self._keep_unique(record, email, place)
        whole = {"first_name": None, "last_name": None} | record.body | changes
        self.org.crm.edit(record, changes | {"full_name": seeding.whole(whole["first_name"], whole["last_name"])})

    def _keep_unique(self, record: Record, email: str, place: str) -> None:
        for twin in self.store.select(
            "users", "lower(body ->> '$.email') = ? and id <> ?", [email, record.id], limit=1
        ):
            raise RowError("DUPLICATE_DATA", api_name="email", json_path=f"{place}.email", id=twin.id)

    def _me(self) -> Record:
        return self.store.select("users", limit=1)[0]
