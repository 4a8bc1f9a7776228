"""The names and arguments a mapping may use, as the program has them."""

from __future__ import annotations

from functools import cache

from pipelines.mapping.scope import Known


@cache
def load_known() -> Known:
    """Authentication types, paginators, batch-answer readers, signature schemes; imports dlt: most of a second."""
    from pipelines.service.webhooks.signatures import SCHEMES
    from pipelines.wire.answers import READERS
    from pipelines.wire.auth import AUTHS
    from pipelines.wire.names import PAGINATORS

    return Known.of(AUTHS, PAGINATORS, READERS, SCHEMES)
