"""The mapping language: what `mappings/<crm>.yml` may say, and what it means.

One file describes one CRM. Short forms (`first_name: FirstName`) are expanded on loading, so that the rest of the
project sees one shape. A path is dotted, as in `Emails.0.Address`; a number is a list position.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pipelines.mapping.calls import EXTERNAL_ID, Batch, Beside, Find, Link, LookUp, OwnFields, Request, Upsert, Word
from pipelines.mapping.field_mapping import FieldMapping
from pipelines.mapping.view import View, ViewColumn
from pipelines.mapping.webhook import Webhook
from pipelines.mapping.words import Choice, FirstOf, Path, Seconds, Strict, as_text, places

__all__ = [
    "EXTERNAL_ID", "Batch", "Beside", "Choice", "Connection", "Deleted", "Entity", "Extract", "FieldMapping", "Find",
    "FirstOf", "Incremental", "Instead", "Limit", "Link", "LookUp", "Mapping", "OwnFields", "Path", "Push", "Request",
    "Seconds", "Strict", "Upsert", "View", "ViewColumn", "Webhook", "Windows", "Word", "as_text", "places",
]  # fmt: skip


class Limit(Strict):
    """At most `requests` calls in any `seconds` seconds."""

    requests: int = Field(gt=0)
    seconds: Seconds
    match: str | None = Field(
        None, description="Only calls whose 'METHOD path' matches this regular expression; without it all calls"
    )
    reserve: float = Field(0.0, ge=0, lt=1, description="Share of the window left to people and other programs")


class Instead(Strict):
    """Another mapping that is used where the address that was given is of this form."""

    address: str = Field(
        description="Regular expression that the whole address fits; its group `base` ends where the CRM's paths begin"
    )
    mapping: str = Field(description="Name of the mapping that is used then; what is below replaces its own")
    auth: dict[str, Any] = Field(description="The login with what was given; see `auth`")


class Connection(Strict):
    """How the CRM is reached. `${NAME}` and `${NAME:-default}` are read from the environment or `.dlt/secrets.toml`."""

    kind: Literal["http", "file", "table"] = "http"
    base_url: str | None = None
    path: str | None = Field(None, description="kind file: CSV, Parquet or JSON lines; a glob is allowed")
    auth: dict[str, Any] | None = Field(None, description="dlt's auth configuration, or a registered type")
    headers: dict[str, str] = Field(default_factory=dict, description="Sent with every call")
    limits: list[Limit] = Field(default_factory=list)
    concurrency: int = Field(4, gt=0, description="Calls in flight at once")
    timeout: Seconds = 15
    throttled: dict[str, Any] | None = Field(
        None, description="How the CRM says 'too many': {status: 403, code: REQUEST_LIMIT_EXCEEDED}; default status 429"
    )
    phone_region: str = Field("US", description="ISO 3166 region of phone numbers without a country code")
    currency: str = Field("USD", description="ISO 4217 code of amounts without one")
    timezone: str = Field("UTC", description="IANA zone of times without an offset")
    external_id: str | None = Field(
        None, description="The CRM's name of a unique field that holds our own id of a record, where it has one"
    )
    test: Request | None = Field(None, description="Call that shows the login works; default: the first entity's")
    assumptions: list[str] = Field(default_factory=list)
    instead: list[Instead] = Field(
        default_factory=list, description="Where base_url is given as a known CRM's, that CRM's mapping is used"
    )

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> Connection:
        needed = {"http": "base_url", "file": "path"}.get(self.kind)
        if needed and getattr(self, needed) is None:
            raise ValueError(f"a connection of kind {self.kind} needs {needed}")
        return self


class Incremental(Strict):
    """dlt's incremental block: only what changed since the bookmark is asked for.

    The value goes into the query parameter `start_param`, or wherever `{incremental.start_value}` stands in params,
    headers, json or path; the upper end of a window into `end_param`, or where `{incremental.end_value}` stands.
    """

    cursor_path: Path | None = Field(None, description="Default: the entity's `modified`")
    start_param: str | None = None
    end_param: str | None = Field(None, description="Left out where a read has no upper end")
    initial_value: str = "1970-01-01T00:00:00Z"
    lag: float = Field(60, ge=0, description="Overlap in seconds: index delay, clock skew")
    convert: Literal["iso", "iso_offset", "iso_ms", "http_date", "epoch_seconds", "epoch_ms"] = "iso"
    honoured: bool = Field(True, description="false: the CRM may ignore it, so every read counts as a full one")


class Windows(Strict):
    """A long read is split where the CRM can filter it, and its windows are read side by side.

    `modified` splits by the two ends of `incremental`, up to the start of the run; what changed since is read last, in
    a window without an upper end. `id` splits by whole numbers, between `start_param` and `end_param`.
    """

    by: Literal["modified", "id"]
    total_path: Path | None = Field(
        None, description="Where an answer says how many records the request finds: it shows movement"
    )
    rising: bool = Field(
        False, description="The list comes oldest change first, and only its lower end is filtered: a window is read "
        "until the next one begins, and needs no total"
    )  # fmt: skip
    most: int | None = Field(
        None, ge=1, description="rising: records that one stream of pages serves; the rest is asked for by its time"
    )
    start_param: str | None = Field(None, description="by id: the parameter that asks for ids after this one")
    end_param: str | None = Field(None, description="by id: the parameter that asks for ids before this one")
    overlap: float = Field(
        1, ge=0, description="Seconds or ids that a window reaches into the next; 0 where a filter surely includes its "
        "lower end"
    )  # fmt: skip

    @model_validator(mode="after")
    def _has_both_ends(self) -> Windows:
        ends = (self.start_param, self.end_param)
        if self.rising and (self.by == "id" or self.total_path is not None):
            raise ValueError("rising windows are by modified and have no total_path")
        if not self.rising and (self.total_path is None or self.most is not None):
            raise ValueError("windows need total_path, and have no most, unless they are rising")
        if self.by == "id" and None in ends:
            raise ValueError("windows by id need start_param and end_param")
        if self.by == "modified" and ends != (None, None):
            raise ValueError("windows by modified take their ends from incremental")
        return self


class Extract(Strict):
    """A dlt rest_api endpoint, in dlt's own words, and what the version log needs beside it."""

    path: str
    method: Literal["GET", "POST"] = "GET"
    params: dict[str, Any] = Field(default_factory=dict)
    json_body: Any = Field(None, alias="json")
    headers: dict[str, str] = Field(default_factory=dict)
    data_selector: str | None = None
    paginator: str | dict[str, Any] | None = None
    incremental: Incremental | None = None
    windows: Windows | None = None
    response_actions: list[dict[str, Any]] = Field(default_factory=list)
    fields_under: Path | None = Field(
        None,
        description="`{fields}` in params, json or path stands for the CRM's names of all mapped fields "
        "(comma-separated in a text, a list where it stands alone in json); with fields_under: those below this path, "
        "without it",
    )
    also_fields: list[str] = Field(default_factory=list, description="More names for `{fields}`")
    own_fields: OwnFields | None = Field(None, description="More names for `{fields}`: those the CRM says it has")
    beside: Beside | None = Field(None, description="What the list leaves out, read by calls of its own")


