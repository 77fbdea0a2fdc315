"""What the names of columns say; training and scoring ask the same."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.column_names import (
    is_count_name,
    is_group_name,
    is_id_name,
    is_recording_name,
    is_row_name,
    is_time_name,
    last_word,
    words_of,
)


@pytest.mark.parametrize("name", ["subject", "Subject_ID", "patientId", "device name", "user", "session no"])
def test_names_of_groups(name: str) -> None:
    assert is_group_name(name)
    assert is_id_name(name)


@pytest.mark.parametrize(
    "name", ["id", "trial", "run_id", "recordingId", "sequence", "File Name", "session", "take"]
)
def test_names_of_recordings(name: str) -> None:
    assert is_recording_name(name)
    assert is_id_name(name)


@pytest.mark.parametrize(
    "name", ["user acceleration x", "device temperature", "ax", "index", "row", "running"]
)
def test_names_of_neither(name: str) -> None:
    assert not is_group_name(name)
    assert not is_recording_name(name)
    assert not is_id_name(name)


@pytest.mark.parametrize("name", ["site_id", "frame id", "Sensor UUID", "rowId"])
def test_whatever_has_an_id_may_tell_recordings_apart(name: str) -> None:
    assert is_id_name(name)


@pytest.mark.parametrize("name", ["sensor", "unit 1", "video", "fluid", "identity", "", "2"])
def test_names_that_channels_have_are_no_ids(name: str) -> None:
    assert not is_id_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "t",
        "timestamp",
        "Time",
        "sampleTime_ms",
        "elapsed seconds",
        "ts",
        "unix_time",
        "t [s]",
        "Time (ms)",
        "rec_ts",
    ],
)
def test_names_of_times(name: str) -> None:
    assert is_time_name(name)


@pytest.mark.parametrize(
    "name", ["x", "temperature", "time_constant", "tx", "at", "s1", "heart rate", "", "s"]
)
def test_names_of_other_things(name: str) -> None:
    assert not is_time_name(name)


def test_names_of_rows_and_counts() -> None:
    assert [is_row_name(name) for name in ("index", "Row idx", "row_id", "7")] == [True, True, False, False]
    assert [is_count_name(name) for name in ("sample", "frameCount", "ax")] == [True, True, False]


def test_words_of_a_name() -> None:
    assert words_of("sampleTime_ms 2") == {"sample", "time", "ms"}
    assert (last_word("sampleTime_ms"), last_word("12")) == ("ms", "")


@pytest.mark.parametrize(
    "says", [is_group_name, is_recording_name, is_id_name, is_time_name], ids=lambda f: f.__name__
)
@given(
    words=st.lists(
        st.sampled_from(["patient", "id", "trial", "time", "ms", "start", "ax"]), min_size=1, max_size=3
    )
)
def test_it_does_not_matter_how_words_are_joined(says: Callable[[str], bool], words: list[str]) -> None:
    camel = words[0] + "".join(word.title() for word in words[1:])
    assert (
        len({says(name) for name in ("_".join(words), " ".join(words).upper(), "-".join(words), camel)}) == 1
    )
