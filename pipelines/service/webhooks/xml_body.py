"""XML bodies of webhooks as plain values, read without document types or entities, so that none can be expanded.

An element with children is a dictionary of them by local name (a list where a name repeats), its attribute `type`
among them without its prefix; an element with text alone is that text.
"""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

DEEPEST = 32


class NotReadable(ValueError):  # noqa: N818 - says what was found
    """The body is no XML that we read."""


def parse_xml(body: bytes) -> dict[str, Any]:
    """The root's children by name; the envelope of SOAP is left out.

    Raises:
        NotReadable: it is no XML, nests too deeply, or has a document type.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(body, True)
    except expat.ExpatError as problem:
        raise NotReadable(f"not readable as XML: {expat.errors.messages[problem.code]}") from None
    return _inside(reader.root)


class _Reader:
    """Builds the values while expat reads."""

    def __init__(self) -> None:
        self.root: dict[str, Any] = {}
        self._open: list[tuple[str, dict[str, Any], list[str]]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= DEEPEST:
            raise NotReadable(f"nests deeper than {DEEPEST} elements")
        kind = next((v for k, v in attributes.items() if _local(k) == "type"), None)
        self._open.append((_local(name), {} if kind is None else {"type": kind.rpartition(":")[2]}, []))

    def text(self, said: str) -> None:
        self._open[-1][2].append(said)

    def end(self, _name: str) -> None:
        name, children, texts = self._open.pop()
        value: Any = children or "".join(texts).strip()
        parent = self._open[-1][1] if self._open else self.root
        if name not in parent:
            parent[name] = value
        elif isinstance(parent[name], list):
            parent[name].append(value)
        else:
            parent[name] = [parent[name], value]


def _inside(root: dict[str, Any]) -> dict[str, Any]:
    for wrapper in ("Envelope", "Body"):
        if isinstance(inner := root.get(wrapper), dict):
            root = inner
    only = next(iter(root.values())) if len(root) == 1 else None
    return only if isinstance(only, dict) else root


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _refuse(*_: object) -> None:
    raise NotReadable("a document type is not accepted")
