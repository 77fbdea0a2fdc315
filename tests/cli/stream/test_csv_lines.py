"""CSV → samples: what is read, and what an error says."""

import numpy as np
import pytest

from skiprnn.channels import feature_of
from skiprnn.dialect import Dialect
from skiprnn_cli.stream.csv_lines import CsvError, read_samples
from skiprnn_cli.stream.missing import Missing


def read(text: str, features: int = 2) -> list[list[float]]:
    return list(read_samples(text.splitlines(keepends=True), features, source="run.csv"))


@pytest.mark.parametrize(
    "text",
    [
        "1,2\n3,4\n",
        "ax,ay\n1,2\n3,4",
        "\n ax , ay \n\n1, 2.0\n3e0,4\n\n",
        '"ax","ay"\n"1","2"\n3,4\n',
        "1,2\r\n3,4\r\n",
    ],
)
def test_samples_are_read_with_or_without_names(text: str) -> None:
    assert read(text) == [[1, 2], [3, 4]]


def test_lines_are_read_as_they_come() -> None:
    lines = iter(["1,2\n", "3,4\n"])
    samples = read_samples(lines, 2, source="-")
    assert next(samples) == [1, 2]
    assert next(lines) == "3,4\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3,x\n", "run.csv, line 2, column 2: expected a number, got 'x'"),
        (
            "ax,ay\n1,2\n\n3,\n",
            "run.csv, line 4, column 2 (ay): expected a number, got ''; --missing wait or hold",
        ),
        (
            "ax,ay\n1,nan\n",
            "run.csv, line 2, column 2 (ay): expected a number, got 'nan'; --missing wait or hold",
        ),
        ("1,inf\n", "run.csv, line 1, column 2: expected a number, got 'inf'"),
        ("1,x\n", "run.csv, line 1, column 2: expected a number, got 'x'"),
        ("ax,ay\nax,ay\n", "run.csv, line 2, column 1 (ax): expected a number, got 'ax'"),
        ("1,2,3\n", "run.csv, line 1: expected 2 columns, as the model has features, got 3"),
        ("1,2\n3\n", "run.csv, line 2: expected 2 columns, as the model has features, got 1"),
    ],
)
def test_a_bad_line_is_named_with_its_column(text: str, message: str) -> None:
    with pytest.raises(CsvError) as caught:
        read(text)
    assert str(caught.value).removesuffix(" takes such rows") == message


@pytest.mark.parametrize("missing", [Missing.WAIT, Missing.HOLD])
def test_empty_cells_are_nan_where_they_are_asked_for(missing: Missing) -> None:
    lines = ["ax,ay\n", "1,2\n", " ,4\n", ",nan\n"]
    rows = np.array(list(read_samples(lines, 2, source="-", missing=missing)))
    np.testing.assert_array_equal(rows, np.array([[1, 2], [np.nan, 4], [np.nan, np.nan]]))
    with pytest.raises(CsvError, match="line 1, column 1: expected a number, got 'inf'"):
        list(read_samples(["inf,1\n"], 2, source="-", missing=missing))


def test_what_came_before_a_bad_line_is_read() -> None:
    samples = read_samples(["1,2\n", "x,4\n"], 2, source="-")
    assert next(samples) == [1, 2]
    with pytest.raises(CsvError):
        next(samples)


def by_name(text: str, *features: str) -> tuple[list[list[float]], list[str]]:
    """The samples, and what was said."""
    channels, said = [feature_of(name) for name in features], list[str]()
    lines = text.splitlines(keepends=True)
    samples = read_samples(lines, len(features), source="run.csv", channels=channels, notice=said.append)
    return list(samples), said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ax,ay\n1,2\n", []),
        ("ay [g],ax [g]\n2,1\n", []),
        (" ay, ax\n2,1\n", []),
        ("\ufeffay,ax\n2,1\n", []),
        ("label,ay,t,ax\nwalk,2,x,1\n", ["run.csv: columns left out: label, t"]),
        ("p,q\n1,2\n", []),
        ("1,2\n", []),
    ],
)
def test_a_first_line_of_names_says_where_the_channels_stand(text: str, said: list[str]) -> None:
    assert by_name(text, "ax [g]", "ay [g]") == ([[1, 2]], said)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "t,ay\n1,2\n",
            "run.csv, line 1: expected a column for every feature, or none of their names: ['ax [g]'] are",
        ),
        ("ax [m/s²],ay\n1,2\n", "['ax [g]'] are missing, ['ax [m/s²]'] are none of them"),
        ("p,q,label\n1,2,3\n", "run.csv, line 1: expected 2 columns, as the model has features, got 3"),
        ("ax,ay,label\n1,2\n", "run.csv, line 2: expected 3 columns, as the first line has names, got 2"),
        ("label,ay,ax\n1,2,3\nx,0x1F,1\n", "run.csv, line 3, column 2 (ay): expected a number, got '0x1F'"),
        ("1_000,2\n", "run.csv, line 1, column 1: expected a number, got '1_000'"),
        ('1,"1,013.2"\n', "run.csv, line 1, column 2: expected a number, got '1,013.2'"),
        ("0b1,1\n", "run.csv, line 1, column 1: expected a number, got '0b1'"),
        ("", "run.csv: expected a sample a line, found none"),
        ("ax,ay\n\n", "run.csv: expected a sample a line, found none"),
        ('1,"' + "x" * 200_000 + '"\n', "run.csv, line 1: expected CSV: field larger than field limit"),
    ],
)
def test_a_file_that_does_not_fit_the_features_is_an_error(text: str, message: str) -> None:
    with pytest.raises(CsvError) as caught:
        by_name(text, "ax [g]", "ay [g]")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["ax;ay\n1,5;2\n3;0,25\n", "\ufeffsep=\t\nax\tay\n1,5\t2\n3\t0,25\n", "1,5;2,0\n3;0,25\n"],
)
def test_a_pipe_tells_its_dialect_as_it_comes(text: str) -> None:
    lines = iter(text.splitlines(keepends=True))
    samples = read_samples(lines, 2, source="-")
    assert next(samples) == [1.5, 2]
    assert list(lines) == ["3;0,25\n".replace(";", "\t" if "\t" in text else ";")]


def test_a_pipe_whose_first_marks_tell_nothing_is_an_error() -> None:
    with pytest.raises(CsvError, match=r"-, line 3: .* got '1,234', which may be both; --decimal , or"):
        list(read_samples(["x;y\n", "1;2\n", "1,234;5\n", "0,5;1\n"], 2, source="-"))
    samples = read_samples(["1,234;5\n"], 2, source="-", dialect=Dialect(decimal=","))
    assert list(samples) == [[1.234, 5]]
