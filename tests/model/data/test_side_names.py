"""Which recording a row of a side table is about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.data.side_names import SideNames, side_names

PATHS = st.from_regex(r"([ab]/){0,2}[rs]\.(csv|tsv|csv\.gz)", fullmatch=True)


@given(st.lists(PATHS, min_size=1, unique=True))
def test_a_path_is_that_of_its_file_whatever_others_are_called(files: list[str]) -> None:
    names = SideNames([side_names(file) for file in files])
    assert [names[file] for file in files] == files


@given(st.lists(PATHS, min_size=1, unique=True), st.data())
def test_a_name_is_never_that_of_another_recording(files: list[str], data: st.DataObject) -> None:
    names = SideNames([side_names(file) for file in files])
    name = data.draw(st.sampled_from([name for file in files for name in side_names(file)]))
    try:
        assert name in side_names(names[name])
    except ValueError:
        assert sum(name in side_names(file) for file in files) > 1


@pytest.mark.parametrize(
    ("recordings", "name"),
    [
        ([side_names("s1/r1.csv"), side_names("s2/r1.csv")], "r1.csv"),
        ([side_names("x.csv"), side_names("x.tsv")], "x"),
        ([side_names("p.csv", "1"), side_names("q.csv", "1")], "1"),
    ],
    ids=["folders", "endings", "ids"],
)
def test_a_name_of_two_recordings_tells_neither(recordings: list[tuple[str, ...]], name: str) -> None:
    with pytest.raises(ValueError, match=f"expected a name of one recording, got '{name}', which is that of"):
        SideNames(recordings)[name]
