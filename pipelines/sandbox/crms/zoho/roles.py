"""Who belongs to a deal, and as what: `/Deals/{id}/Contact_Roles` and the list of roles (fact sheet 3.3).

UNVERIFIED, chosen here: a new relation moves the deal's time of change; the main contact of `Contact_Name` is in the
list with a role of its own; `fields` may be left out; the messages of the outcomes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from pipelines.sandbox.crms.zoho import errors, schema
from pipelines.sandbox.crms.zoho.errors import RowError
from pipelines.sandbox.crms.zoho.org import Org, fields_of, nothing, shown, window
from pipelines.sandbox.store import Record
from pipelines.sandbox.wire import Call, Route, answer

DEALS = schema.MODULES["Deals"]


class Roles:
    """The contacts of deals."""

    def __init__(self, org: Org) -> None:
        self.org = org

    def routes(self) -> list[Route]:
        """Returns the routes."""
        path = "/crm/{version}/Deals/{id}/Contact_Roles"
        return [
            Route("GET", "/crm/{version}/Contacts/roles", self.roles),
            Route("GET", path, self.contacts),
            Route("PUT", path, self.relate),
            Route("PUT", f"{path}/{{contact}}", self.relate),
            Route("DELETE", path, self.part),
            Route("DELETE", f"{path}/{{contact}}", self.part),
        ]

    def roles(self, call: Call) -> Response:
        """Answers the roles there are."""
        self.org.version(call)
        rows = [{"id": id, "name": name, "sequence_number": place}
                for place, (id, name) in enumerate(schema.ROLES.items(), 1)]  # fmt: skip
        return answer({"contact_roles": rows})

    def contacts(self, call: Call) -> Response:
        """Answers the contacts of a deal, each with its role."""
        deal = self._deal(call)
        page, per_page = window(call)
        fields = fields_of(call, is_mandatory=False) or ["Full_Name", "First_Name", "Last_Name", "Email", "Phone"]
        related = list(deal.body.get("_roles", {}).items())
        rows = []
        for id, role in related[(page - 1) * per_page : page * per_page]:
            if (contact := self.org.crm.store.get("Contacts", id)) and not contact.deleted:
                rows.append(shown(contact, fields) | {"Contact_Role": {"name": schema.ROLES[role], "id": role}})
        if not rows:
            return nothing(call)
        more = len(related) > page * per_page
        info = {"per_page": per_page, "count": len(rows), "page": page, "more_records": more}
        return answer({"data": rows, "info": info})

    def relate(self, call: Call) -> Response:
        """Puts contacts to a deal, or gives them another role."""
        deal, given = self._deal(call), call.object(errors.bad_body).get("data")
        if not isinstance(given, list) or not all(isinstance(row, dict) for row in given) or not given:
            raise errors.refuse("MANDATORY_NOT_FOUND", api_name="data", json_path="$.data")
        roles = deal.body.setdefault("_roles", {})
        rows = [(call.params.get("contact") or str(row.get("id")), row.get("Contact_Role")) for row in given]

        def one(id: str, role: Any) -> str:
            contact = self.org.crm.store.get("Contacts", id)
            if contact is None or contact.deleted:
                raise RowError("INVALID_DATA", "the id given seems to be invalid", api_name="id", id=id)
            roles[id] = _role(role)
            return "relation added"

        return self._each(deal, rows, one)

    def part(self, call: Call) -> Response:
        """Takes contacts from a deal."""
        deal = self._deal(call)
        ids = [call.params["contact"]] if "contact" in call.params else call.query.get("ids", "").split(",")
        roles = deal.body.setdefault("_roles", {})

        def one(id: str, _role: Any) -> str:
            if roles.pop(id, None) is None:
                raise RowError("INVALID_DATA", "the id given seems to be invalid", api_name="id", id=id)
            return "relation removed"

        return self._each(deal, [(id, None) for id in ids], one)

    def _each(self, deal: Record, rows: list[tuple[str, Any]], one: Callable[[str, Any], str]) -> Response:
        outcomes: list[dict[str, Any]] = []
        for id, role in rows:
            try:
                message = one(id, role)
                outcomes.append({"code": "SUCCESS", "details": {"id": id}, "message": message, "status": "success"})
            except RowError as refused:
                outcomes.append(refused.body)
        failed = sum(outcome["status"] == "error" for outcome in outcomes)
        if failed < len(outcomes):
            self.org.crm.touch(deal)
        mixed = 400 if len(outcomes) == 1 else self.org.crm.switches["mixed_status"]
        return answer({"data": outcomes}, mixed if failed else 200)

    def _deal(self, call: Call) -> Record:
        self.org.version(call)
        deal = self.org.find(DEALS, call.params["id"], call)
        if deal is None:
            raise errors.refuse("INVALID_DATA", 400, "the id given seems to be invalid", resource_path_index=1)
        return deal


def _role(given: Any) -> str:
    """Finds a role by its id or its name."""
    if isinstance(given, dict):
        if str(given.get("id")) in schema.ROLES:
            return str(given["id"])
        for id, name in schema.ROLES.items():
            if given.get("name") == name:
                return id
    raise RowError("INVALID_DATA", api_name="Contact_Role", expected_data_type="jsonobject")
