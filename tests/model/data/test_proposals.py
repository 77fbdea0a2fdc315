"""Columns that look like a group or a recording are proposed, with the option that takes them."""

from pathlib import Path
from typing import Any

import pandas as pd

from skiprnn.data.layout import Layout
from skiprnn.data.proposals import mixed, proposals
from skiprnn.data.table_file import TableFile


def proposed(
    *, one_file: bool = True, columns: dict[str, list[int]] | None = None, **layout: Any
) -> dict[str, str]:
    frame = pd.DataFrame(
        columns or {"x": list(range(6)), "subject": [1, 1, 1, 1, 2, 2], "trial": [1, 1, 2, 2, 3, 3]}
    )
    parts = (
        [frame] if one_file and "recording" not in layout else [part for _, part in frame.groupby("trial")]
    )
    tables = [TableFile(Path("all.csv"), part, ".") for part in parts]
    return dict(proposals(tables, Layout(**layout), one_file=one_file))


def test_a_group_and_a_recording_column_are_proposed_for_one_large_table() -> None:
    found = proposed()
    assert list(found) == ["group?", "recording?"]
    assert "group=subject" in found["group?"]
    assert "recording=trial" in found["recording?"]


def test_several_files_are_recordings_already() -> None:
    assert list(proposed(one_file=False)) == ["group?"]


def test_what_an_option_names_already_is_not_proposed() -> None:
    assert list(proposed(group="subject")) == ["recording?"]
    assert list(proposed(recording="trial")) == ["group?"]
    assert proposed(group="subject", recording="trial") == {}


def test_a_group_divides_the_table_where_no_column_names_recordings() -> None:
    found = proposed(columns={"x": list(range(4)), "subject": [1, 1, 2, 2]})
    assert "recording=subject" in found["recording?"]


def test_an_id_that_never_changes_or_never_repeats_divides_nothing() -> None:
    assert proposed(columns={"x": [1, 2, 3, 4], "trial": [1, 1, 1, 1], "run": [1, 2, 3, 4]}) == {}


def test_a_group_of_which_a_recording_has_several_is_not_proposed_but_warned_of() -> None:
    columns = {"x": [1, 2, 3, 4], "subject": [1, 2, 1, 2], "trial": [1, 1, 2, 2]}
    assert proposed(columns=columns, recording="trial") == {}
    assert proposed(columns=columns, one_file=False) == {}
    table = TableFile(Path("all.csv"), pd.DataFrame(columns), ".")
    (warning,) = mixed([table], Layout(recording="trial"))
    assert "'subject' has several values in 1 recording of 1, from row 1 of all.csv on" in warning
    assert "recording=subject,trial tells" in warning
    (warning,) = mixed([table, table], Layout())
    assert "recording=subject (or subject,COLUMN) tells" in warning
    assert list(mixed([table], Layout())) == list(mixed([table], Layout(recording="subject,trial"))) == []
