"""Emulated CRMs in this process and in memory, clients that have logged in to them, and what several tests ask them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx

from pipelines.sandbox.inside import HttpxTransport
from pipelines.sandbox.server import Sandbox, app

Given = Mapping[str, str]
BASES = {
    "brivity": "/v1", "brivity_core": "/api", "external": "/api", "follow_up_boss": "/v1", "hubspot": "",
    "kvcore": "/v2/public", "mri_vault": "/api", "salesforce": "", "topproducer": "/v2", "vaultre": "/api/v1.3",
    "zoho": "/crm/v8",
}  # fmt: skip
HUBSPOT_OBJECTS = "/crm/v3/objects"


def emulated(crm: str, people: int) -> Sandbox:
    """One CRM of an office that knows so many people."""
    return app(None, [crm], size=people)


def stranger(sandbox: Sandbox, crm: str) -> httpx.Client:
    """A client that has not logged in."""
    return httpx.Client(transport=HttpxTransport(sandbox), base_url=f"http://sandbox/{crm}{BASES[crm]}")


def client(sandbox: Sandbox, crm: str) -> httpx.Client:
    """A client that has logged in as the CRM's documentation says."""
    made = stranger(sandbox, crm)
    log_in(made, sandbox, crm)
    return made


def log_in(made: httpx.Client, sandbox: Sandbox, crm: str) -> None:
    """Logs in, for the first time or again."""
    LOGINS[crm](made, sandbox.crm(crm).environment(f"http://sandbox/{crm}"))


def granted(
    made: httpx.Client, given: Given, path: str, prefix: str, scheme: str = "Bearer", *, is_json: bool = False,
    proof: Given | None = None,
) -> None:  # fmt: skip
    """Puts a fresh token into the client's headers; asked for in a form, or in JSON."""
    asked = {"grant_type": "client_credentials", **(proof or {})}
    asked |= {"client_id": given[f"{prefix}_CLIENT_ID"], "client_secret": given[f"{prefix}_CLIENT_SECRET"]}
    answer = made.post(path, json=asked) if is_json else made.post(path, data=asked)
    made.headers["Authorization"] = f"{scheme} {answer.raise_for_status().json()['access_token']}"


def _with_key(name: str, **more: str) -> Callable[[httpx.Client, Given], None]:
    """Logs in with a bearer; `more`: other headers, by the name of what they carry."""

    def log_in(made: httpx.Client, given: Given) -> None:
        made.headers["Authorization"] = f"Bearer {given[name]}"
        made.headers.update({header: given.get(value, value) for header, value in more.items()})

    return log_in


def _to_follow_up_boss(made: httpx.Client, given: Given) -> None:
    made.auth = httpx.BasicAuth(given["FOLLOW_UP_BOSS_API_KEY"], "")
    made.headers.update({
        "X-System": given["FOLLOW_UP_BOSS_SYSTEM"], "X-System-Key": given["FOLLOW_UP_BOSS_SYSTEM_KEY"],
    })  # fmt: skip


def _to_brivity_core(made: httpx.Client, given: Given) -> None:
    made.headers["Authorization"] = f"Token token={given['BRIVITY_CORE_API_KEY']}"


def _to_zoho(made: httpx.Client, given: Given) -> None:
    proof = {"grant_type": "refresh_token", "refresh_token": given["ZOHO_REFRESH_TOKEN"]}
    granted(made, given, "http://sandbox/zoho/oauth/v2/token", "ZOHO", "Zoho-oauthtoken", proof=proof)


LOGINS: dict[str, Callable[[httpx.Client, Given], None]] = {
    "brivity": lambda made, given: granted(made, given, "auth/oauth/token", "BRIVITY"),
    "brivity_core": _to_brivity_core,
    "external": _with_key("EXTERNAL_CRM_API_KEY"),
    "follow_up_boss": _to_follow_up_boss,
    "hubspot": _with_key("HUBSPOT_ACCESS_TOKEN"),
    "kvcore": _with_key("KVCORE_API_TOKEN", **{"Content-Type": "application/json"}),
    "mri_vault": _with_key("MRI_VAULT_API_KEY"),
    "salesforce": lambda made, given: granted(made, given, "services/oauth2/token", "SALESFORCE"),
    "topproducer": lambda made, given: granted(
        made, given, "authentication/oauth/authorize", "TOPPRODUCER", is_json=True
    ),
    "vaultre": _with_key("VAULTRE_ACCESS_TOKEN", **{"X-Api-Key": "VAULTRE_API_KEY"}),
    "zoho": _to_zoho,
}


def hubspot_filters(*given: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The body of a search with one group."""
    return {"filterGroups": [{"filters": list(given)}], **more}


def hubspot_search(made: httpx.Client, kind: str, body: dict[str, Any]) -> Any:
    """The answer of a search."""
    return made.post(f"{HUBSPOT_OBJECTS}/{kind}/search", json=body).raise_for_status().json()


def hubspot_list(made: httpx.Client, kind: str, **params: str) -> list[Any]:
    """Follows `paging.next.link` until the key is absent."""
    page = made.get(f"{HUBSPOT_OBJECTS}/{kind}", params={"limit": "100", **params}).json()
    found = page["results"]
    while "paging" in page:
        page = made.get(page["paging"]["next"]["link"]).json()
        found += page["results"]
    return list(found)


def hubspot_create(made: httpx.Client, path: str = f"{HUBSPOT_OBJECTS}/contacts", **properties: Any) -> Any:
    """A new record, as it is answered."""
    return made.post(path, json={"properties": properties}).raise_for_status().json()


def hubspot_read(made: httpx.Client, id: str, *properties: str) -> Any:
    """A contact with these properties."""
    return made.get(f"{HUBSPOT_OBJECTS}/contacts/{id}", params={"properties": ",".join(properties)}).json()


def kvcore_rows(made: httpx.Client, path: str = "contacts", query: str = "") -> list[dict[str, Any]]:
    """All pages by number; `query` is written out, for brackets matter."""
    found: list[dict[str, Any]] = []
    for page in range(1, 100):
        body = made.get(f"{path}?limit=500&page={page}&{query}").raise_for_status().json()
        found += body["data"]
        if page >= body["last_page"]:
            return found
    raise AssertionError("there is no end of pages")


def salesforce_held(sandbox: Sandbox, entity: str, where: str = "not deleted") -> list[dict[str, Any]]:
    """Bodies of what Salesforce holds."""
    return [record.body for record in sandbox.crm("salesforce").store.select(entity, where)]


def zoho_pages(made: httpx.Client, module: str = "Contacts", **given: Any) -> list[dict[str, Any]]:
    """All pages by token."""
    asked, found = {"fields": "id", **given}, list[dict[str, Any]]()
    answered = made.get(module, params=asked)
    while answered.status_code == 200:
        body = answered.json()
        found += body["data"]
        if not body["info"]["more_records"]:
            return found
        answered = made.get(module, params=asked | {"page_token": body["info"]["next_page_token"]})
    assert answered.status_code == 204, answered.text
    return found


def zoho_refusal(answered: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal, which must have the shape of fact sheet 3.6."""
    assert set(answered.json()) == {"code", "details", "message", "status"}
    assert answered.json()["status"] == "error"
    return answered.status_code, answered.json()["code"]
