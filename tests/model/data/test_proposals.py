"""Columns that look like a group or a recording are proposed, with the option that takes them."""

from pathlib import Path
from typing import Any

import pandas as pd

from skiprnn.data.layout import Layout
from skiprnn.data.proposals import proposals
from skiprnn.data.table_file import TableFile


def proposed(
    *, one_file: bool = True, columns: dict[str, list[int]] | None = None, **layout: Any
) -> dict[str, str]:
    frame = pd.DataFrame(
        columns or {"x": list(range(6)), "subject": [1, 1, 1, 2, 2, 2], "trial": [1, 1, 2, 2, 3, 3]}
    )
    return dict(proposals([TableFile(Path("all.csv"), frame, ".")], Layout(**layout), one_file=one_file))


def test_a_group_and_a_recording_column_are_proposed_for_one_large_table() -> None:
    found = proposed()
    assert list(found) == ["group?", "recording?"]
    assert "--override group=subject" in found["group?"]
    assert "--override recording=trial" in found["recording?"]


def test_several_files_are_recordings_already() -> None:
    assert list(proposed(one_file=False)) == ["group?"]


def test_what_an_option_names_already_is_not_proposed() -> None:
    assert list(proposed(group="subject")) == ["recording?"]
    assert list(proposed(recording="trial")) == ["group?"]
    assert proposed(group="subject", recording="trial") == {}


def test_a_group_divides_the_table_where_no_column_names_recordings() -> None:
    found = proposed(columns={"x": list(range(4)), "subject": [1, 1, 2, 2]})
    assert "--override recording=subject" in found["recording?"]


def test_an_id_that_never_changes_or_never_repeats_divides_nothing() -> None:
    assert proposed(columns={"x": [1, 2, 3, 4], "trial": [1, 1, 1, 1], "run": [1, 2, 3, 4]}) == {}
