"""A file → a table, or an error that says what the file is."""

import gzip
import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skiprnn.data.read_table import read_table_file
from skiprnn.data.table_file import Kind
from support.table_files import csv_file, parquet_file, samples


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "expected CSV in UTF-8, found an empty file"),
        ("x,label\n1,é\n2,é\n".encode("latin-1"), "expected CSV in UTF-8, found text in another encoding"),
        (
            b"x,label\n" + b"1,a\n" * 9999 + b"1,\xe9\n",
            "expected CSV in UTF-8, found text in another encoding",
        ),
        ("x,label\n1,a\n".encode("utf-16"), "expected CSV in UTF-8, found UTF-16 text"),
        (gzip.compress(b"x,label\n1,a\n", mtime=0), "expected CSV in UTF-8, found gzip"),
        (b"# by a, logger\nx,label,y\n1,a,2\n", "expected CSV, found a comment before the header"),
        (b"x,label\n1,a\n2,b,c\n", "expected CSV, found text: .*Expected 2 fields in line 3, saw 3"),
        (b"x,label\n1,a,7\n2,b,8\n", "expected CSV, found text: .*Length of header"),
        (b"x,label\n", "expected a recording of at least 2 samples, got 0"),
        (b"x, x,label\n1,2,a\n1,2,a\n", r"expected a name for each column, got \['x'\] more than once"),
        (b"ax [g],ax (g)\n1,2\n1,2\n", r".* got \['ax \[g\]'\] more than once"),
    ],
)
def test_a_file_that_is_no_table_says_what_it_is(tmp_path: Path, text: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=rf"run\.csv: {message}"):
        csv_file(tmp_path, text)


def test_a_parquet_file_that_is_cut_short_is_named(tmp_path: Path) -> None:
    parquet_file(tmp_path, x=[1.0, 2.0])
    path = tmp_path / "run.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(
        ValueError, match=r"run\.parquet: expected .*, found one that is cut short or damaged"
    ):
        read_table_file(path, [])
    path.write_bytes(b"x\n1\n")
    with pytest.raises(ValueError, match=r"run\.parquet: expected a Parquet file, found text"):
        read_table_file(path, [])


def test_a_mark_before_the_first_name_does_not_count(tmp_path: Path) -> None:
    file = csv_file(tmp_path, "# label,x\n007,1\n7,2\n")
    assert (file.texts("label"), samples(file, "x")) == (["007", "7"], [[1], [2]])


@pytest.mark.parametrize(
    "text",
    [
        "ax [g];label\n0,5;a\n-1,25;b\n",
        "ax [g]\tlabel\n0,5\ta\n-1,25\tb\n",
        "\ufeffax [g];label\r\n0,5;a\r\n-1,25;b\r\n",
        "\ufeffsep=;\r\nax [g];label\r\n0,5;a\r\n-1,25;b\r\n",
        'ax [g];label\n"0,5";"a"\n"-1,25";"b"\n',
        "ax [g],label\n0.5,a\n-1.25,b\n",
        "ax [g];label\n0.5;a\n-1.25;b\n",
        "ax [g]\tlabel\n0.5\ta\n-1.25\tb\n",
        "\ufeffax [g],label\r\n0.5,a\r\n-1.25,b\r\n",
        'ax [g],label,note\n0.5,a,"x;y;z"\n-1.25,b,"x;y;z"\n',
    ],
)
def test_dialects_say_the_same(tmp_path: Path, text: str) -> None:
    for name, content in (("run.csv", text.encode()), ("run.csv.gz", gzip.compress(text.encode()))):
        (tmp_path / name).write_bytes(content)
        file = read_table_file(tmp_path / name, ["label"])
        assert (samples(file, "ax [g]"), file.texts("label")) == ([[0.5], [-1.25]], ["a", "b"])


