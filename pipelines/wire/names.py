"""Names that a mapping may use: the registries of paginators and authentication, for its validation."""

from __future__ import annotations

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

paginator_names: frozenset[str] = frozenset(PAGINATORS)
auth_names: frozenset[str] = frozenset(AUTHS)