class Deleted(Strict):
    """How deletions show. At least one of `when`, `feed` and `reconcile`."""

    when: dict[Path, list[Any]] | None = Field(None, description="The record itself says so: {Status: [Deleted]}")
    feed: Extract | None = Field(None, description="A list of deleted records")
    feed_id: Path = Field("id", description="Path of the id in the feed's records")
    merged: Path | None = Field(
        None,
        description="In a record: ids of those that were merged into it, as a list or a text; each is asked for, and "
        "is no more where there is nothing or another record",
    )
    reconcile: str | None = Field(None, pattern=r"^\d+(m|h|d)$", description="How often the full id list is compared")


class Push(Strict):
    """What may be written to the CRM, and by which calls."""

    create: str = Field("none", description="none, linked, all, or a condition in SQL over canonical names")
    requires: list[str] = Field(
        default_factory=list, description="The CRM takes no new record without these: one that lacks them waits"
    )
    find: Find | None = None
    freshness: Literal["get", "list"] = Field(
        "get",
        description="How it is made sure before an update that nobody changed the record since: each is read again, or "
        "one list says which were changed (by incremental; where a text alone is written)",
    )
    fields: list[str] = Field(default_factory=list, description="Nothing else is ever written")
    create_request: Request | None = None
    update_request: Request | None = None
    delete_request: Request | None = Field(None, description="Deletes one record; archives it where the CRM archives")
    matched_status: int | None = Field(
        None, description="Status by which create_request says: this record was there already, and is left as it is"
    )
    create_batch: Batch | None = None
    upsert_batch: Upsert | None = Field(None, description="How a record that has a key of its own is created")
    update_batch: Batch | None = None
    delete_batch: Batch | None = Field(None, description="Deletes many in one call; GET and DELETE carry {ids}")
    wrap: Path | None = Field(None, description="Path in the body under which the fields stand, such as properties")
    answer_id: Path = Field("id", description="Path of the new record's id in the answer")
    answer_record: str | None = Field(
        None, description="Path of the whole record in the answer; $ for the answer itself"
    )
    clear: Any = Field(None, description="What is written to empty a field (undo only)")
    defaults: dict[str, Any] = Field(
        default_factory=dict, description="Their fields that every created record carries, unless they are written"
    )
    links: list[Link] = Field(default_factory=list)
    look_ups: dict[str, LookUp] = Field(default_factory=dict)
    words: dict[str, Word] = Field(
        default_factory=dict, description="What update_request says of the record as it is now: `{its name}`"
    )
    assumptions: list[str] = Field(default_factory=list)


