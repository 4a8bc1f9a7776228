"""Paging by reference: the answer says where the next page is, as an address or as a token."""

from __future__ import annotations

import copy
from typing import Any
from urllib.parse import urljoin, urlsplit

from dlt.common import jsonpath
from requests import Response

from pipelines.wire.paginators import Paginator, compiled


class ReferencePaginator(Paginator):
    """Base: finds the reference, ends without one, and where the same comes twice."""

    def __init__(self, path: str, more_path: str | None = None) -> None:
        super().__init__()
        self._path = compiled(path)
        self._more_path = compiled(more_path) if more_path else None
        self._next: Any = None
        self._before: Any = None

    def init_request(self, request: Any) -> None:
        """The first page has no reference."""
        del request
        self._has_next_page, self._next, self._before = True, None, None

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Takes the reference from the answer; a page that could not be read has none, so the read breaks off."""
        del data
        if getattr(response, "set_aside", None) is not None:
            self.stop(broken_off=True)
            return
        answer = response.json()
        self.watch(answer)
        self._before, self._next = self._next, self._find(self._path, answer)
        if self._next in (None, "", False) or not self._says_more(answer):
            self.stop()
        elif self._next == self._before:  # it would go round for ever
            self.stop(broken_off=True)

    def _says_more(self, answer: Any) -> bool:
        return self._more_path is None or str(self._find(self._more_path, answer)).lower() in ("true", "1")

    @staticmethod
    def _find(path: Any, answer: Any) -> Any:
        found = jsonpath.find_values(path, answer) if answer else []
        return found[0] if found else None


class NextUrl(ReferencePaginator):
    """The next page's address in the body, absolute or relative; empty, null or absent at the end.

    Sources: `nextRecordsUrl` of Salesforce's query (doc, relative); `urls.next` of VaultRE's lists (spec).

    Args:
        next_url_path: where it stands.
    """

    def __init__(self, next_url_path: str = "next", more_path: str | None = None) -> None:
        super().__init__(next_url_path, more_path)

    def update_request(self, request: Any) -> None:
        """Goes to the next address; a relative one is completed, and the query it carries replaces ours."""
        if not self._has_next_page:
            return
        address = str(self._next)
        request.url = address if urlsplit(address).scheme else urljoin(request.url, address)
        request.params = None


class PageToken(ReferencePaginator):
    """A token in the answer that is sent with the next call.

    Source: `info.next_page_token` and `info.more_records` of Zoho's v8 lists (spec): not combinable with `page`.

    Args:
        token_path: where the answer has it.
        token_param, token_body_path: where the next call sends it.
        more_path: a flag that must be true for there to be more.
        drop: parameters of the first call that must not be sent with a token.
    """

    def __init__(
        self, token_path: str, token_param: str | None = None, token_body_path: str | None = None,
        more_path: str | None = None, drop: list[str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(token_path, more_path)
        self._param, self._body_path, self._drop = token_param, token_body_path, drop or []

    def update_request(self, request: Any) -> None:
        """Sends the token."""
        if not self._has_next_page:
            return
        kept = {k: v for k, v in (request.params or {}).items() if k not in self._drop}
        if self._body_path:
            request.json = copy.deepcopy(request.json or {})
            jsonpath.set_value_at_path(request.json, self._body_path, self._next)
        else:
            kept[self._param or "page_token"] = self._next
        request.params = kept


class Cursor(PageToken):
    """As dlt's `cursor`: the token's path, and the parameter or body path that takes it."""

    def __init__(
        self, cursor_path: str = "cursors.next", cursor_param: str | None = None, cursor_body_path: str | None = None,
        has_more_path: str | None = None,
    ) -> None:  # fmt: skip
        param = cursor_param or (None if cursor_body_path else "cursor")
        super().__init__(cursor_path, param, cursor_body_path, has_more_path)


class OnePage(Paginator):
    """Everything comes in one answer."""

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """That was all."""
        del data
        self.stop(broken_off=getattr(response, "set_aside", None) is not None)

    def update_request(self, request: Any) -> None:
        """Nothing to ask for."""
