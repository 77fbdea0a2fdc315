"""Tasks by their names."""

import pytest

from skiprnn import tasks


def test_every_task_is_found_by_its_name_and_others_raise_an_error() -> None:
    for name in tasks.NAMES:
        assert tasks.find(name).name == name
    with pytest.raises(ValueError, match="task: expected one of adding"):
        tasks.find("guessing")
