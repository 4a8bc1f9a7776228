"""What the values of a sample look like: an e-mail address, a telephone number, a date in some format."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Kind = Literal["email", "phone", "date", "timestamp", "boolean", "integer", "decimal", "text", "empty"]

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_PHONE = re.compile(r"[+(]?\d[\d\s().+/-]{5,}(\s*(x|ext\.?)\s*\d+)?", re.IGNORECASE)
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_ISO_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?\s?(Z|[+-]\d{2}:?\d{2})?")
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_DECIMAL = re.compile(r"[+-]?\d{1,15}\.\d+")
_FORMATS = (
    "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d %b %Y", "%b %d, %Y", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M",
    "%m/%d/%Y %I:%M %p", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M",
)  # fmt: skip
_YES_NO = {"true": True, "false": False, "yes": True, "no": False, "y": True, "n": False, "1": True, "0": False}


@dataclass(frozen=True)
class Look:
    """What all values have in common. `time_format` as in a mapping; `doubt` is another format that fits as well."""

    kind: Kind
    time_format: str | None = None
    doubt: str | None = None


def look_of(values: Sequence[Any]) -> Look:
    """The look that all values which are not empty share."""
    filled = [value for value in values if value is not None and value != ""]
    if not filled:
        return Look("empty")
    if all(isinstance(value, bool) for value in filled):
        return Look("boolean")
    texts = [str(value).strip() for value in filled]
    for kind, fits in _KINDS:
        if all(fits(text) for text in texts):
            return Look(kind)
    formats = [f for f in _FORMATS if all(_parses(text, f) for text in texts)]
    if formats:
        return Look("timestamp" if "%H" in formats[0] or "%I" in formats[0] else "date", *formats[:2])
    return Look("text")


def epoch_format(values: Sequence[Any]) -> str | None:
    """epoch_seconds or epoch_ms, where all values are numbers of this century in one of them."""
    numbers = [int(str(value)) for value in values if _INTEGER.fullmatch(str(value))]
    if not numbers or len(numbers) != len([v for v in values if v not in (None, "")]):
        return None
    for name, scale in (("epoch_seconds", 1), ("epoch_ms", 1000)):
        if all(946_684_800 * scale <= number < 4_102_444_800 * scale for number in numbers):
            return name
    return None


def yes_no(values: Sequence[Any]) -> dict[str, bool] | None:
    """Their words for true and false, where there is nothing else and not both in the same words."""
    words = {str(value) for value in values if value is not None and value != ""}
    if not words or not all(word.strip().lower() in _YES_NO for word in words):
        return None
    return {word: _YES_NO[word.strip().lower()] for word in sorted(words)}


def _is_phone(text: str) -> bool:
    has_mark = bool(re.search(r"[\s().+/-]", text))
    return has_mark and bool(_PHONE.fullmatch(text)) and 7 <= len(re.sub(r"\D", "", text)) <= 20


_KINDS: tuple[tuple[Kind, Callable[[str], bool]], ...] = (
    ("email", lambda text: bool(_EMAIL.fullmatch(text))),
    ("date", lambda text: bool(_ISO_DATE.fullmatch(text))),
    ("timestamp", lambda text: bool(_ISO_TIME.fullmatch(text))),
    ("integer", lambda text: bool(_INTEGER.fullmatch(text))),
    ("decimal", lambda text: bool(_DECIMAL.fullmatch(text) or _INTEGER.fullmatch(text))),
    ("phone", lambda text: not _parses_any(text) and _is_phone(text)),
)


def _parses_any(text: str) -> bool:
    return any(_parses(text, f) for f in _FORMATS)


def _parses(text: str, time_format: str) -> bool:
    try:
        datetime.strptime(text, time_format)
    except ValueError:
        return False
    return True
