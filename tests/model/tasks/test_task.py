"""What a task needs from the user."""

from pathlib import Path

import numpy as np
import pytest

from skiprnn import tasks
from support.tasks import load


@pytest.mark.parametrize("name", ["imdb", "ucf101", "charades"])
def test_a_missing_folder_says_what_it_should_hold(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected --data with"):
        load(name, None)
    with pytest.raises(FileNotFoundError, match="expected"):
        load(name, tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": "abc"}, "window: expected a whole number, got 'abc'"),
        ({"window": 1.5}, "window: expected a whole number, got 1.5"),
        ({"window": True}, "window: expected a whole number, got True"),
        ({"window": None}, "window: expected a whole number, got None"),
        ({"held_out": "abc"}, "held_out: expected a number, got 'abc'"),
        ({"sample_rate": "50Hz"}, "sample_rate: expected a number, got '50Hz'"),
        ({"columns": 0}, "columns: expected text, got 0"),
        ({"speed": 1}, "recordings: expected options among"),
    ],
)
def test_an_option_of_another_type_is_an_error(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tasks.find("recordings").checked(options)


def test_options_are_filled_up_with_defaults() -> None:
    task = tasks.find("recordings")
    checked = task.checked({"window": np.int64(9), "joined": 1, "sample_rate": 50})
    assert checked == {**task.options, "window": 9, "joined": 1, "sample_rate": 50}
