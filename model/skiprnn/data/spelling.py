"""One spelling for what is the same: `a` and ` a`, `1`, `1.0` and `01`, bytes and text."""

import unicodedata
from collections.abc import Iterable
from decimal import Decimal

from skiprnn.numerals import parse_number


def text_of(value: object) -> str:
    """A cell's text as it was written; empty where it is missing."""
    if value is None or value != value:  # NaN
        return ""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def one_spelling(texts: Iterable[str]) -> dict[str, str]:
    """Text → the spelling of all that are the same: without blanks around it, of equal numbers the shortest."""
    alike: dict[object, set[str]] = {}
    for text in texts:
        alike.setdefault(_key(text), set()).add(text)
    return {text: _best(same) for same in alike.values() for text in same}


def merged(spellings: dict[str, str]) -> list[str]:
    """What `one_spelling` changed, for a message: `' a' is 'a'`."""
    return [f"{text!r} is {best!r}" for text, best in sorted(spellings.items()) if text != best]


def _key(text: str) -> object:
    """Equal for texts that are the same; two whole numbers that float64 cannot tell apart are not."""
    stripped = _stripped(text)
    return stripped if parse_number(stripped) is None else Decimal(stripped)


def _best(same: set[str]) -> str:
    return min(map(_stripped, same), key=lambda text: (len(text), text))


def _stripped(text: str) -> str:
    return unicodedata.normalize("NFC", text.strip())
