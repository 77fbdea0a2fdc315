"""Tasks by their names."""

import importlib

import pytest

from skiprnn import tasks


def test_every_task_is_found_by_its_name_and_others_raise_an_error() -> None:
    for name in tasks.NAMES:
        assert tasks.find(name).name == name
    with pytest.raises(ValueError, match="task: expected one of adding"):
        tasks.find("guessing")


def test_an_old_name_finds_the_task_with_a_warning() -> None:
    with pytest.warns(
        DeprecationWarning, match="the task csv is now recordings; the task csv will be removed"
    ):
        assert tasks.find("csv") is tasks.find("recordings")
    with pytest.warns(DeprecationWarning, match=r"skiprnn\.tasks\.csv is now skiprnn\.tasks\.recordings"):
        assert importlib.import_module("skiprnn.tasks.csv").TASK is tasks.find("recordings")
