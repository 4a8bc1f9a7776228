"""Paths in a record as SQL: every distinct path of an entity is read once per record, all of them in one call.

Three columns hold what was read: `t` the values as text, `k` their JSON types (NULL: there is no such key), `l` the
values as JSON. Everything else is positions in these lists. A fourth, `plain`, is true of most records: no text of
theirs can have blanks around it, and no list or object stands where a value is expected. What costs is for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pipelines.warehouse.models import literal

BLANKS = "".join(chr(code) for code in (9, 10, 11, 12, 13, 32))
ALL_BLANKS = BLANKS + "".join(chr(code) for code in (0xA0, *range(0x2000, 0x200C), 0x202F, 0x3000, 0xFEFF))
"""What surrounds a value without being part of it."""


def pointer(path: str) -> str:
    """A dotted path as a JSON pointer, in which a number is a list position or a key, as the record has it."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path.split("."))


def trimmed(text: str) -> str:
    """SQL: text without the blanks around it and without NUL characters, which no CRM takes back.

    Only text with characters beyond ASCII is trimmed of the blanks beyond ASCII: it costs five times as much.
    """
    plain = f"replace({text}, chr(0), '')"
    rare = f"trim({plain}, {literal(ALL_BLANKS)})"
    return f"case when strlen({text}) = length({text}) then trim({plain}, {literal(BLANKS)}) else {rare} end"


@dataclass
class Paths:
    """The distinct paths asked for so far, and the SQL of what is found there."""

    texts: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=lambda: {"$": 1})
    lists: dict[str, int] = field(default_factory=dict)

    def raw(self, path: str) -> str:
        """The value as text, as it stands; NULL for JSON null and where there is none; a list or object as JSON."""
        return f"t[{_position(self.texts, pointer(path))}]"

    def kind(self, path: str) -> str:
        """The JSON type: OBJECT, ARRAY, NULL, VARCHAR, ...; NULL where there is no such key."""
        return f"k[{_position(self.kinds, pointer(path))}]"

    def json(self, path: str) -> str:
        """The value as JSON."""
        return f"l[{_position(self.lists, pointer(path))}]"

    def text(self, path: str) -> str:
        """The trimmed text of a scalar; NULL where it is empty, absent, or of another shape."""
        careful = f"case when {self.kind(path)} not in ('OBJECT', 'ARRAY') then {trimmed(self.raw(path))} end"
        return f"nullif(case when plain then {self.raw(path)} else {careful} end, '')"

    def absent(self, path: str) -> str:
        """Whether the record lacks the key; a position past the end of a list is empty, not absent."""
        parent = path.rpartition(".")[0]
        if not parent:
            return f"({self.kind(path)} is null)"
        above = f"case coalesce({self.kind(parent)}, '') when 'OBJECT' then true when '' then {self.absent(parent)}"
        return f"({self.kind(path)} is null and {above} else false end)"

    def misplaced(self, path: str) -> str:
        """Whether what stands above the path has another shape than the path says, such as text for an object."""
        parent, _, last = path.rpartition(".")
        if not parent:
            return "false"
        is_list = "false" if last.isdigit() else f"{self.kind(parent + '.0')} is not null"
        above = (
            f"case coalesce({self.kind(parent)}, '') when '' then {self.misplaced(parent)} when 'ARRAY' then {is_list}"
        )
        return f"({self.kind(path)} is null and {above} when 'OBJECT' then false when 'NULL' then false else true end)"

    def wrong(self, path: str) -> str:
        """Whether a list or an object stands where one value is expected; an empty list is no value."""
        kind = self.kind(path)
        shape = f"coalesce(not plain and ({kind} = 'OBJECT' or ({kind} = 'ARRAY' and {self.raw(path)} <> '[]')), false)"
        misplaced = self.misplaced(path)
        return shape if misplaced == "false" else f"({shape} or {misplaced})"

    def columns(self) -> str:
        """SQL of the columns t, k and l over `record`; TRY, so that text that is no JSON is a NULL and no error.

        `k` is made volatile: else a filter on it would be moved down to the scan, and every record be parsed once more.
        """
        reads = {
            "t": _read("json_extract_string", self.texts),
            "k": f"case when random() < 2 then {_read('json_type', self.kinds)} end",
            "l": _read("json_extract", self.lists),
        }
        wanted = {"t": self.texts, "k": self.kinds, "l": self.lists}
        return ",\n        ".join(f"{sql} as {name}" for name, sql in reads.items() if wanted[name])

    def plain(self) -> str:
        """SQL of the column `plain`: compact ASCII without escapes, no text beginning or ending in a blank."""
        text = "record::varchar"
        marks = " or ".join(f"contains({text}, {literal(mark)})" for mark in ('" ', ' "', "\\"))
        kinds = [f"k[{self.kinds[path]}] in ('OBJECT', 'ARRAY')" for path in self.texts if path in self.kinds]
        shapes = f"coalesce({' or '.join(kinds)}, false)" if kinds else "false"
        return f"not (coalesce(strlen({text}) <> length({text}) or {marks}, true) or {shapes})"


def _read(function: str, paths: Iterable[str]) -> str:
    return f"try({function}(record, [{', '.join(map(literal, paths))}]))"


def _position(known: dict[str, int], wanted: str) -> int:
    return known.setdefault(wanted, len(known) + 1)