class Entity(Strict):
    """One canonical entity as this CRM has it."""

    extract: Extract
    get: Request | None = Field(None, description="One record by {id}: confirms absences, reads back, checks freshness")
    get_batch: Batch | None = Field(None, description="Many records by id in one call, instead of `get`")
    id: Choice | list[Choice] = Field(description="Where the key is; a list: its parts, all of them together")
    only_with: list[Path] = Field(
        default_factory=list,
        description="Where a list holds records of several kinds: only those that hold something at these paths are of "
        "this entity",
    )
    modified: Path | None = None
    deleted: Deleted | None = None
    where: str | None = Field(None, description="SQL over canonical names; what leaves it is frozen, not deleted")
    fields: dict[str, FieldMapping]
    custom: dict[str, Choice] = Field(
        default_factory=dict, description="Named extras, kept in `custom` under these names"
    )
    push: Push | None = None
    assumptions: list[str] = Field(default_factory=list)

    @property
    def key(self) -> list[list[str]]:
        """The parts of the id, each with its alternatives."""
        return [places(part) for part in (self.id if isinstance(self.id, list) else [self.id])]

    @model_validator(mode="before")
    @classmethod
    def _expand_short_fields(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("fields"), dict):
            fields = {k: {"path": v} if isinstance(v, str) else v for k, v in data["fields"].items()}
            return {**data, "fields": fields}
        return data


class Mapping(Strict):
    """One CRM."""

    crm: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="The slug: file name, connection name, provider")
    label: str
    assumptions: list[str] = Field(default_factory=list, description="Facts about the API that nobody verified")
    connection: Connection
    entities: dict[str, Entity] = Field(min_length=1)
    webhook: Webhook | None = None
    views: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], View] = Field(
        default_factory=dict, description="Tables in the words of the CRM's users"
    )
