"""What calls cost: credits in a rolling day (fact sheet 3.4).

Standard edition: 50,000 and 250 for each user, at most 100,000. Most calls cost 1; writes 1 for ten rows, a list with
`cvid` 3. The limit of calls in flight (5 to 25 by edition) is not emulated: calls are answered one after the other.
"""

from __future__ import annotations

from collections import deque

from pipelines.sandbox.wire import Call

DAY = 86_400.0


class Credits:
    """What one organisation has spent in the last 24 hours."""

    def __init__(self) -> None:
        self._spent: deque[tuple[float, int]] = deque()
        self.used = 0

    def spend(self, cost: int, now: float, allowed: int | None) -> bool:
        """Counts a call, or says that it would break the limit; None for no limit."""
        while self._spent and self._spent[0][0] <= now - DAY:
            self.used -= self._spent.popleft()[1]
        if allowed is not None and self.used + cost > allowed:
            return False
        self._spent.append((now, cost))
        self.used += cost
        return True

    def forget(self) -> None:
        """Begins anew."""
        self._spent.clear()
        self.used = 0


def cost(call: Call) -> int:
    """Returns the credits of a call."""
    if call.method == "GET":
        return 3 if call.query.get("cvid") else 1
    if call.method in ("POST", "PUT"):
        try:
            rows = call.json().get("data")
        except (ValueError, AttributeError):
            return 1
        return max(1, -(-len(rows) // 10)) if isinstance(rows, list) else 1
    return 1
