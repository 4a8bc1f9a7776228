"""Dotted paths in a CRM's record: reading, and writing without losing what stands beside."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

MISSING = object()


def get(record: Any, path: str | None) -> Any:
    """What stands at the path; MISSING where nothing does. No path, or `$`, is the record itself."""
    found = record
    for part in _parts(path):
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return MISSING
    return found


def put(record: dict[str, Any], path: str, value: Any) -> None:
    """Writes a value; what is missing on the way is made: a list where a number follows, else an object."""
    parts = _parts(path)
    if len(parts) == 1:
        record[parts[0]] = value
        return
    outer = record.get(parts[0])
    if len(parts) == 2 and isinstance(outer, dict):  # by far the most
        outer[parts[1]] = value
        return
    place: Any = record
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        fresh: Any = value if following is None else [] if following.isdigit() else {}
        if isinstance(place, list):
            place = _in_list(place, int(part), fresh, following is None)
        elif following is None or not isinstance(place.get(part), dict | list):
            place[part] = fresh
            place = fresh
        else:
            place = place[part]


def _in_list(place: list[Any], index: int, fresh: Any, is_last: bool) -> Any:
    index = min(index, len(place))
    if index == len(place):
        place.append(fresh)
    elif is_last or not isinstance(place[index], dict | list):
        place[index] = fresh
    return place[index]


@lru_cache(maxsize=1024)
def list_above(path: str) -> str | None:
    """The path of the first list that the path goes through: `Emails` of `Emails.0.Address`."""
    parts = _parts(path)
    for i, part in enumerate(parts):
        if part.isdigit() and i:
            return ".".join(parts[:i])
    return None


@lru_cache(maxsize=1024)
def _parts(path: str | None) -> tuple[str, ...]:
    return () if path in {None, "", "$"} else tuple(str(path).split("."))
