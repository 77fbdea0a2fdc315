"""What separates the cells of a table, and its decimal mark."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.channels import feature_of
from skiprnn.data.read_table import read_table_file
from skiprnn.dialect import SEPARATORS, decimal_of, first_lines, has_decimal_commas, open_text, separator_of
from support.table_cases import CASES

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
    with open_text(path) as file:
        assert separator_of(first_lines(file)) == separator


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


def test_the_most_even_separator_wins() -> None:
    assert separator_of(["name, unit;x", "a, b;1", "c;2"]) == ";"
    assert separator_of(["x", "1", "2"]) == ","
    assert separator_of(["x", "1", "2"], ",") == ";"


def test_without_names_the_number_of_features_tells() -> None:
    assert separator_of(["1,5;2,5", "3,5;4,5"]) == ","
    assert separator_of(["1,5;2,5", "3,5;4,5"], width=2) == ";"
    assert separator_of(["1,5", "2,5"], ",", width=1) == ";"


def test_decimal_commas_separate_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("x,label\n1,5,a\n")
    with pytest.raises(ValueError, match="expected semicolons or tabs between cells beside decimal commas"):
        separator_of(["x,label", "1,5,a"], ",")
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


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False).map(repr)), st.sampled_from([".", ","]))
def test_the_decimal_mark_of_cells_is_that_they_were_written_with(cells: list[str], decimal: str) -> None:
    marked = [cell.replace(".", decimal) for cell in cells]
    try:
        told = decimal_of(marked)
    except ValueError:
        assert decimal == ","  # 1,234 alone
    else:
        assert told == (decimal if any(decimal in cell for cell in marked) else "")


@pytest.mark.parametrize(
    ("cells", "decimal"),
    [(["7", "1,234", "0,5"], ","), (["1,234", "2.5"], "."), (["a,5", "1,2.5", "7"], ""), ([".5"], ".")],
)
def test_the_first_cell_that_tells_decides(cells: list[str], decimal: str) -> None:
    assert decimal_of(cells) == decimal


def test_cells_that_may_be_thousands_tell_nothing() -> None:
    with pytest.raises(ValueError, match="got '1,234', which may be both"):
        decimal_of(["7", "1,234", "5,678"])


@pytest.mark.parametrize("line", ["sep=;\r\n", "\ufeffsep=,\n"])
def test_a_line_for_excel_is_no_row(line: str) -> None:
    assert first_lines([line, "\n", "x;y\n"]) == ["x;y\n"]


@pytest.mark.parametrize("case", [case for case in CASES["dialects"] if "no_names" not in case], ids=str)
def test_training_reads_every_dialect_as_everywhere(tmp_path: Path, case: dict[str, Any]) -> None:
    path = tmp_path / "run.csv"
    path.write_text(case["text"], encoding="utf-8", newline="")
    features = [feature_of(name) for name in case["features"]]
    if case["rows"] is None:
        with pytest.raises(ValueError, match=r"run\.csv: expected"):
            read_table_file(path, rows=1).samples(features)
    else:
        expected = np.array(case["rows"], np.float32)
        np.testing.assert_array_equal(read_table_file(path, rows=1).samples(features), expected)


def test_a_line_longer_than_a_cell_may_be_is_divided_by_what_divides_it() -> None:
    line = ",".join(["0.5"] * 60_000)  # as one cell, more than the csv module takes
    assert separator_of([line, line]) == ","
    assert separator_of([line.replace(",", ";")] * 2) == ";"
    assert separator_of(["x" * 200_000]) == ","
