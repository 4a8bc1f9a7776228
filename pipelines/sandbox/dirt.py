"""How real people type: telephone formats, misspellings, placeholders, stray spaces and capitals."""

from __future__ import annotations

import re

from pipelines.sandbox import names, places
from pipelines.sandbox.draw import Draw, Odds

PLACEHOLDER_EMAILS = ("none@none.com", "noemail@noemail.com", "test@test.com", "n/a", "unknown", "x@x.x")
PLACEHOLDER_PHONES = ("555-5555", "(555) 555-5555", "0000000000", "000-000-0000", "1111111111", "N/A", "555-0100")
NOTES = (
    "Called, left voicemail.",
    "Prefers text messages after 5 pm",
    'Said "maybe next spring"; budget ~$650k',
    "Line one\nLine two\r\nthird, with a tab\there",
    "Met at open house — likes the garden 🏡",
    "DO NOT CALL before noon!!",
)

_KEYS = "qwertyuiopasdfghjklzxcvbnm"


_PHONE_STYLES = Odds(
    (30, "({0}) {1}-{2}"),
    (22, "{0}-{1}-{2}"),
    (10, "{0}.{1}.{2}"),
    (12, "{0}{1}{2}"),
    (8, "+1{0}{1}{2}"),
    (4, "1-{0}-{1}-{2}"),
    (5, "+1 {0} {1} {2}"),
    (4, "({0}){1}-{2}"),
    (3, "{0} {1} {2}"),
    (1, "{0}-{1}-{2} x12"),
    (1, "{0}\u2011{1}\u2011{2}"),
)


def phone(draw: Draw, number: str) -> str:
    """Writes an E.164 number the way somebody typed it; foreign numbers keep their country code."""
    if not number.startswith("+1"):
        return draw.pick((number, f"{number[:3]} {number[3:]}", f"00{number[1:]}"))
    return draw.weighted(_PHONE_STYLES).format(number[2:5], number[5:8], number[8:])


def misspell(draw: Draw, text: str) -> str:
    """Returns `text` with one letter left out, doubled, swapped with the next or struck wrongly."""
    if len(text) < 4:
        return text
    at = draw.between(1, len(text) - 2)
    return draw.pick(
        (
            text[:at] + text[at + 1 :],
            text[:at] + text[at] + text[at:],
            text[:at] + text[at + 1] + text[at] + text[at + 2 :],
            text[:at] + draw.pick(_KEYS) + text[at + 1 :],
        )
    )


def name(draw: Draw, native: str, latin: str) -> str:
    """Returns a given name as somebody entered it: full, short, misspelt, in capitals, with a stray space."""
    roll = draw.below(100)
    if roll < 58:
        return native if native != latin and draw.chance(0.5) else latin
    if roll < 72:
        return draw.pick(names.NICKNAMES.get(native, names.NICKNAMES.get(latin, (latin,))))
    if roll < 78:
        return misspell(draw, latin)
    return (latin.upper(), latin.lower(), f" {latin}", f"{latin}  ", native, latin)[roll % 6]


def email(draw: Draw, address: str) -> str:
    """Returns a mail address as somebody typed it."""
    roll = draw.below(100)
    if roll < 84:
        return address
    if roll < 90:
        return address.upper() if roll % 2 else address.capitalize()
    if roll < 94:
        return f" {address} "
    local, _, host = address.partition("@")
    return f"{local}+home@{host}" if host == "gmail.com" else address.replace(".com", ".con") if roll > 98 else address


_SHORTENED = re.compile("|".join(rf" {long_form}\b" for long_form, _ in places.SUFFIXES))
_SHORT = {f" {long_form}": f" {short}" for long_form, short in places.SUFFIXES}


def street(draw: Draw, line: str) -> str:
    """Returns a street line with the suffix shortened, in capitals or dotted, as people do."""
    roll = draw.below(100)
    if roll < 45:
        return line
    if roll < 52:
        return line.lower()
    short = _SHORTENED.sub(lambda match: _SHORT[match[0]], line)
    return short.upper() if roll < 60 else f"{short}." if roll < 70 else short


def from_abroad(number: str) -> str:
    """A number of this world as an office in another country keeps it: with its country code.

    Only whole numbers get one; what is too short to be dialled from elsewhere stays as it was typed.
    """
    digits = "".join(letter for letter in number if letter.isdigit())
    return f"+1 {number}" if len(digits) == 10 and not number.startswith("+") else number
