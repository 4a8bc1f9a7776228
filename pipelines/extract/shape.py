"""Dotted paths of the mapping, as JSON paths of DuckDB and as steps through parsed JSON."""

from __future__ import annotations

import re
from typing import Any

_ROOTS = ("", "$", "[*]", "$[*]", "$.[*]")


def steps(path: str) -> list[str | int]:
    """`Emails.0.Address` is Emails, position 0, Address; `$.` before and `[*]` behind are dlt's way to say the same."""
    bare = re.sub(r"\.?\[\*\]$", "", path.removeprefix("$").removeprefix("."))
    bare = re.sub(r"\[(\d+)\]", r".\1", bare)
    return [int(part) if part.isdigit() else part.strip("'\"") for part in bare.split(".") if part]


def json_path(path: str) -> str:
    """The path in DuckDB's words: `$."Emails"[0]."Address"`."""
    if path in _ROOTS:
        return "$"
    return "$" + "".join(f"[{s}]" if isinstance(s, int) else f'."{_escaped(s)}"' for s in steps(path))


def select(value: Any, path: str | None) -> tuple[bool, Any]:
    """Whether the path exists in a parsed answer, and what stands there."""
    if path is None or path in _ROOTS:
        return True, value
    for step in steps(path):
        if isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        elif isinstance(value, dict) and str(step) in value:
            value = value[str(step)]
        else:
            return False, None
    return True, value


def literal(text: str) -> str:
    """A SQL string."""
    return "'" + text.replace("'", "''") + "'"


def _escaped(key: str) -> str:
    return key.replace("\\", "\\\\").replace('"', '\\"')
