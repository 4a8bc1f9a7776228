"""One of ours in several fields of theirs (`all_of`, `join`): which part of it goes where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pipelines.push.paths import MISSING, get

Slots = Sequence[Sequence[str]]


def filled(slots: Slots, members: Sequence[Any], current: Any) -> Iterator[tuple[str, Any]]:
    """New members of a set: they go into the places that are empty, as far as these go; the others stay as they are."""
    waiting = iter(members)
    for ways in slots:
        if all(is_empty(get(current, path)) for path in ways):
            for member in waiting:
                yield ways[0], member
                break


def replaced(slots: Slots, members: Sequence[Any], current: Any, clear: Any) -> Iterator[tuple[str, Any]]:
    """A list that is written whole: its members in their order; the places that are left over are cleared."""
    for place, ways in enumerate(slots):
        if place < len(members):
            yield ways[0], members[place]
        else:
            yield from emptied([ways], current, clear, lambda _: True)


def emptied(slots: Slots, current: Any, clear: Any, is_gone: Callable[[Any], bool]) -> Iterator[tuple[str, Any]]:
    """The places that hold something that is gone, each with what clears it."""
    for ways in slots:
        for path in ways:
            held = get(current, path)
            if not is_empty(held) and is_gone(held):
                yield path, clear


def is_empty(value: Any) -> bool:
    """Whether a place is free."""
    return value is MISSING or value is None or (isinstance(value, str) and not value.strip())


def taken_apart(
    paths: Sequence[str], separator: str, value: Any, body: Any, current: Any, clear: Any
) -> Iterator[tuple[str, Any]]:
    """The first word into the first of theirs, the rest into the other; nothing where one of them is known."""
    is_known = value is not None and not all(is_empty(get(current, path)) for path in paths)
    if is_known or any(get(body, path) is not MISSING for path in paths):
        return
    word, _, rest = ("" if value is None else str(value)).partition(separator)
    for path, text in zip(paths, (word, rest), strict=True):
        if text or value is None:
            yield path, text or clear
