"""What separates the cells of a table, and its decimal mark."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.data.dialect import SEPARATORS, has_decimal_commas, separator_of
from skiprnn.data.read_table import read_table_file

CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=6)
NUMBERS = st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=2, max_size=9)


def written(folder: Path, rows: list[list[str]], separator: str) -> Path:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows(rows)
    (folder / "run.csv").write_text(text.getvalue(), encoding="utf-8", newline="")
    return folder / "run.csv"


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5), st.sampled_from(SEPARATORS))
def test_a_table_of_any_cells_is_split_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], separator: str
) -> None:
    path = written(tmp_path_factory.mktemp("data"), [["first", "second"], *map(list, rows)], separator)
    assert separator_of(path) == separator


@given(NUMBERS, st.sampled_from(SEPARATORS), st.sampled_from([".", ","]))
def test_numbers_are_read_back_in_every_dialect(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, float]], separator: str, decimal: str
) -> None:
    if separator == ",":
        decimal = "."
    cells = [[repr(value).replace(".", decimal) for value in row] for row in rows]
    path = written(tmp_path_factory.mktemp("data"), [["x", "y"], *cells], separator)
    file = read_table_file(path, decimal=decimal)
    assert [file.floats(name).tolist() for name in "xy"] == [
        list(column) for column in zip(*rows, strict=True)
    ]


def test_the_most_even_separator_wins(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("name, unit;x\na, b;1\nc;2\n")
    assert separator_of(path) == ";"
    path.write_text("x\n1\n2\n")
    assert separator_of(path) == ","
    assert separator_of(path, ",") == ";"


def test_decimal_commas_separate_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("x,label\n1,5,a\n")
    with pytest.raises(ValueError, match="expected semicolons or tabs between cells beside decimal commas"):
        separator_of(path, ",")
    with pytest.raises(ValueError, match=r"run\.csv: expected semicolons"):
        read_table_file(path, decimal=",")


@pytest.mark.parametrize(
    ("cells", "commas"),
    [
        (["1,5"], True),
        (["1,234", "0,234"], True),
        (["1,234", "1234,567"], True),
        (["a,5", "x"], False),
        ([], False),
    ],
)
def test_cells_tell_whether_commas_are_decimal(cells: list[str], commas: bool) -> None:
    assert has_decimal_commas({"x": cells}, []) == commas
