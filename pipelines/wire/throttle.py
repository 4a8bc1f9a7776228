"""How a CRM says 'too many calls', and how long it wants us to wait."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any


def is_throttled(response: Any, said: dict[str, Any] | None) -> bool:
    """True if the answer means 'too many'.

    Args:
        response: a requests or httpx response.
        said: the mapping's `throttled`: {status: 403, code: REQUEST_LIMIT_EXCEEDED}; the body is searched for the code.
    """
    if response.status_code == 429:
        return True
    if not said:
        return False
    statuses = said.get("status", 429)
    if response.status_code not in (statuses if isinstance(statuses, list) else [statuses]):
        return False
    codes = said.get("code")
    if codes is None:
        return True
    body = response.text[:4000]
    return any(str(code) in body for code in (codes if isinstance(codes, list) else [codes]))


def retry_after(response: Any) -> float | None:
    """Seconds the CRM asks to wait (`Retry-After`, as seconds or as a date); None where it does not say."""
    said = response.headers.get("Retry-After")
    if not said:
        return None
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