def test_commas_that_may_be_thousands_are_an_error_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("x;label\n1,234;a\n5,678;b\n")
    with pytest.raises(
        ValueError, match=r"run\.csv: .* got '1,234' in 'x', which may be both; .* decimal=, or"
    ):
        read_table_file(path)
    assert samples(read_table_file(path, decimal=","), "x") == [[np.float32(1.234)], [np.float32(5.678)]]
    with pytest.raises(ValueError, match="expected numbers in 'x', got '1,234' in row 1"):
        samples(read_table_file(path, decimal="."), "x")


def test_one_cell_tells_that_commas_are_decimal(tmp_path: Path) -> None:
    file = csv_file(tmp_path, "x;label\n1,234;a\n0,678;b\n")
    assert samples(file, "x") == [[np.float32(1.234)], [np.float32(0.678)]]


def test_points_and_commas_in_one_file_are_an_error_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("x;y;label\n1,5;2.5;a\n1,25;2.5;b\n")
    with pytest.raises(
        ValueError, match=r"run\.csv: .* one decimal mark, got '1,5' in 'x' and points in 'y'; say"
    ):
        read_table_file(path)
    file = read_table_file(path, decimal=",")
    assert samples(file, "x") == [[1.5], [1.25]]
    assert file.kind("y") is Kind.WORDS, "a point is no part of a number there"


def test_a_file_that_is_not_packed_as_its_name_says_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.csv.gz"
    packed = gzip.compress(b"x,label\n" + b"1,a\n" * 9999)
    for content in (packed[:-20], packed[:30]):
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match=r"run\.csv\.gz: expected CSV in .*, found .*cut short or damaged"
        ):
            read_table_file(path)
    path.write_bytes(b"x,label\n1,a\n2,b\n")
    with pytest.raises(ValueError, match=r"run\.csv\.gz: expected CSV in gzip, found text"):
        read_table_file(path)


@pytest.mark.parametrize("name", ["x", "ax [g]"])
def test_a_header_that_has_a_name_twice_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=rf"run\.csv: .* got \['{re.escape(name)}'\] more than once"):
        csv_file(tmp_path, f"{name};label;{name}\n1;a;1\n2;b;2\n")


def test_an_index_that_pandas_wrote_is_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [2.0, 1.0, 5.0, 7.0]})
    frame[frame.x > 1].to_parquet(tmp_path / "a.pq")
    assert read_table_file(tmp_path / "a.pq").names == ["__index_level_0__", "x"]
    frame.index = pd.date_range("2024-01-01", periods=4, freq="20ms", name="time")
    frame.to_parquet(tmp_path / "b.pq")
    assert read_table_file(tmp_path / "b.pq").names == ["time", "x"]
    assert frame.reset_index(drop=True).to_parquet(tmp_path / "c.pq") is None
    assert read_table_file(tmp_path / "c.pq").names == ["x"]


def test_a_column_without_a_name_gets_one(tmp_path: Path) -> None:
    assert csv_file(tmp_path, " ,x;y,,label\n1,2,3,a\n1,2,3,b\n").names == [
        "Unnamed: 0",
        "x;y",
        "Unnamed: 2",
        "label",
    ]


def test_decimals_of_parquet_are_numbers(tmp_path: Path) -> None:
    file = parquet_file(tmp_path, x=[None, Decimal("1.5"), Decimal("2.25")])
    assert file.kind("x") is Kind.NUMBERS
    assert file.floats("x")[1:].tolist() == [1.5, 2.25]


def test_a_category_that_no_row_has_is_no_value(tmp_path: Path) -> None:
    file = parquet_file(tmp_path, x=[1, 2], label=pd.Categorical(["a", "b"], categories=["a", "b", "unused"]))
    assert file.texts("label") == ["a", "b"]
    assert parquet_file(tmp_path, x=pd.Categorical([1, 2])).kind("x") is Kind.NUMBERS


def test_labels_keep_their_spelling(tmp_path: Path) -> None:
    assert csv_file(tmp_path, "x,label\n1,007\n2,1.0\n").texts("label") == ["007", "1.0"]
