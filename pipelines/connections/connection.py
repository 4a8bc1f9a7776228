"""A connection: a mapping, an owner, credentials and settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from pipelines.connections.owner import Owner
from pipelines.mapping import language


class Settings(language.Strict):
    """What `[connections.<name>]` of `.dlt/config.toml`, the command line or the service may set."""

    mapping: str | None = Field(None, description="Mapping to use; default: the connection's own name")
    owner: str | None = None
    entities: list[str] | None = Field(None, description="Only these; default: all the mapping has")
    direction: Literal["pull", "push", "both"] = "both"
    push: Literal["plan", "apply", "off"] | None = Field(None, description="Default: plan; apply in the sandbox")
    create: str | None = Field(None, description="Overrides the mapping's create policy")
    deletions: Literal["unlink", "pass_on"] = Field(
        "unlink", description="pass_on: what is deleted in another CRM is deleted (archived) in this one too"
    )
    paused: bool = Field(False, description="Nothing is pushed while true")
    never_sync: list[str] = Field(default_factory=list, description="Source ids that are never written")
    max_changed_share: float = Field(0.2, gt=0, le=1, description="Guard (L10): share of records a push may change")
    max_creates: int = Field(100, ge=0, description="Guard (L10): records a push may create")
    max_deletions: int = Field(20, ge=0, description="Guard (L10): records a push may delete")
    min_source_share: float = Field(0.5, ge=0, le=1, description="Guard (L10): a source smaller than this stops")
    schedule: str | None = None


@dataclass(frozen=True)
class Connection:
    """One connection, ready to use.

    `mapping` is as written (its text is what fingerprints are made of); `wire` is its connection block with every
    `${...}` filled in, and is kept out of the representation because it holds secrets.
    """

    name: str
    owner: Owner
    mapping: language.Mapping
    settings: Settings
    is_sandbox: bool
    wire: language.Connection = field(repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    webhook_secret: str | None = field(default=None, repr=False)

    @property
    def entities(self) -> dict[str, language.Entity]:
        """The entities that this connection syncs."""
        wanted = self.settings.entities
        return {k: v for k, v in self.mapping.entities.items() if wanted is None or k in wanted}
