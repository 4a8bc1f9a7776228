"""No mass accident (L10): a source that is empty, or much smaller than last time, stops its connection."""

from __future__ import annotations

from typing import ClassVar

SMALL = 20


class SourceShrank(Exception):  # noqa: N818 - says what was seen
    """A full read found far fewer records than are known; nothing of this connection was loaded."""

    exit_code: ClassVar[int] = 5

    def __init__(self, label: str, entity: str, found: int, known: int, share: float) -> None:
        self.entity, self.found, self.known = entity, found, known
        super().__init__(
            f"{label} served {found} {entity} where {known} were known; below {share:.0%} of what was "
            "known a source stops. If that is right, run again with --allow-mass-change"
        )


def check_size(label: str, entity: str, found: int, known: int, share: float) -> None:
    """Stops at a source that is empty or much smaller; small ones may shrink, but not to nothing.

    Args:
        found: records of a complete full read.
        known: records that are current in the log and not deleted; 0 at a first sync, which is exempt.
        share: the connection's `min_source_share`.
    """
    if known and (found == 0 or (known >= SMALL and found < known * share)):
        raise SourceShrank(label, entity, found, known, share)
