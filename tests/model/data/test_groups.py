"""Whose each recording is."""

import logging
from pathlib import Path

import pandas as pd
import pytest

from skiprnn.data.groups import groups_of, spelling_of
from skiprnn.data.raw_recording import RawRecording
from skiprnn.data.table_file import TableFile


def raw(name: str, subjects: list[str], **values: str) -> RawRecording:
    table = TableFile(Path(name), pd.DataFrame({"subject": subjects}), ".")
    return RawRecording(name, "", table, (Path(name),), values)


def test_without_a_column_every_recording_is_a_group_of_its_own() -> None:
    assert groups_of([raw("a.csv", ["x"]), raw("b.csv", ["x"])], "") == ["a.csv", "b.csv"]


def test_a_column_names_the_group_and_blanks_around_it_do_not_count() -> None:
    recordings = [raw("a.csv", ["anna", "anna"]), raw("b.csv", ["anna ", " anna"]), raw("c.csv", ["ben"])]
    assert groups_of(recordings, "subject") == ["anna", "anna", "ben"]


def test_a_value_of_the_whole_recording_names_the_group_too() -> None:
    assert groups_of([raw("a.csv", ["x", "y"], site="north")], "site") == ["north"]


def test_rows_of_two_groups_in_one_recording_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"b\.csv: .* got 'anna' in row 1 and 'ben' in row 3 of 'subject'"):
        groups_of([raw("a.csv", ["anna"]), raw("b.csv", ["anna", "anna", "ben"])], "subject")


def test_an_empty_cell_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"a\.csv: expected a value in row 2 of 'subject', found none"):
        groups_of([raw("a.csv", ["anna", ""])], "subject")


def test_names_that_differ_in_case_alone_stay_apart_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="skiprnn"):
        spelling = spelling_of(["anna", "Anna"], "subject")
    assert spelling == {"anna": "anna", "Anna": "Anna"}
    assert "the column 'subject' has names that differ in case alone" in caplog.text
