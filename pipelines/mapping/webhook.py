"""The block `webhook`: how a CRM's own webhooks are proven, and what they tell."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pipelines.mapping.words import Path, Seconds, Strict


class AccountOf(Strict):
    """The call that tells which account of the CRM a login belongs to."""

    path: str
    at: Path = Field(description="Where the answer holds the account's id")


class Webhook(Strict):
    """How the CRM's own webhooks are proven and read.

    A body holds one event, or a list of them (`each`). An event points to records (`record_ids`: they are fetched from
    the CRM, so that what arrives late or twice does no harm), or carries one (`record`).
    """

    scheme: str = Field(description="A registered signature scheme")
    secret: str | None = Field(None, description="What proves the sender; without it every call is refused")
    signature_header: str | None = Field(None, description="Header that holds the signature")
    timestamp_header: str | None = Field(None, description="Header with the moment that is signed, in milliseconds")
    tolerance: Seconds = Field(300, description="Seconds that a signed moment may be away from now")
    proof: Path | None = Field(None, description="Where the body holds what proves it: a token, or the account's id")
    each: Path | None = Field(None, description="The list of events; $: the body is the list")
    event: Path | None = Field(None, description="Where an event says what it is about, for `entity` and `ignore`")
    event_id: Path | list[Path] | None = Field(
        None, description="What two deliveries of one event share; a list: all of them together"
    )
    occurred_at: Path | None = Field(None, description="When it happened; without it the order of arrival holds")
    entity: str | list[str] | dict[str, str] | None = Field(
        None, description="The entity, or several that one record holds; or, by how `event` begins, the entity"
    )
    ignore: list[str] = Field(default_factory=list, description="What begins so is none of ours")
    record_ids: Path | list[Path] | None = Field(None, description="Pointer: ids to fetch; each place may hold a list")
    record: Path | None = Field(None, description="Payload: where the record is; $: the event is the record")
    account: Path | None = Field(None, description="Whose an event is, where one address serves many accounts")
    account_of: AccountOf | None = Field(None, description="How a connection's account is known; needs `account`")
    deleted_when: dict[Path, list[Any]] | None = Field(None, description="The event says that the record is gone")

    @property
    def entities(self) -> list[str]:
        """Every entity that an event may be about."""
        named = self.entity
        if isinstance(named, dict):
            return list(dict.fromkeys(named.values()))
        return named if isinstance(named, list) else [named] if named else []
