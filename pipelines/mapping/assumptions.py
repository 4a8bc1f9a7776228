"""Lists what a mapping takes for granted, so that whoever gets access to the API can check it line by line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.mapping.document import Document, Parts, read_document


@dataclass(frozen=True)
class Assumption:
    """One unverified fact and the block that relies on it, such as `entities.contacts.push`; '' is the whole CRM."""

    crm: str
    file: str
    line: int
    block: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.block or self.crm}: {self.text}"


def assumptions(path: Path | str) -> list[Assumption]:
    """All assumptions of one mapping, in the file's order.

    Raises:
        MappingErrors: the file cannot be read as YAML.
    """
    document = read_document(Path(path))
    return list(_within(document, document.data, (), Path(path).stem))


def _within(document: Document, value: Any, parts: Parts, crm: str) -> Iterator[Assumption]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        if key == "assumptions" and isinstance(member, list):
            for i, text in enumerate(member):
                line = document.place((*parts, key, i), of_value=True).line
                yield Assumption(crm, document.file, line, ".".join(map(str, parts)), str(text))
        else:
            yield from _within(document, member, (*parts, key), crm)
