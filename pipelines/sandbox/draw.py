"""Repeatable random draws: the same key always gives the same draws, in whatever order keys are asked for.

`random.Random(key)` fills 624 words at every creation; a world of a million people needs something lighter: a key is
mixed well (splitmix64), what follows is a linear congruence of which only the upper half is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Generic, TypeVar
from zlib import crc32

T = TypeVar("T")

_MASK = (1 << 64) - 1


class Odds(Generic[T]):
    """Choices with their weights, whole numbers."""

    __slots__ = ("choices", "total")

    def __init__(self, *choices: tuple[int, T]) -> None:
        self.choices = choices
        self.total = sum(weight for weight, _ in choices)


class Draw:
    """A stream of draws that belongs to one key, e.g. `Draw(seed, "person", 12)`."""

    __slots__ = ("_state",)

    def __init__(self, *key: int | str) -> None:
        state = 0
        for part in key:
            state = (state + 0x9E3779B97F4A7C15 + (part if isinstance(part, int) else _number(part))) & _MASK
            state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
            state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
            state ^= state >> 31
        self._state = state

    def below(self, limit: int) -> int:
        """Returns a whole number from 0 to `limit` - 1, for limits up to 4 billion."""
        self._state = state = (self._state * 6364136223846793005 + 1442695040888963407) & _MASK
        return ((state >> 32) * limit) >> 32

    def between(self, low: int, high: int) -> int:
        """Returns a whole number from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def chance(self, probability: float) -> bool:
        """Returns True in the given share of draws."""
        return self.below(1_000_000) < probability * 1_000_000

    def pick(self, choices: Sequence[T]) -> T:
        """Returns one of `choices`, each as likely as the others."""
        return choices[self.below(len(choices))]

    def weighted(self, odds: Odds[T]) -> T:
        """Returns one of the choices, by their weights."""
        left = self.below(odds.total)
        for weight, choice in odds.choices:
            left -= weight
            if left < 0:
                return choice
        raise AssertionError("weights are whole numbers above nothing")


@lru_cache(maxsize=256)
def _number(word: str) -> int:
    return crc32(word.encode()) * 0x5851F42D
