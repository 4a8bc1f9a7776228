"""Names that a mapping may use: the registries of paginators and authentication, for its validation."""

from __future__ import annotations

from typing import Any

from pipelines.connections.errors import SettingsError
from pipelines.wire.auth import AUTHS
from pipelines.wire.paginators import Offset, PageNumber, Paginator
from pipelines.wire.references import Cursor, NextUrl, OnePage, PageToken
from pipelines.wire.windows import SearchWindow

PAGINATORS: dict[str, type[Paginator]] = {
    "single_page": OnePage,
    "offset": Offset,
    "page_number": PageNumber,
    "cursor": Cursor,
    "json_link": NextUrl,
    "next_url": NextUrl,
    "page_token": PageToken,
    "search_window": SearchWindow,
}


def build_paginator(block: str | dict[str, Any] | None) -> Paginator:
    """The paginator of an `extract` block; without one everything comes in one answer.

    Raises:
        SettingsError: an unknown type, or arguments it does not take.
    """
    if block is None:
        return OnePage()
    kind, arguments = (block, {}) if isinstance(block, str) else (str(block.get("type")), dict(block))
    arguments.pop("type", None)
    if kind not in PAGINATORS:
        raise SettingsError(f"paginator {kind!r} is not known; there are {', '.join(sorted(PAGINATORS))}")
    try:
        return PAGINATORS[kind](**arguments)
    except TypeError as wrong:
        raise SettingsError(f"paginator {kind}: {wrong}") from None


paginator_names: frozenset[str] = frozenset(PAGINATORS)
auth_names: frozenset[str] = frozenset(AUTHS)
