"""Values of a time column as numbers that order them: numbers, times and dates, or text of these (ISO 8601).

The first value of the column says which of them it holds; with an offset from UTC or without is one of two kinds.
"""

import datetime
import decimal
import math
import re
from collections.abc import Sequence
from typing import Any

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_FRACTION = re.compile(r"[.,](\d+)")


class Times:
    """Reads the values of one time column, in turn."""

    def __init__(self) -> None:
        self._kind: str | None = None

    def keys(self, values: Sequence[Any]) -> list[int | float | None]:
        """A number for each value; None: it is missing, or not of the kind that the first one is."""
        return [self._key(value) for value in values]

    def _key(self, value: Any) -> int | float | None:
        kind, key = _key_of(value.strip() if isinstance(value, str) else value)
        self._kind = self._kind or kind
        return key if kind == self._kind else None


def _key_of(value: Any) -> tuple[str | None, int | float | None]:
    """Its kind, and the number; None, None: neither number nor time."""
    if isinstance(value, bool):
        return None, None
    if isinstance(value, decimal.Decimal):
        value = float(value)
    if isinstance(value, int | float):
        return ("number", value) if math.isfinite(value) else (None, None)
    if not isinstance(value, str):
        return None, None
    if _NUMBER.fullmatch(value):
        digits = value.lstrip("+-")
        whole = digits.isdigit() and len(digits) < 20 and int(digits) < 2**63  # nanoseconds are no float64
        return _key_of(int(value) if whole else float(value))
    return _of_iso(value)


def _of_iso(text: str) -> tuple[str | None, int | None]:
    """Nanoseconds since 1970 of a time as ISO 8601 writes it."""
    fraction = _FRACTION.search(text)
    digits = fraction[1][:9].ljust(9, "0") if fraction else "0"
    try:
        moment = datetime.datetime.fromisoformat(_FRACTION.sub("", text, count=1))
    except ValueError:
        return None, None
    kind, zone = ("time", datetime.UTC) if moment.tzinfo is None else ("time with an offset", moment.tzinfo)
    since = moment.replace(tzinfo=zone) - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return kind, (since.days * 86_400 + since.seconds) * 1_000_000_000 + int(digits)
