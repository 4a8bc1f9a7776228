"""One field of a mapping: where a canonical field comes from, and how it is written back."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from pipelines.mapping.words import Path, Strict, as_text


class FieldMapping(Strict):
    """Where one canonical field comes from and how it is written back."""

    path: Path | None = None
    first_of: list[Path] | None = Field(None, description="Read: the first that is not empty; written: the first")
    each: Path | None = Field(None, description="A list; `path` is then relative to its members")
    take: Literal["all", "first"] = Field("all", description="With each: the whole list, or its first member")
    where: dict[str, Any] = Field(default_factory=dict, description="With each: only members with these values")
    new: dict[str, Any] = Field(default_factory=dict, description="With each: what a member that we add also carries")
    all_of: list[Path | list[Path]] | None = Field(
        None,
        description="Several of theirs are one list of ours; of those in a list of their own the first that is not "
        "empty. Written: into those that are empty, as far as they go",
    )
    join: list[Path] | None = Field(
        None,
        description="Several of theirs make one of ours. Two of them are written with write: if_empty: the first word "
        "into the first, the rest into the other, where neither is known",
    )
    split: Path | None = Field(None, description="One of theirs makes two of ours; `part` says which")
    part: Literal["first", "rest", "last", "before_last"] | None = None
    separator: str = " "
    const: Any = None
    sql: str | None = Field(
        None, description="A DuckDB expression over `record` (JSON); read only unless write_to is set"
    )
    values: dict[str, str | bool | int] | None = Field(None, description="Theirs: ours. Read in both directions")
    write_values: dict[str, str] | None = Field(
        None, description="Ours: theirs, for those of ours that several of theirs stand for"
    )
    otherwise: str | None = Field(None, description="With values: what an unknown one becomes; default: unreadable")
    unit: float = Field(1.0, gt=0, description="Theirs times unit is ours: 0.01 for cents")
    time_format: str | None = Field(None, description="strptime format, or epoch_seconds, epoch_ms; default ISO 8601")
    write: Literal["always", "if_empty", "never"] | None = Field(
        None, description="Default: always; for join, split, const, sql and computed: never"
    )
    write_to: Path | None = Field(None, description="Name used when writing, where it differs from the one read")
    write_format: str | None = Field(
        None,
        description="How the value is written: national, e164, strftime format, string; of a phone number also a text "
        "in which {digits} stands for its digits",
    )
    blank: Literal["empty", "unknown"] = Field(
        "empty", description="unknown: where it is empty, the CRM may only not show it, as in a list of short records"
    )
    computed: bool = Field(
        False, description="The CRM makes it from others of its fields: never written, and no edit of its own"
    )
    unique: bool = Field(False, description="No two records of the CRM have one value: what another has is not written")
    owner: Literal["here", "there", "latest"] = Field("latest", description="Whose value holds when both sides edited")

    @model_validator(mode="after")
    def _has_one_source(self) -> FieldMapping:
        ways = [w for w in ("first_of", "all_of", "join", "split", "const", "sql") if getattr(self, w) is not None]
        if self.path is not None and self.each is None:
            ways.append("path")
        if self.each is not None:
            ways.append("each")
        if len(ways) != 1:
            raise ValueError("say exactly one of path, first_of, all_of, each, join, split, const, sql")
        if self.split is not None and self.part is None:
            raise ValueError("split needs part: first, rest, last or before_last")
        if self.computed and self.write not in (None, "never"):
            raise ValueError("what the CRM computes cannot be written: leave out write, or computed")
        return self

    @property
    def slots(self) -> list[list[str]]:
        """The places of `all_of`, each with its alternatives."""
        return [[slot] if isinstance(slot, str) else slot for slot in self.all_of or []]

    @property
    def is_derived(self) -> bool:
        """True where the value is made from others: it never outranks a stated one."""
        return self.computed or any(x is not None for x in (self.join, self.split, self.const, self.sql))

    @property
    def writes(self) -> Literal["always", "if_empty", "never"]:
        """The write rule with its default: what cannot be inverted is not written."""
        if self.write is not None:
            return self.write
        return "never" if self.is_derived else "always"

    @property
    def written_values(self) -> dict[str, str]:
        """`values` the other way round, ours (as text, booleans as true and false) to theirs.

        Where several of theirs are one of ours, `write_values` says which is written; without it, the first.
        """
        inverse: dict[str, str] = {}
        for theirs, ours in (self.values or {}).items():
            inverse.setdefault(as_text(ours), theirs)
        return {**inverse, **(self.write_values or {})}
