"""The calls that a mapping describes: one request, many records in one, searches, relations, look-ups."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pipelines.mapping.words import Path, Strict

EXTERNAL_ID = "external_id"


class Request(Strict):
    """One HTTP call. `{id}`, `{value}` and canonical field names are filled in; the path is relative to base_url."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: str
    params: dict[str, Any] = Field(default_factory=dict)
    json_body: Any = Field(None, alias="json")
    headers: dict[str, str] = Field(default_factory=dict)
    data_selector: str | None = Field(None, description="Where the record, or the list of records, is in the answer")


class Batch(Strict):
    """One call that writes many records, and how its answer is read (`reader`: a registered batch-answer reader)."""

    request: Request
    size: int = Field(gt=0)
    items: Path | None = Field(
        None, description="Path in the body that holds the list; none: the call names them by {ids}, {values} and such"
    )
    item: dict[str, Any] = Field(default_factory=dict, description="Shape of a member: $id, $fields, constants")
    reader: str = Field(description="Name of a batch-answer reader in pipelines/wire/answers.py")


class Upsert(Batch):
    """A batch whose members change the record that has the same key, and make one where none has it.

    What somebody else made since the search, or what we made before a crash, is so matched and not made twice. In
    `item`, `$key` stands for the key's value; the answer's reader tells whether a record was made or matched.
    """

    by: str = Field(
        description="Canonical field that no two records share, and that is searched by, too; or external_id: the "
        "field that `connection.external_id` names (`{external_id}` here), which then holds our own id of the record. "
        "Records without a key are created by the other calls"
    )

    @property
    def is_ours(self) -> bool:
        """Whether the key is our own id, so that nobody but us can have given it to a record."""
        return self.by == EXTERNAL_ID


class OwnFields(Strict):
    """An office's own fields: where a CRM sends only what it is asked for, its list of fields tells what else there is.

    They are asked for with those that the mapping names, and stand in `custom`.
    """

    request: Request = Field(description="Its data_selector: the list of fields")
    name: Path = Field("name", description="In a field: its name, as `{fields}` takes it")
    when: dict[Path, list[Any]] = Field(default_factory=dict, description="In a field: what makes it one of these")
    most: int = Field(300, gt=0, description="Fields that a call may ask for, those of the mapping included")


class Beside(Strict):
    """Values that a list of records leaves out, such as relations: read by batches of ids, put into the records."""

    request: Request = Field(description="Its data_selector: where the list of answers is, one for each record")
    size: int = Field(gt=0, description="Ids in a call")
    items: str = Field(description="Key in the body that holds the list of ids")
    item: dict[str, Any] = Field(default_factory=dict, description="Shape of a member: $id, constants; default: the id")
    of: Path = Field(description="In an answer: whose it is")
    value: Path = Field(description="In an answer: the list of values")
    shape: dict[str, Path] = Field(
        default_factory=dict, description="A member as it is kept: name: path in what came. Default: as it came"
    )
    into: Path = Field(description="Where the list goes in the record")
    errors: Path | None = Field(None, description="In the whole answer: what went wrong, a list")
    none: str | None = Field(None, description="What stands in an error that says no more than: this one has none")


class Find(Strict):
    """How a twin is looked for before a record is created, and after a crash."""

    by: list[str] = Field(min_length=1, description="Canonical fields that identify")
    request: Request | None = None
    batch: Batch | None = Field(None, description="Many searched in one call")
    lag: float = Field(0, ge=0, description="Seconds after which a created record is surely found")


class Link(Strict):
    """A relation kept outside the record: written by calls of its own."""

    field: str = Field(description="Canonical reference field, such as contact_ids of deals")
    add: Request
    find: Request | None = Field(
        None, description="Finds the relation's own id, at its data_selector: `{link}` of `remove`"
    )
    remove: Request | None = Field(None, description="Takes the relation back (undo only)")
    batch: Batch | None = None


class Word(Strict):
    """A word of the record as it is now that the calls to change it need, such as the class in their path."""

    path: Path = Field(description="Where the record has it")
    values: dict[str, str] = Field(min_length=1, description="Theirs: as the call has it; others are not written")


class LookUp(Strict):
    """Values that the CRM takes as the id of something it knows, such as a suburb: searched for, and remembered."""

    fields: list[str] = Field(
        default_factory=list,
        description="Canonical fields that need it; none: it is for links, where {its name} stands, or with `into` for "
        "every record that is created",
    )
    request: Request = Field(description="Canonical values are filled in; data_selector: the list of what is found")
    match: dict[str, Path] = Field(
        default_factory=dict,
        description="Canonical field: where what is found has it. All that are filled must agree; they are not written",
    )
    result: Path = Field("id", description="In what is found: what is written")
    into: Path | None = Field(None, description="Where in the record it is written")
    along: list[Path] = Field(default_factory=list, description="What must be written beside it, as it is now")

    @property
    def is_for_new(self) -> bool:
        """Whether every record that is created gets what it finds."""
        return not self.fields and self.into is not None
