"""Numbers as text: the one rule of every table that is read, for training, streams, scoring and the dashboard.

A number is decimal digits with an optional sign, decimal point and exponent: `-1`, `0.5`, `2e-3`. There are no
underscores, hexadecimal or binary digits, thousands separators, NaN or infinity. Blanks around it do not count.
`page/channels.js` holds the same rule; `tests/support/table_cases.json` holds both to it. In a file that has decimal
commas (`skiprnn.dialect`), a comma stands for the point, and a point for nothing.
"""

import math
import re

NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"  # a pattern, for any library
CLOCK = re.compile(r"\d+:[0-5]\d:[0-5]\d(?:[.,]\d+)?", re.ASCII)  # a duration: 0:01:02.5

_NUMBER = re.compile(NUMBER)
_DIALECTS = re.compile(
    r"[+-]?(?:0[xob][\da-f_]+|(?=[.,'_]*\d)[\d.,'_]+(?:e[+-]?\d+)?|nan|inf(?:inity)?)",
    re.ASCII | re.IGNORECASE,
)


def parse_number(text: str, decimal: str = ".") -> float | None:
    """The finite number that a text is; None: it is none.

    Args:
        decimal: what stands between its whole part and the rest, a point or a comma.
    """
    text = text.strip()
    if decimal != ".":
        text = text.replace(".", "_").replace(decimal, ".")
    if _NUMBER.fullmatch(text) is None:
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def looks_like_a_number(text: str) -> bool:
    """Whether somebody meant a number, in this dialect or another: `1_000`, `0x1F`, `1,5` and `nan` are no names."""
    return _DIALECTS.fullmatch(text.strip()) is not None
