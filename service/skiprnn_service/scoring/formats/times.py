"""Values of a time column as numbers that order them: numbers, times and dates, or text of these (ISO 8601), durations.

The first value of the column says which of them it holds; with an offset from UTC or without is one of two kinds. A
duration is text such as `0:01:02.5`, as training takes it.
"""

import datetime
import decimal
import math
import re
from collections.abc import Sequence
from typing import Any

from skiprnn_export.channels import CLOCK, parse_number

_DURATION = "duration"
_FRACTION = re.compile(r"[.,](\d+)")


class Times:
    """Reads the values of one time column, in turn.

    Args:
        decimal: the decimal mark of numbers that are text.
    """

    def __init__(self, decimal: str = ".") -> None:
        self._kind: str | None = None
        self._decimal = decimal

    @property
    def are_durations(self) -> bool:
        """Whether the values are text such as `0:01:02.5`, and the keys nanoseconds."""
        return self._kind == _DURATION

    def keys(self, values: Sequence[Any]) -> list[int | float | None]:
        """A number for each value; None: it is missing, or not of the kind that the first one is."""
        return [self._key(value) for value in values]

    def _key(self, value: Any) -> int | float | None:
        kind, key = _of_text(value.strip(), self._decimal) if isinstance(value, str) else _of_number(value)
        self._kind = self._kind or kind
        return key if kind == self._kind else None


def _of_number(value: Any) -> tuple[str | None, int | float | None]:
    """Its kind, and the number; None, None: neither number nor time."""
    if isinstance(value, decimal.Decimal):
        value = float(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return ("number", value) if is_number else (None, None)


def _of_text(text: str, mark: str) -> tuple[str | None, int | float | None]:
    if (number := parse_number(text, mark)) is not None:
        digits = text.lstrip("+-")
        whole = digits.isdigit() and len(digits) < 20 and int(digits) < 2**63  # nanoseconds are no float64
        return _of_number(int(text) if whole else number)
    return (_DURATION, _of_clock(text)) if CLOCK.fullmatch(text) else _of_iso(text)


def _of_clock(text: str) -> int:
    """Nanoseconds of a duration."""
    hours, minutes, seconds = map(int, _FRACTION.sub("", text).split(":"))
    return ((hours * 60 + minutes) * 60 + seconds) * 1_000_000_000 + _fraction(text)


def _fraction(text: str) -> int:
    """Nanoseconds after the whole second."""
    fraction = _FRACTION.search(text)
    return int(fraction[1][:9].ljust(9, "0")) if fraction else 0


def _of_iso(text: str) -> tuple[str | None, int | None]:
    """Nanoseconds since 1970 of a time as ISO 8601 writes it."""
    try:
        moment = datetime.datetime.fromisoformat(_FRACTION.sub("", text, count=1))
    except ValueError:
        return None, None
    kind, zone = ("time", datetime.UTC) if moment.tzinfo is None else ("time with an offset", moment.tzinfo)
    since = moment.replace(tzinfo=zone) - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return kind, (since.days * 86_400 + since.seconds) * 1_000_000_000 + _fraction(text)
