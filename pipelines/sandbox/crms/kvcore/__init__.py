"""kvCORE / BoldTrail, Public API V2: contacts, users, offices, teams, transactions, manual listings.

Source: fact sheet kvcore 4.1 to 4.5 (a transcript of the vendor's specification, vendor pages, clients that met the
live service). Each module says what is UNVERIFIED in it. Not emulated: OAuth, webhooks, `/superaccount/*`. UNVERIFIED
and chosen here: a call without `Content-Type: application/json` is 400; a token whose scope does not reach is 403;
there is no limit of calls, for none is documented.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from starlette.responses import Response

from pipelines.sandbox.crm import Crm
from pipelines.sandbox.crms.kvcore import lists, records
from pipelines.sandbox.crms.kvcore.contacts import Contacts
from pipelines.sandbox.crms.kvcore.office import Office
from pipelines.sandbox.limits import Exceeded
from pipelines.sandbox.store import Record
from pipelines.sandbox.wire import Call, Refused, Route
from pipelines.sandbox.world import World

SCOPES = {"All": ("contact", "user", "transaction", "manuallisting", "office", "team"), "Contacts": ("contact",),
          "Users": ("user",)}  # fmt: skip


def _token() -> str:
    """Returns something shaped as the tokens are, a JWT; nothing in it is checked."""
    parts = ('{"typ":"JWT","alg":"HS256"}', '{"sub":"sandbox","scope":"All"}', "sandbox signature")
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


class Emulator(Crm):
    """One kvCORE account.

    Settings: `scope` of the token, "All", "Contacts" or "Users"; `refuse_repeats`, an identical POST of a contact is
    refused as already received; `nameless_every`, of each so-manieth contact the list lacks the names, 0 for none;
    `phone_as_integer`; `show_updated_at`, contacts show their time of change; `note_after`, seconds until a new contact
    takes a note; `honour_per_page`; `links_keep_query`; `newest_first`, lists by time of change;
    `transactions_updated_filter`; `delete_archives`, a user's deletion is the status Archived rather than the end.
    """

    name = "kvcore"
    settings: ClassVar[Mapping[str, Any]] = {
        "scope": "All", "refuse_repeats": False, "nameless_every": 25, "phone_as_integer": False,
        "show_updated_at": False, "note_after": 0, "honour_per_page": False, "links_keep_query": False,
        "newest_first": False, "transactions_updated_filter": False, "delete_archives": False,
    }  # fmt: skip
    editable: ClassVar[Mapping[str, str]] = {"contacts": "lastname", "transactions": "name"}
    token = _token()

    def __init__(self, world: World, path: Path | None = None) -> None:
        super().__init__(world, path)
        self.store.connection.execute(
            "create index if not exists records_by_email on records (entity, lower(body ->> '$.email'))"
        )

    def routes(self) -> list[Route]:
        """Returns the routes of all parts of the API."""
        return [*Contacts(self).routes(), *Office(self).routes()]

    def environment(self, url: str) -> dict[str, str]:
        """Returns base URL and token."""
        return {"KVCORE_API_BASE_URL": f"{url}/v2/public", "KVCORE_API_TOKEN": self.token}

    def seed(self) -> Iterator[Record]:
        """Yields users, contacts, transactions and manual listings."""
        for record in records.seed(self.copy):
            self.stamp(record)
            yield record

    def stamp(self, record: Record) -> None:
        """Writes the id, and what of a contact follows from the rest; filters compare whole seconds."""
        record.created, record.modified = math.floor(record.created), math.floor(record.modified)
        record.body["id"] = int(record.id)
        if record.entity == "contacts":
            record.body |= records.with_phones(record.body)
            record.body["created"] = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%d %H:%M:%S")

    def user_delete(self, record: Record) -> None:
        """Ends a record, or archives a contact."""
        if self.switches["delete_archives"] and record.entity == "contacts":
            record.body["status"] = records.ARCHIVED
        else:
            record.deleted = True

    def authorize(self, call: Call) -> None:
        """Lets the token pass where its scope reaches; every call must bear a Content-Type, GET included (4.1)."""
        if call.bearer() != self.token:
            raise Refused(lists.refusal(["Authentication Failed"], 401))
        call.client = "account"
        if not call.headers.get("content-type", "").startswith("application/json"):
            raise Refused(lists.refusal(["Content-Type must be application/json"], 400))
        part = call.path.removeprefix("/v2/public/").partition("/")[0].rstrip("s")
        if part not in SCOPES[self.switches["scope"]] and self.router.knows(call.path):
            raise Refused(lists.refusal(["This action is unauthorized."], 403))

    def unknown(self, call: Call) -> Response:
        """Answers 404, or 405 where the path takes other methods."""
        return lists.refusal(["Not found"], 405 if self.router.knows(call.path) else 404)

    def too_many(self, call: Call, wait: float, exceeded: Exceeded | None = None) -> Response:  # noqa: ARG002
        """Answers 429 without any header, for none is documented."""
        return lists.refusal(["Too Many Attempts."], 429)

    def failure(self, status: int) -> Response:
        """Answers a server error."""
        return lists.refusal(["Server Error"], status)
