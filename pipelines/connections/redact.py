"""Takes secrets out of every text that leaves the program: log records, errors, tables."""

from __future__ import annotations

import base64
import json
import logging
import re
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any
from urllib.parse import quote

MASK = "***"
SHORTEST = 4
_MOST_PAIRED = 12

_NAMES = (
    r"access[_-]?token|refresh[_-]?token|id[_-]?token|client[_-]?secret|api[_-]?key|apikey|x-api-key|password|passwd"
    r"|secret|authorization[_-]?code|session[_-]?id|private[_-]?key|assertion"
)
# What looks like a secret wherever it stands, known or not: (pattern, replacement).
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)\b(proxy-)?(authorization)(\\?[\"']?\s*[:=]\s*\\?[\"']?)(?!\s)[^\r\n\"']+"), rf"\1\2\3{MASK}"),
    (re.compile(r"(?i)\b(bearer|[\w-]*oauthtoken|token token=)(\s*)[A-Za-z0-9._~+/=:-]{8,}"), rf"\1\2{MASK}"),
    (re.compile(rf"(?i)({_NAMES})(\\?[\"']\s*:\s*\\?[\"'])[^\"'\\]+"), rf"\1\2{MASK}"),
    (re.compile(rf"(?i)\b({_NAMES})(=|%3D|:\s?)(?![\s\"'])[^&\s\"'<>,;)}}\]]+"), rf"\1\2{MASK}"),
    (re.compile(r"(?i)(https?://[^/\s:@]+:)[^/\s@]+@"), rf"\1{MASK}@"),
)


class Redactor(logging.Filter):
    """Replaces each secret, in every form it may travel in, by `***`.

    A secret of fewer than four characters is left alone: it would be in half of all words.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Hide these, too: tokens that a CRM hands out while the program runs."""
        self._secrets |= {s for s in secrets if len(s) >= SHORTEST and s.strip()}
        forms = {form for form in _all_forms(self._secrets) if len(form) >= SHORTEST}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, value: object) -> str:
        """`str(value)` without secrets."""
        said = self._without_known(str(value))
        for pattern, replacement in _PATTERNS:
            said = pattern.sub(replacement, said)
        return self._without_known(said)

    def _without_known(self, said: str) -> str:
        before = None
        while self._pattern is not None and said != before:  # two halves may meet where a secret was taken out
            before, said = said, self._pattern.sub(MASK, said)
        return said

    def data(self, value: Any) -> Any:
        """A JSON-like value without secrets in any text of it, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(k) if isinstance(k, str) else k: self.data(v) for k, v in value.items()}
        return [self.data(v) for v in value] if isinstance(value, list | tuple) else value

    def error(self, error: BaseException) -> str:
        """The whole traceback, causes included, without secrets."""
        return self.text("".join(traceback.format_exception(error)).rstrip())

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean one log record in place; it is always let through."""
        record.msg, record.args = self.text(_message(record)), ()
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = self.error(record.exc_info[1])
        elif record.exc_text:
            record.exc_text = self.text(record.exc_text)
        record.exc_info = None
        if record.stack_info:
            record.stack_info = self.text(record.stack_info)
        for key, value in vars(record).items():
            if isinstance(value, str | dict | list) and key not in ("msg", "exc_text", "stack_info"):
                setattr(record, key, self.data(value))
        return True

    @contextmanager
    def in_all_logs(self) -> Iterator[None]:
        """Clean every record as it is made, whichever logger or library makes it."""
        make = logging.getLogRecordFactory()

        def make_clean(*args: Any, **more: Any) -> logging.LogRecord:
            record = make(*args, **more)
            self.filter(record)
            return record

        logging.setLogRecordFactory(make_clean)
        try:
            yield
        finally:
            logging.setLogRecordFactory(make)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} {record.args}"  # a log call with the wrong arguments must not stop the program


def _all_forms(secrets: set[str]) -> Iterator[str]:
    for secret in secrets:
        yield from _forms(secret)
    paired = sorted(secrets)[:_MOST_PAIRED]
    for user, password in product(paired, repeat=2):
        yield from _base64(f"{user}:{password}")


def _forms(secret: str) -> Iterator[str]:
    yield secret
    for quoted in (_quoted(secret, "/"), _quoted(secret, ""), _quoted(secret, "").replace("%20", "+")):
        yield quoted
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quoted)
    for text in (json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret)):
        yield text[1:-1]
    yield from _base64(secret)
    for pair in (f"{secret}:", f":{secret}", f"{secret}:x", f"{secret}:X"):  # a key as user or password of basic auth
        yield from _base64(pair)


def _quoted(text: str, safe: str) -> str:
    return quote(text, safe=safe, errors="surrogatepass")


def _base64(text: str) -> Iterator[str]:
    raw = text.encode("utf-8", "surrogatepass")
    for encoded in (base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
        yield encoded.decode().rstrip("=")
