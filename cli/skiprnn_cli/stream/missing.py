"""Rows in which values are missing: what becomes of them."""

import math
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from skiprnn.channels import Feature

Row = list[float]  # NaN: there is no value


class Missing(StrEnum):
    """`--missing`."""

    ERROR = "error"
    WAIT = "wait"
    HOLD = "hold"


class NothingToHoldError(ValueError):
    """A value is missing, and so are all before it; the message has the place and the way out."""


def filled(
    rows: Iterable[Row], *, missing: Missing, source: str, channels: Sequence[Feature] = ()
) -> Iterator[Row | None]:
    """The rows, as they come: with WAIT those that lack a value are None, a missed sample; with HOLD they are filled.

    Args:
        source: name of the file, for the message of an error.
        channels: names of the values, for the same.

    Raises:
        NothingToHoldError: HOLD, and a channel has had no value yet.
    """
    last: Row = []
    for t, row in enumerate(rows):
        if not (missing is not Missing.ERROR and any(map(math.isnan, row))):
            last = row
        elif missing is Missing.HOLD:
            last = _held(row, last or row, f"{source}, sample {t}", channels)
        else:
            yield None
            continue
        yield last


def _held(row: Row, last: Row, where: str, channels: Sequence[Feature]) -> Row:
    held = [before if math.isnan(value) else value for value, before in zip(row, last, strict=True)]
    for index, value in enumerate(held):
        if math.isnan(value):
            name = channels[index].name if channels else f"column {index + 1}"
            raise NothingToHoldError(
                f"{where}: expected a value of {name}, since there is none before it to hold; --missing wait takes it"
            )
    return held
