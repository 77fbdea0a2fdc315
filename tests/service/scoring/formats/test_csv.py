"""CSV: what is no sequence is rejected, with the place."""

import csv
import io
import re
from typing import Any

import numpy as np
import pytest

from skiprnn_export.channels import feature_of
from skiprnn_service.errors import ClientError, ShapeError
from skiprnn_service.scoring.formats.base import InputSpec
from skiprnn_service.scoring.formats.registry import read
from support.table_cases import CASES


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("csv", b"", "CSV: "),
        ("csv", b"a,b\n1,2\n", "expected a list column x, or columns ['x0', 'x1', 'x2'], got ['a', 'b']"),
        ("csv", b"x0,x1,x2\n1,2,z\n", "x2: expected numbers"),
        ("csv", b"x0,x1,x2,sequence\n1,2,3,4\n1,2,3,\n", "sequence: expected a name or number in every row"),
        ("csv", b"x0,x1,x2,x1\n1,2,3,4\n", "columns: expected each name once, got 'x1' twice"),
        ("csv", "x0,x1,x2,größe\n1,2,3,4\n".encode("latin-1"), "CSV: expected a header in UTF-8"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_rejected(
    examples: Any, name: str, body: bytes, reason: str
) -> None:
    with pytest.raises(ClientError) as rejected:
        examples(name, body)
    assert reason in str(rejected.value)


def scored(examples: Any, text: str) -> list[tuple[int | str, list[list[float]]]]:
    return [(example.id, example.x.tolist()) for example in examples("csv", text.encode())]


def test_ids_keep_their_spelling(examples: Any) -> None:
    rows = "007,1,2,3\n007,4,5,6\n7,7,8,9\n"
    assert scored(examples, "sequence,x0,x1,x2\n" + rows) == [
        ("007", [[1, 2, 3], [4, 5, 6]]),
        ("7", [[7, 8, 9]]),
    ]


@pytest.mark.parametrize("header", ["", "x0,x1,x2\n", "\n\nx0,x1,x2\n", "\ufeffx0,x1,x2\n", "a,b,c\n"])
def test_the_first_sample_is_read_with_a_header_and_without(examples: Any, header: str) -> None:
    assert scored(examples, header + "1,2,3\n4,5,6\n") == [(0, [[1, 2, 3], [4, 5, 6]])]


@pytest.mark.parametrize("header", ["x2 [V],x0 [V],x1", " x2, x0 ,x1 "])
def test_columns_are_found_by_name_wherever_they_stand(examples: Any, header: str) -> None:
    assert scored(examples, header + "\n3,1,2\n") == [(0, [[1, 2, 3]])]


@pytest.mark.parametrize("header", ["x0,x1,t", "x0 [A],x1,x2", "x0,x0 [V],x1,x2"])
def test_some_names_without_the_others_are_an_error(examples: Any, header: str) -> None:
    with pytest.raises(ClientError, match="columns: "):
        scored(examples, header + "\n1,2,3\n")


def test_a_type_does_not_depend_on_the_first_rows(examples: Any) -> None:
    """Whole numbers, and an empty column that is not needed, for more than a block of pyarrow's."""
    rows = "".join(f"{number // 50_000},0,0,0,\n" for number in range(150_000))
    last = examples("csv", f"sequence,x0,x1,x2,note\n{rows}b,1.5,0,0,at last\n".encode())[-1]
    assert (last.id, last.x.tolist()) == ("b", [[1.5, 0, 0]])


@pytest.mark.parametrize("number", ["-1", "+2", "0.5", ".5", "5.", "2e-3", "1E+2", " 7 ", "1e-400"])
def test_a_number_is_decimal(examples: Any, number: str) -> None:
    ((_, rows),) = scored(examples, f"x0,x1,x2\n1,2,{number}\n")
    assert rows == [[1, 2, np.float32(float(number))]]


@pytest.mark.parametrize("number", ["1_000", "0x1F", "0b1", "1.2.3", "1 2", "--1", "inf", "1e400", "٣", "z"])
def test_other_numbers_are_rejected_with_their_row_and_column(examples: Any, number: str) -> None:
    with pytest.raises(ClientError, match=r"^x2: expected numbers, got .* in row 3$"):
        scored(examples, f"x0,x1,x2\n1,2,3\n1,2,3\n1,2,{number}\n")


def test_a_decimal_comma_is_another_column(examples: Any) -> None:
    with pytest.raises(ClientError, match=r"CSV: .*Expected 3 columns, got 4"):
        scored(examples, "x0,x1,x2\n1,2,1,5\n")


def test_a_thousands_separator_in_quotes_is_no_number(examples: Any) -> None:
    with pytest.raises(ClientError, match=r"x2: expected numbers, got '1,013\.2' in row 1"):
        scored(examples, 'x0,x1,x2\n1,2,"1,013.2"\n')


def test_only_so_many_blank_lines_come_first(examples: Any) -> None:
    with pytest.raises(ClientError, match="CSV: expected a header or a sample"):
        scored(examples, "\n" * 2000)


# -- the cases that every reader of tables is held to


def read_table(cells: list[str], row: list[str], features: list[str]) -> list[list[float]]:
    text = io.StringIO()
    csv.writer(text).writerows([cells, row])
    spec = InputSpec(tuple(map(feature_of, features)), max_bytes=1000)
    (example,) = read("csv", io.BytesIO(text.getvalue().encode()), spec).examples
    found: list[list[float]] = example.x.tolist()
    return found


@pytest.mark.parametrize("case", [case for case in CASES["match"] if case["names"]], ids=str)
def test_columns_are_those_of_every_reader(case: dict[str, Any]) -> None:
    names, features = case["names"], case["features"]
    numbers = [str(number) for number in range(len(names))]
    if "error" in case:
        with pytest.raises(ShapeError, match=re.escape(f"{case['error']}"[:40])):
            read_table(names, numbers, features)
    elif len(set(names)) == len(names):
        assert read_table(names, numbers, features)[-1] == (case["chosen"] or list(range(len(features))))


@pytest.mark.parametrize(("text", "value"), CASES["numbers"].items())
def test_numbers_are_those_of_every_reader(text: str, value: float | None) -> None:
    if value is None and text.strip() not in ("", "nan", "NaN"):
        with pytest.raises(ShapeError, match=r"a: expected numbers, got .* in row 1"):
            read_table(["a", "b"], [text, "0"], ["a", "b"])
        return
    found = read_table(["a", "b"], [text, "0"], ["a", "b"])
    np.testing.assert_array_equal(found, [[np.float32(np.nan if value is None else value), 0]])


@pytest.mark.parametrize("name", ["csv", "tsv"])
@pytest.mark.parametrize("case", CASES["dialects"], ids=str)
def test_a_file_is_read_in_every_dialect_as_everywhere(case: dict[str, Any], name: str) -> None:
    spec = InputSpec(tuple(map(feature_of, case["features"])), max_bytes=1000)

    def rows() -> list[list[float]]:
        (example,) = read(name, io.BytesIO(case["text"].encode()), spec).examples
        found: list[list[float]] = example.x.tolist()
        return found

    if case["rows"] is None:
        with pytest.raises(ClientError):
            rows()
    else:
        assert rows() == np.array(case["rows"], np.float32).tolist()


def test_a_decimal_mark_that_cannot_be_told_is_rejected_with_the_way_out(examples: Any) -> None:
    with pytest.raises(ClientError, match="got '1,234', which may be both: write decimal points"):
        scored(examples, "x0;x1;x2\n1,234;2;3\n")


def test_times_have_the_decimal_mark_of_the_samples() -> None:
    spec = InputSpec((feature_of("x"),), max_bytes=1000, time="t")
    (example,) = read("csv", io.BytesIO(b"t;x\n0,5;1,5\n0,25;2,5\n"), spec).examples
    assert example.x.tolist() == [[2.5], [1.5]]
    assert [column.tolist() for column in example.carried] == [["0,25", "0,5"]]


def test_durations_sort_and_go_on_past_midnight() -> None:
    spec = InputSpec((feature_of("x"),), max_bytes=1000, time="t")
    body = b"t,x\n23:59:59.5,2\n23:59:59,1\n0:00:00.25,4\n0:00:00,3\n"
    (example,) = read("csv", io.BytesIO(body), spec).examples
    assert example.x.tolist() == [[1], [2], [3], [4]]
