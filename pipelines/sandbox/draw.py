"""Repeatable random draws: the same key always gives the same draws, in whatever order keys are asked for.

`random.Random(key)` fills 624 words at every creation; a world of a million people needs something lighter: splitmix64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar
from zlib import crc32

T = TypeVar("T")

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15


def _mix(value: int) -> int:
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


class Draw:
    """A stream of draws that belongs to one key, e.g. `Draw(seed, "person", 12)`."""

    __slots__ = ("_state",)

    def __init__(self, *key: int | str) -> None:
        state = 0
        for part in key:
            number = part if isinstance(part, int) else crc32(part.encode()) + 0x5851F42D
            state = _mix((state + _STEP) & _MASK ^ (number & _MASK))
        self._state = state

    def below(self, limit: int) -> int:
        """Returns a whole number from 0 to `limit` - 1."""
        self._state = (self._state + _STEP) & _MASK
        return (_mix(self._state) * limit) >> 64

    def between(self, low: int, high: int) -> int:
        """Returns a whole number from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def chance(self, probability: float) -> bool:
        """Returns True in the given share of draws."""
        return self.below(1_000_000) < probability * 1_000_000

    def pick(self, choices: Sequence[T]) -> T:
        """Returns one of `choices`, each as likely as the others."""
        return choices[self.below(len(choices))]

    def weighted(self, choices: Sequence[tuple[int, T]]) -> T:
        """Returns one of `choices`, given as (weight, choice)."""
        left = self.below(sum(weight for weight, _ in choices))
        for weight, choice in choices:
            left -= weight
            if left < 0:
                return choice
        raise AssertionError("weights are whole numbers above nothing")
