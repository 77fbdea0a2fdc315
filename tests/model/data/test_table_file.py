"""A table of a file: numbers in the order of the features, or an error that names the file and the row."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skiprnn.data.gaps import Missing
from skiprnn.data.table_file import Kind
from support.table_files import csv_file, parquet_file, samples


@pytest.mark.parametrize(
    "header", ["ax [g],ay [g],label", "ay [g],ax [g],label", " ay, ax ,label", "ay,label,ax"]
)
def test_channels_are_found_by_name_in_any_order(tmp_path: Path, header: str) -> None:
    cells = {"ax": "1", "ay": "2", "label": "a"}
    row = ",".join(cells[name.strip().split(" ")[0]] for name in header.split(","))
    file = csv_file(tmp_path, f"{header}\n{row}\n{row}\n")
    assert samples(file, "ax [g]", "ay [g]") == [[1, 2]] * 2


def test_another_unit_is_another_channel(tmp_path: Path) -> None:
    file = csv_file(tmp_path, "ax [m/s²],label\n1,a\n2,a\n")
    with pytest.raises(ValueError, match=r"run\.csv: .*\['ax \[g\]'\] are missing"):
        samples(file, "ax [g]")


@pytest.mark.parametrize("cell", ["1_000", "0x1F", "0b1", '"1,013.2"', "ERR", "n/a", "True"])
def test_another_dialect_of_numbers_is_an_error_with_row_and_column(tmp_path: Path, cell: str) -> None:
    file = csv_file(tmp_path, f"x,label\n1,a\n{cell},a\n")
    assert file.kind("x") is Kind.MIXED
    with pytest.raises(ValueError, match=r"expected numbers in 'x', got '.*' in row 2; "):
        samples(file, "x")


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e39", "1e999"])
def test_a_number_that_no_float32_holds_is_an_error(tmp_path: Path, cell: str) -> None:
    with pytest.raises(ValueError, match=r"run\.csv: expected .*numbers in 'x', got .* in row 2"):
        samples(csv_file(tmp_path, f"x,label\n1,a\n{cell},a\n"), "x")


@pytest.mark.parametrize("cell", ["", "nan", "NaN", " "])
def test_a_missing_number_is_an_error_with_row_and_column(tmp_path: Path, cell: str) -> None:
    file = csv_file(tmp_path, f"x,label\n1,a\n{cell},a\n")
    with pytest.raises(ValueError, match=r"a value in row 2 of 'x', found none; missing=interpolate"):
        samples(file, "x")
    assert np.isnan(file.finite("x", Missing.HOLD)).tolist() == [False, True]


def test_blanks_around_numbers_do_not_count(tmp_path: Path) -> None:
    assert samples(csv_file(tmp_path, "x,label\n 1 ,a\n2 ,a\n"), "x") == [[1], [2]]


@pytest.mark.parametrize("name", ["None", "NA", "null", "nan", "NaN", "n/a", "N/A"])
def test_only_an_empty_cell_of_a_label_is_missing(tmp_path: Path, name: str) -> None:
    assert csv_file(tmp_path, f"x,label\n1,{name}\n2,{name}\n").whole_texts("label") == [name, name]
    empty = csv_file(tmp_path, f"x,label\n1,{name}\n2, \n")
    assert empty.texts("label") == [name, ""]
    with pytest.raises(ValueError, match="expected a value in row 2 of 'label'"):
        empty.whole_texts("label")


def test_types_of_parquet_are_read(tmp_path: Path) -> None:
    file = parquet_file(
        tmp_path,
        x=[1.0, 2.0],
        whole=pd.array([1, 2], dtype="Int64"),
        on=[True, False],
        digits=["1", "2"],
        took=pd.to_timedelta([1, 2], unit="s"),
        when=pd.to_datetime(["2024-01-01", "2024-01-02"]),
        none=[None, None],
        label=[b"a", b"b"],
    )
    kinds = {name: file.kind(name) for name in file.names}
    assert [name for name, kind in kinds.items() if kind is Kind.NUMBERS] == ["x", "whole"]
    assert [name for name, kind in kinds.items() if kind is Kind.TIMES] == ["took", "when"]
    assert [name for name, kind in kinds.items() if kind is Kind.WORDS] == ["on", "digits", "label"]
    assert kinds["none"] is Kind.EMPTY
    assert samples(file, "whole", "x") == [[1, 1], [2, 2]]
    assert file.texts("label") == ["a", "b"]


def test_a_file_without_a_header_says_so(tmp_path: Path) -> None:
    file = csv_file(tmp_path, "0.1,a\n0.2,a\n0.3,a\n")
    with pytest.raises(
        ValueError, match=r"none named \['label'\] among .*; expected names in .* found numbers"
    ):
        file.texts("label")


def test_a_comment_before_the_header_is_said(tmp_path: Path) -> None:
    file = csv_file(tmp_path, "# a logger\nx\n1\n2\n")
    with pytest.raises(ValueError, match=r"none named \['label'\] .* found a comment before the header"):
        file.texts("label")


def test_a_word_among_decimal_commas_is_named_with_its_row(tmp_path: Path) -> None:
    file = csv_file(tmp_path, "x;label\n0,5;a\nERR;b\n")
    with pytest.raises(ValueError, match=r"expected numbers in 'x', got 'ERR' in row 2"):
        samples(file, "x")


def test_rows_of_a_part_keep_their_numbers(tmp_path: Path) -> None:
    part = csv_file(tmp_path, "x,label\n1,a\n2,b\nERR,a\n").part(np.array([0, 2]))
    assert (part.row(1), part.texts("label")) == (3, ["a", "a"])
    with pytest.raises(ValueError, match="got 'ERR' in row 3"):
        samples(part, "x")


@pytest.mark.parametrize("cell", ["1,5", "1.234,5", "1,013.2"])
def test_numbers_of_another_dialect_are_an_error_not_words(tmp_path: Path, cell: str) -> None:
    file = csv_file(tmp_path, f'x,label\n"{cell}",a\n"{cell}",b\n')
    with pytest.raises(ValueError, match=f"expected numbers in 'x', got '{cell}' in row 1"):
        samples(file, "x")
