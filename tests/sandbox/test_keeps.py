"""Whatever clients do to a CRM, it holds what it answered, also after it was closed and opened again."""

from __future__ import annotations

import tempfile
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sandbox.inside import HttpxTransport
from pipelines.sandbox.server import Sandbox, app

CREDENTIALS = {
    "grant_type": "client_credentials",
    "client_id": "brivity-sandbox-client",
    "client_secret": "brivity-sandbox-secret",
}
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
steps = st.lists(
    st.tuples(st.sampled_from(["create", "update", "delete", "lost"]), words, st.integers(0, 30)), max_size=12
)


def client_of(sandbox: Sandbox) -> httpx.Client:
    client = httpx.Client(transport=HttpxTransport(sandbox), base_url="http://sandbox/brivity/v1")
    token = client.post("auth/oauth/token", json=CREDENTIALS).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def held(client: httpx.Client) -> dict[int, dict[str, Any]]:
    return {contact["id"]: contact for contact in client.get("contacts").json()["contacts"]}


def take(sandbox: Sandbox, client: httpx.Client, model: dict[int, dict[str, Any]], step: tuple[str, str, int]) -> None:
    """Does one thing to the CRM and to the model of it."""
    kind, word, at = step
    id = sorted(model)[at % len(model)] if model else 0
    if kind == "create":
        answer = client.post("contacts", json={"last_name": f"x{word}"})
        model[answer.json()["id"]] = answer.json()
    elif kind == "update" and id:
        model[id] = client.put(f"contacts/{id}", json={"company": word}).json()
    elif kind == "delete" and id:
        client.delete(f"contacts/{id}")
        del model[id]
    elif kind == "lost":
        sandbox.crm("brivity").faults.add("lost_error", count=1)
        client.post("contacts", json={"last_name": f"y{word}"})
        model |= {new: body for new, body in held(client).items() if new not in model}


@given(steps)
@settings(max_examples=25)
def test_what_was_answered_is_held_and_kept(steps: list[tuple[str, str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sandbox = app(folder, ["brivity"], size=10)
        client = client_of(sandbox)
        model = held(client)
        for step in steps:
            take(sandbox, client, model, step)
        assert held(client) == model
        sandbox.crm("brivity").store.close()
        assert held(client_of(app(folder, ["brivity"]))) == model


def test_pages_move_while_being_read() -> None:
    """The trap of offsets: what is deleted on a page already read hides a record of the next."""
    sandbox = app(None, ["brivity"], size=300)
    client = client_of(sandbox)
    everybody = {r.id for r in sandbox.crm("brivity").store.select("contacts")}
    sandbox.crm("brivity").faults.add("remove", path="/v1/contacts", after=0, count=1, records=6, seed=3)
    pages = [client.get("contacts", params={"offset": at}).json()["contacts"] for at in (0, 100, 200, 300)]
    seen = {str(contact["id"]) for page in pages for contact in page}
    still_there = {r.id for r in sandbox.crm("brivity").store.select("contacts")}
    assert still_there < everybody
    assert still_there - seen, "records that a single reading misses"
