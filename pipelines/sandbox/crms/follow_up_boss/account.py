"""What an account is: its users, stages, pipelines, custom fields, who the key belongs to, and what is left of limits.

Source: fact sheet 4.1, 4.2, 4.4. UNVERIFIED: the bodies of /v1/rateLimit/*, and what /v1/me has beyond a user.
"""

from __future__ import annotations

from starlette.responses import Response

from pipelines.sandbox import clock
from pipelines.sandbox.crms.follow_up_boss import errors, lists, schema
from pipelines.sandbox.store import Body
from pipelines.sandbox.wire import Call, Route, answer

ACCOUNT, OWNER, AGENT = 1_000_777, 1, 2


class Account:
    """The set-up of one account; it cannot be changed through this API here."""

    def __init__(self, collections: lists.Lists) -> None:
        self.lists = collections
        self.crm = collections.crm

    def routes(self) -> list[Route]:
        """Returns the routes."""
        collections: dict[str, list[Body]] = {
            "stages": [{"id": id, "name": name, "orderWeight": id * 1000} for name, id in schema.STAGE_IDS.items()],
            "pipelines": [_pipeline(id) for id in schema.PIPELINES],
            "customFields": _fields(schema.PEOPLE_CUSTOM, 1),
            "dealCustomFields": _fields(schema.DEAL_CUSTOM, 101),
        }
        routes = []
        for name, bodies in collections.items():
            routes += _collection(name, bodies)
        return [
            *routes,
            Route("GET", "/v1/users", lambda call: self.lists.page(call, "users")),
            Route("GET", "/v1/users/{id}", self.user),
            Route("GET", "/v1/me", self.me),
            Route("GET", "/v1/identity", self.identity),
        ]

    def user(self, call: Call) -> Response:
        """Answers one user."""
        record = self.crm.store.get("users", call.params["id"])
        if record is None:
            raise errors.not_found()
        return answer(record.body)

    def me(self, call: Call) -> Response:
        """Answers the user whose key it is."""
        return answer(self._caller(call))

    def identity(self, call: Call) -> Response:
        """Answers account and user."""
        user = self._caller(call)
        owner = {"name": user["name"], "email": user["email"]}
        account = {"id": ACCOUNT, "domain": "northgate", "name": "Northgate Homes", "owner": owner}
        named = {name: user[name] for name in ("id", "name", "email", "role")}
        return answer({"account": account, "user": named | {"isOwner": user["id"] == OWNER}})

    def _caller(self, call: Call) -> Body:
        record = self.crm.store.get("users", call.memo.get("agent") or OWNER)
        if record is None:
            raise errors.not_found()
        return record.body


def _collection(name: str, bodies: list[Body]) -> list[Route]:
    def one(call: Call) -> Response:
        for body in bodies:
            if str(body["id"]) == call.params["id"]:
                return answer(body)
        raise errors.not_found()

    return [
        Route("GET", f"/v1/{name}", lambda call: lists.whole(call, name, bodies)),
        Route("GET", f"/v1/{name}/{{id}}", one),
    ]


def _pipeline(id: int) -> Body:
    stages = [
        {"id": stage.id, "name": stage.name, "orderWeight": stage.id * 1000}
        for stage in schema.DEAL_STAGE_LIST
        if stage.pipeline == id
    ]
    return {"id": id, "name": schema.PIPELINES[id], "orderWeight": id * 1000, "stages": stages}


def _fields(fields: tuple[schema.Custom, ...], first: int) -> list[Body]:
    return [
        {
            "id": id, "created": clock.iso_seconds(1_577_836_800), "label": field.label, "name": field.name,
            "type": field.kind, "choices": list(field.choices), "orderWeight": id * 1000, "hideIfEmpty": False,
            "readOnly": False,
        }
        for id, field in enumerate(fields, first)
    ]  # fmt: skip
