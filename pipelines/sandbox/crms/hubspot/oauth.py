"""OAuth of the portal: the token endpoint in its old and its new place, and what tells about a token.

Source: fact sheet 1.1. Both places take the same form; v3 also introspects and revokes. A static private-app token
needs none of this. UNVERIFIED: the body of a refusal; that refresh tokens neither rotate nor end.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.hubspot.objects import PORTAL
from pipelines.sandbox.wire import Call, Route, answer

CLIENT_ID = "hubspot-sandbox-client"
CLIENT_SECRET = "hubspot-sandbox-secret"
REFRESH_TOKEN = "hubspot-sandbox-refresh-token"
PRIVATE_TOKEN = "pat-na1-00000000-0000-4000-8000-000000000000"
CODE = "hubspot-sandbox-code"
SCOPES = ["oauth", "crm.objects.contacts.read", "crm.objects.contacts.write", "crm.objects.deals.read",
          "crm.objects.deals.write", "crm.objects.owners.read"]  # fmt: skip
APP = "app"


class Login:
    """The token endpoints of one portal; remembers what it issued, to tell an expired token from a wrong one."""

    def __init__(self, crm: Crm) -> None:
        self.crm = crm
        self.ends: dict[str, float] = {}

    def routes(self) -> list[Route]:
        """Returns the routes, all of them public."""
        paths = [
            ("POST", "/oauth/v1/token", self.token),
            ("POST", "/oauth/v3/token", self.token),
            ("POST", "/oauth/v3/token/introspect", self.introspect),
            ("POST", "/oauth/v3/token/revoke", self.revoke),
            ("GET", "/oauth/v1/access-tokens/{token}", self.access_token),
            ("GET", "/oauth/v1/refresh-tokens/{token}", self.refresh_token),
        ]
        return [Route(method, path, handler, public=True) for method, path, handler in paths]

    def token(self, call: Call) -> Response:
        """Answers a form with a grant of 30 minutes; client_credentials come without a refresh token."""
        given = call.form()
        grants = {
            "refresh_token": given.get("refresh_token") == REFRESH_TOKEN,
            "authorization_code": given.get("code") == CODE,
            "client_credentials": True,
        }
        kind = given.get("grant_type", "")
        if kind not in grants:
            return _refused("BAD_GRANT_TYPE", f"unknown grant_type {kind!r}")
        if (given.get("client_id"), given.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return _refused("BAD_CLIENT_ID", "missing or unknown client id or secret")
        if not grants[kind]:
            return _refused(
                "BAD_REFRESH_TOKEN" if kind == "refresh_token" else "BAD_AUTH_CODE", "missing or unknown token"
            )
        lifetime = self.crm.switches["token_seconds"]
        issued = self.crm.tokens.issue(APP, lifetime)
        self.ends[issued] = self.crm.clock.now() + lifetime
        renewed = {} if kind == "client_credentials" else {"refresh_token": REFRESH_TOKEN}
        granted = {"access_token": issued, "expires_in": lifetime, "token_type": "bearer"}
        return answer(granted | renewed | {"token_use": "access_token", "hub_id": PORTAL, "scopes": SCOPES})

    def introspect(self, call: Call) -> Response:
        """Says whether a token holds."""
        given = call.form().get("token", "")
        return answer({"active": self._holds(given)} | (self._about(given) if self._holds(given) else {}))

    def revoke(self, call: Call) -> Response:
        """Takes every token back; what exactly the service withdraws is UNVERIFIED."""
        if self._holds(call.form().get("token", "")):
            self.crm.tokens.withdraw_all()
        return answer(None, 204)

    def access_token(self, call: Call) -> Response:
        """Tells about an access token."""
        given = call.params["token"]
        return answer(self._about(given)) if self._holds(given) else _refused("NOT_FOUND", "unknown token", 404)

    def refresh_token(self, call: Call) -> Response:
        """Tells about the refresh token."""
        if call.params["token"] != REFRESH_TOKEN:
            return _refused("NOT_FOUND", "unknown token", 404)
        about = {"token": REFRESH_TOKEN, "client_id": CLIENT_ID, "hub_id": PORTAL, "user_id": 329001}
        return answer(about | {"token_type": "refresh", "scopes": SCOPES})

    def _holds(self, token: str) -> bool:
        return self.crm.tokens.grant(token) is not None

    def _about(self, token: str) -> dict[str, Any]:
        left = int(self.ends.get(token, 0) - self.crm.clock.now())
        return {
            "token": token, "app_id": 555, "hub_id": PORTAL, "user_id": 329001, "token_type": "access",
            "expires_in": left, "scopes": SCOPES, "hub_domain": "sandbox.example.com",
        }  # fmt: skip


def _refused(status: str, message: str, code: int = 400) -> Response:
    return answer({"status": status, "message": message}, code)
