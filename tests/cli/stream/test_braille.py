"""Curves in braille."""

from hypothesis import given
from hypothesis import strategies as st

from skiprnn_cli.stream.braille import curve

BLANK = "\u2800"


def dots(lines: list[str]) -> list[set[int]]:
    """Which dots of each value's column are set, counted from below."""
    bits = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
    columns = list[set[int]]()
    for index in range(2 * len(lines[0])):
        cells = [ord(line[index // 2]) - 0x2800 for line in reversed(lines)]
        columns.append(
            {
                4 * row + level
                for row, cell in enumerate(cells)
                for level in range(4)
                if cell & bits[index % 2][level]
            }
        )
    return columns


def test_a_rise_goes_from_the_lowest_dot_to_the_highest() -> None:
    assert dots(curve([0, 1, 2, 3], rows=1)) == [{0}, {1}, {2}, {3}]
    assert curve([0, 1, 2, 3], rows=1) == ["⡠⠊"]


def test_a_jump_is_a_line_up_and_a_line_down() -> None:
    assert dots(curve([0, 7, 0], rows=2))[:3] == [{0}, set(range(1, 8)), set(range(7))]


def test_a_flat_curve_lies_at_the_bottom() -> None:
    assert curve([5, 5, 5, 5], rows=2) == [BLANK * 2, "⣀⣀"]


def test_a_curve_of_the_smallest_numbers_has_a_height() -> None:
    assert curve([0.0, 2.225073858507203e-309], rows=1) == curve([0, 1], rows=1)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.integers(1, 4))
def test_every_value_has_a_dot_at_its_height_and_none_above_both_neighbours(
    values: list[float], rows: int
) -> None:
    lines = curve(values, rows)
    assert {len(line) for line in lines} == {(len(values) + 1) // 2}
    assert len(lines) == rows
    low, high = min(values), max(values)
    top, span = 4 * rows - 1, (high - low) or 1.0
    heights = [round((value - low) / span * top) for value in values]
    for index, set_dots in enumerate(dots(lines)[: len(values)]):
        before = heights[index - 1] if index else heights[index]
        assert heights[index] in set_dots
        assert max(set_dots) <= max(before, heights[index])
        assert set_dots == set(range(min(set_dots), max(set_dots) + 1))
