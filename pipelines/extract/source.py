"""From an `extract` block to pages: dlt's `rest_api` makes the requests, we keep the bytes of its answers."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import dlt
from dlt.extract.exceptions import ResourceExtractionError
from dlt.sources.rest_api import rest_api_resources

from pipelines.extract.shape import select
from pipelines.mapping.language import Extract
from pipelines.wire.paginators import Paginator, compiled
from pipelines.wire.repeating import SetAside
from pipelines.wire.session import Wire


@dataclass(frozen=True)
class Page:
    """One answer: its bytes (JSON), when it was received (us), how many records it holds; `problem`: why none.

    `first` and `last` are its first and last record.
    """

    content: bytes
    received_at: int
    records: int
    problem: str | None = None
    set_aside: SetAside | None = None
    first: Any = None
    last: Any = None


def pages(wire: Wire, name: str, extract: Extract, paginator: Paginator) -> Generator[Page, None, None]:
    """The pages of one read, in order.

    Raises:
        CrmError: the CRM refused, throttled or cannot be reached.
    """
    base_url = wire.log_in()
    config: Any = {
        "client": {"base_url": base_url, "session": wire.session},
        "resources": [{"name": name, "endpoint": _endpoint(extract, paginator)}],
    }
    (resource,) = rest_api_resources(config)
    paginator.ahead = wire.ahead
    selector = extract.data_selector

    @dlt.transformer(data_from=resource, name=f"{name}_pages")
    def kept(page: Any) -> Page:
        return _page(page.response, selector)

    try:
        yield from kept
    except ResourceExtractionError as wrapped:
        raise wire.failed(f"fetch {name}", _cause(wrapped)) from None


def _endpoint(extract: Extract, paginator: Paginator) -> dict[str, Any]:
    endpoint: dict[str, Any] = {
        "path": extract.path,
        "method": extract.method,
        "data_selector": compiled(extract.data_selector or "$"),  # dlt compiles a text for every page
        "paginator": paginator,
    }
    optional = {"params": extract.params, "json": extract.json_body, "headers": extract.headers}
    endpoint |= {key: value for key, value in optional.items() if value}
    if extract.response_actions:
        endpoint["response_actions"] = extract.response_actions
    return endpoint


def _page(response: Any, selector: str | None) -> Page:
    aside = getattr(response, "set_aside", None)
    if aside is not None or not response.content.strip():
        return Page(b"", response.received_at, 0, set_aside=aside)
    found, value = select(response.json(), selector)
    if not found or not (value is None or isinstance(value, list | dict)):
        return Page(response.content, response.received_at, 0, f"no records at {selector or '$'}")
    records = value if isinstance(value, list) else [] if value is None else [value]
    first, last = (records[0], records[-1]) if records else (None, None)
    return Page(response.content, response.received_at, len(records), first=first, last=last)


def _cause(error: BaseException) -> BaseException:
    """What really happened, below dlt's wrapping."""
    while isinstance(error, ResourceExtractionError) and error.__cause__ is not None:
        error = error.__cause__
    return error
