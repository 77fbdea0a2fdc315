"""Curves in braille characters: two values side by side in a character, four dots high."""

from collections.abc import Sequence

_BLANK = 0x2800
_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))  # of the left and the right value, from below


def curve(values: Sequence[float], rows: int) -> list[str]:
    """Lines of text, the top one first, from the smallest value at the bottom to the largest at the top.

    Neighbours are joined, so that a steep flank is a line and not two dots. A flat curve lies at the bottom.

    Args:
        values: at least one.
        rows: lines of text.
    """
    low, high = min(values), max(values)
    top, span = 4 * rows - 1, (high - low) or 1.0
    heights = [round((value - low) / span * top) for value in values]  # top / span may be infinite
    cells = [[_BLANK] * ((len(values) + 1) // 2) for _ in range(rows)]
    for index, height in enumerate(heights):
        for dot in _span(heights[index - 1] if index else height, height):
            row, level = divmod(dot, 4)
            cells[rows - 1 - row][index // 2] |= _DOTS[index % 2][level]
    return ["".join(map(chr, line)) for line in cells]


def _span(before: int, height: int) -> range:
    """Dots of a value: its own, and those that join it to the one before, exclusive."""
    if height > before:
        return range(before + 1, height + 1)
    return range(height, max(before, height + 1))
