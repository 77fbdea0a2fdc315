"""What a task needs from the user."""

from pathlib import Path

import pytest

from support.tasks import load


@pytest.mark.parametrize("name", ["imdb", "ucf101", "charades"])
def test_a_missing_folder_says_what_it_should_hold(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected --data with"):
        load(name, None)
    with pytest.raises(FileNotFoundError, match="expected"):
        load(name, tmp_path)
