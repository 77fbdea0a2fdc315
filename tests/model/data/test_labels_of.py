"""What holds for a whole recording, from its folder, its name or a side table."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.data.labels_of import check_way, read_side_table, value_of
from skiprnn.data.side_names import side_names


@pytest.mark.parametrize(
    ("name", "way", "value"),
    [
        ("ann/walk/7.csv", "folder", "walk"),
        ("ann/walk/7.csv", "top_folder", "ann"),
        ("walk/7.csv", "top_folder", "walk"),
        ("a/walk_03.csv", "name", "walk"),
        ("walk-3.csv.gz", "name", "walk"),
        ("fast-walk_01.parquet", "name", "fast-walk"),
        ("Walk 2.txt", "name", "Walk"),
        ("walk.csv", "name", "walk"),
        ("s03_walk_2.csv", r"name:s\d+_([a-z]+)", "walk"),
        ("s03_walk_2.csv", r"name:s\d+", "s03"),
    ],
)
def test_a_value_is_that_of_the_folder_or_the_name(name: str, way: str, value: str) -> None:
    assert value_of(name, way) == value


@given(
    st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.integers(0, 999), st.sampled_from("_- ") | st.just("")
)
def test_a_name_that_is_numbered_has_the_value_before_the_number(label: str, number: int, mark: str) -> None:
    assert value_of(f"x/{label}{mark}{number}.csv", "name") == label


@pytest.mark.parametrize(
    ("name", "way", "message"),
    [
        ("7.csv", "folder", r"7\.csv: expected a file in a folder"),
        ("a/7.csv", "name", r"a/7\.csv: expected a name that 'name' finds a value in, got '7'"),
        ("a/7.csv", "name:x(.)", "expected a name that"),
    ],
)
def test_a_recording_without_the_value_is_named(name: str, way: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        value_of(name, way)


@pytest.mark.parametrize("way", ["file", "name:(", "folder:2"])
def test_no_such_way_is_an_error_that_names_the_option(way: str) -> None:
    with pytest.raises(
        ValueError, match="label_from: expected one of folder, top_folder, name, name:PATTERN, got"
    ):
        check_way(way, "label_from")


NAMES = (side_names("a/7.csv"), side_names("a/8.csv"))


@pytest.mark.parametrize("keys", [("7.csv", "8.csv"), ("a/7.csv", "a/8.csv"), ("7", "8"), ("a/7", "a/8")])
@pytest.mark.parametrize("header", ["file", "which"])
def test_a_side_table_calls_a_recording_by_any_of_its_names(
    tmp_path: Path, keys: tuple[str, str], header: str
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(f"label;{header};who\nwalk;{keys[0]};ann\nrest;{keys[1]};\n")
    side = read_side_table(path, NAMES)
    assert side.values("a/7.csv") == {"label": "walk", "who": "ann"}
    assert side.values("a/8.csv") == {"label": "rest"}, "an empty cell holds nothing"


def test_ids_of_a_side_table_keep_their_spelling(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("id,label\n007,walk\n7,rest\n")
    side = read_side_table(path, [("007",), ("7",)])
    assert [side.values(id)["label"] for id in ("007", "7")] == ["walk", "rest"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "file,label\n9.csv,walk\n",
            "expected a column of the recordings' names, such as 'a/7.csv', found none",
        ),
        ("file,label\n7.csv,walk\n7.csv,rest\n", "expected one row for 'a/7.csv', got rows 1 and 2"),
        ("file,label\n7.csv,walk\na/7,walk\n", "expected one row for 'a/7.csv', got rows 1 and 2"),
        ("file,label\n7.csv,walk\n", "expected a row for 'a/8.csv' in 'file', found none"),
    ],
)
def test_a_side_table_that_does_not_fit_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"labels\.csv: {message}"):
        [read_side_table(path, NAMES).values(names[0]) for names in NAMES]
