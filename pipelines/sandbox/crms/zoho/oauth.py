"""The accounts host: `POST /oauth/v2/token`, whose errors are HTTP 200 (fact sheet 3.1).

UNVERIFIED, chosen here: `{"error": "unsupported_grant_type"}` for other grants; that a refresh token is never renewed;
`/oauth/v2/token/revoke` withdraws every access token. The throttle (ten access tokens in ten minutes for one refresh
token, quoted by a third party) holds when limits are enforced.
"""

from __future__ import annotations

from starlette.responses import Response

from pipelines.sandbox.crm import Crm
from pipelines.sandbox.limits import Limit, Limiter
from pipelines.sandbox.wire import Call, Route, answer

CLIENT_ID = "1000.SANDBOXCLIENT"
CLIENT_SECRET = "zoho-sandbox-secret"
REFRESH_TOKEN = "1000.sandbox.refresh"
CODE = "1000.sandbox.code"
SCOPE = "ZohoCRM.modules.ALL ZohoCRM.users.READ ZohoCRM.settings.READ ZohoCRM.coql.READ"
THROTTLED = {
    "error": "Access Denied",
    "error_description": "You have made too many requests continuously. Please try again after some time.",
    "status": "failure",
}


class Accounts:
    """The accounts host of one organisation."""

    def __init__(self, crm: Crm) -> None:
        self.crm = crm
        self.limiter = Limiter((Limit(10, 600.0, name="access tokens"),))

    def routes(self) -> list[Route]:
        """Returns the routes, all of them public."""
        return [
            Route("POST", "/oauth/v2/token", self.token, public=True),
            Route("POST", "/oauth/v2/token/revoke", self.revoke, public=True),
        ]

    def token(self, call: Call) -> Response:
        """Answers parameters from the form or the query with an access token for one hour."""
        given = call.query | call.form()
        grant = given.get("grant_type", "")
        proofs = {
            "refresh_token": given.get("refresh_token") == REFRESH_TOKEN,
            "authorization_code": given.get("code") == CODE,
            "client_credentials": "soid" in given,
        }
        if (given.get("client_id"), given.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return answer({"error": "invalid_client"})
        if grant not in proofs:
            return answer({"error": "unsupported_grant_type"})
        if not proofs[grant]:
            return answer({"error": "invalid_code"})
        if self.crm.is_limited and self.limiter.exceeded(grant, "POST", call.path):
            return answer(THROTTLED, 400)
        lifetime = self.crm.switches["token_seconds"]
        issued = {"access_token": f"1000.{self.crm.tokens.issue('organisation', lifetime)}"}
        once = {"refresh_token": REFRESH_TOKEN} if grant == "authorization_code" else {}
        centre = self.crm.switches["data_centre"]
        domain = f"{call.origin}/{centre}" if centre else call.origin
        about = {"scope": SCOPE, "api_domain": domain, "token_type": "Bearer", "expires_in": lifetime}
        return answer(issued | once | about)

    def revoke(self, call: Call) -> Response:  # noqa: ARG002
        """Withdraws every access token."""
        self.crm.tokens.withdraw_all()
        return answer({"status": "success"})
