"""Whether an answer can be read, and what it says."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

EMPTY_STATUSES = (204, 304)
_LONE_SURROGATE = re.compile(
    r"(?<!\\)((?:\\\\)*)(?:\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)


class Unreadable(ValueError):  # noqa: N818 - says what the answer is
    """An answer with a good status that is no JSON."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason)
        self.reason, self.text = reason, text


def parse(response: Any) -> Any:
    """The answer's JSON; None for an answer without a body (204, 304, or nothing at all).

    Where the body is JSON only to a lenient reader (byte order mark, another charset, half a surrogate pair), the
    response's content is replaced by strict JSON of the same meaning, so that whoever reads the bytes can.

    Raises:
        Unreadable: HTML, truncated, or no JSON for another reason.
    """
    content: bytes = response.content
    if response.status_code in EMPTY_STATUSES or not content.strip():
        return None
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        strict = mended(content, response.encoding)
    try:
        found = orjson.loads(strict)
    except orjson.JSONDecodeError as problem:
        raise Unreadable(_reason(response, strict, problem), strict[:2000].decode("utf-8", "replace")) from None
    response._content = strict
    return found


def mended(content: bytes, charset: str | None) -> bytes:
    """The same text as strict UTF-8 JSON: no byte order mark, no half surrogates, no NaN."""
    text = _decoded(content, charset).lstrip("\ufeff")
    text = _LONE_SURROGATE.sub(lambda m: m[1] + r"\ufffd", text)
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            lenient = json.loads(text, parse_constant=lambda _: None)
            return json.dumps(lenient, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            pass
    return text.encode("utf-8", "replace")


def _decoded(content: bytes, charset: str | None) -> str:
    for encoding in ("utf-8-sig", charset or "utf-8"):
        try:
            return content.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return content.decode("utf-8", "replace")


def _reason(response: Any, content: bytes, problem: Exception) -> str:
    kind = response.headers.get("Content-Type", "")
    start = content.lstrip()[:100].lower()
    if start.startswith((b"<!doctype", b"<html", b"<")):
        return f"status {response.status_code} with HTML instead of JSON"
    if start[:1] in (b"{", b"["):
        return f"truncated or broken JSON ({problem})"
    return f"no JSON ({kind or 'no content type'})"
