"""The token endpoint.

Source: fact sheet 2.1. Grants: client_credentials (the pair as HTTP Basic or in the form), refresh_token, password,
authorization_code. Not emulated: the JWT bearer grant, the SOAP login. Answers say no `expires_in`; how long a session
holds is a setting of the organisation.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from urllib.parse import urlsplit

from starlette.responses import Response

from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.salesforce.ids import ORGANISATION, record_id
from pipelines.sandbox.wire import Call, Route, answer

CLIENT_ID = "salesforce-sandbox-client"
CLIENT_SECRET = "salesforce-sandbox-secret"
REFRESH_TOKEN = "salesforce-sandbox-refresh-token"
USERNAME = "integration@sandbox.example.com"
PASSWORD = "salesforce-sandbox-password"
CODE = "salesforce-sandbox-code"
CLIENT = "app"


class Login:
    """The token endpoint of one organisation."""

    def __init__(self, crm: Crm) -> None:
        self.crm = crm

    def routes(self) -> list[Route]:
        """Returns the routes, which need no token."""
        return [
            Route("POST", "/services/oauth2/token", self.token, public=True),
            Route("POST", "/services/oauth2/revoke", self.revoke, public=True),
        ]

    def token(self, call: Call) -> Response:
        """Answers a form with a session; its address is the one the caller used."""
        given = _basic(call) | call.form()
        kind = given.get("grant_type", "")
        grants = {
            "client_credentials": True,
            "refresh_token": given.get("refresh_token") == REFRESH_TOKEN,
            "password": (given.get("username"), given.get("password")) == (USERNAME, PASSWORD),
            "authorization_code": given.get("code") == CODE,
        }
        if kind not in grants:
            return _refused("unsupported_grant_type", "grant type not supported")
        if given.get("client_id") != CLIENT_ID:
            return _refused("invalid_client_id", "client identifier invalid")
        # a refresh may leave the secret out, a wrong one is refused all the same
        if given.get("client_secret", CLIENT_SECRET if kind == "refresh_token" else "") != CLIENT_SECRET:
            return _refused("invalid_client", "invalid client credentials")
        if not grants[kind]:
            return _refused("invalid_grant", "authentication failure")
        has_refresh = kind == "authorization_code"
        return answer(self._granted(call) | ({"refresh_token": REFRESH_TOKEN} if has_refresh else {}))

    def _granted(self, call: Call) -> dict[str, str]:
        issued = self.crm.tokens.issue(CLIENT, self.crm.switches["session_seconds"])
        who = f"https://login.salesforce.com/id/{ORGANISATION}/{record_id('005', 1)}"
        at = str(int(self.crm.clock.now() * 1000))
        signature = base64.b64encode(hashlib.sha256(f"{who}{at}".encode()).digest()).decode()
        return {
            "access_token": f"{ORGANISATION[:15]}!{issued}", "signature": signature, "scope": "api refresh_token",
            "instance_url": call.origin, "id": who, "token_type": "Bearer", "issued_at": at,
        }  # fmt: skip

    def revoke(self, call: Call) -> Response:
        """Takes sessions back; which ones exactly is UNVERIFIED."""
        if session_of(call.form().get("token", "")):
            self.crm.tokens.withdraw_all()
        return answer(None, 200)


def session_of(token: str) -> str:
    """Returns what stands behind the organisation's id in a token."""
    organisation, _, session = token.partition("!")
    return session if organisation == ORGANISATION[:15] else ""


def mount_of(call: Call) -> str:
    """Returns what stands before the paths of this CRM: nothing where it is served alone."""
    return urlsplit(call.origin).path


def _basic(call: Call) -> dict[str, str]:
    try:
        name, _, secret = base64.b64decode(call.bearer("Basic")).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return {}
    return {"client_id": name, "client_secret": secret} if name else {}


def _refused(code: str, description: str) -> Response:
    return answer({"error": code, "error_description": description}, 400)
