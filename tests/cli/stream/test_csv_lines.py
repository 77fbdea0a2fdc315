"""CSV → samples: what is read, and what an error says."""

import pytest

from skiprnn_cli.stream.csv_lines import CsvError, read_samples


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
        ("ax,ay\n1,2\n\n3,\n", "run.csv, line 4, column 2 (ay): expected a number, got ''"),
        ("ax,ay\n1,nan\n", "run.csv, line 2, column 2 (ay): expected a number, got 'nan'"),
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
    assert str(caught.value) == message


def test_what_came_before_a_bad_line_is_read() -> None:
    samples = read_samples(["1,2\n", "x,4\n"], 2, source="-")
    assert next(samples) == [1, 2]
    with pytest.raises(CsvError):
        next(samples)
