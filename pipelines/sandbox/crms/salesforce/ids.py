"""Record ids: 15 characters that tell capitals from small letters, and 3 more for those who do not."""

from __future__ import annotations

import re
import string

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_CHECK = string.ascii_uppercase + "012345"
ORGANISATION = "00D5g0000000001EAA"


def record_id(prefix: str, number: int) -> str:
    """Returns the id of 18 characters of a record; later numbers sort behind earlier ones."""
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    return whole(f"{prefix}5g0{digits.rjust(9, '0')}")


def whole(short: str) -> str:
    """Returns the 18 characters for 15: each of three blocks of five adds one that tells which are capitals."""
    blocks = (short[0:5], short[5:10], short[10:15])
    bits = (sum(1 << place for place, letter in enumerate(block) if letter.isupper()) for block in blocks)
    return short + "".join(_CHECK[each] for each in bits)


def looked_up(given: object) -> str | None:
    """Returns the 18 characters of an id given with 15 or 18; None for what is no id."""
    text = str(given)
    if re.fullmatch(r"[0-9A-Za-z]{15}", text):
        return whole(text)
    return text if re.fullmatch(r"[0-9A-Za-z]{18}", text) and whole(text[:15]) == text else None
