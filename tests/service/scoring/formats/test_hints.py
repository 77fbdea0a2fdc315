"""Left-out columns are told of where they look like ids or times, and nowhere else."""

import io

import pyarrow as pa
import pytest

from skiprnn_export import Feature
from skiprnn_service.scoring.formats import hints
from skiprnn_service.scoring.formats.base import InputSpec
from skiprnn_service.scoring.formats.registry import read
from support.score_bodies import as_arrow
from support.score_tables import BODIES

FEATURES = tuple(Feature(f"x{i}") for i in range(3))


@pytest.mark.parametrize(
    "name", ["subject", "Subject ID", "patient_id", "recording-no", "file", "device", "uuid"]
)
def test_names_of_ids(name: str) -> None:
    assert hints.like_ids([name]) == [name]


@pytest.mark.parametrize("name", ["time", "timestamp", "t [s]", "start_time", "Time (ms)", "date", "ts"])
def test_names_of_times(name: str) -> None:
    assert hints.like_times([name]) == [name]


@pytest.mark.parametrize("name", ["ax", "label", "video", "temperature", "runway", "at", "fluid"])
def test_other_names(name: str) -> None:
    assert hints.like_ids([name]) == hints.like_times([name]) == []


def warnings(kind: str, body: bytes, **columns: str) -> tuple[str, ...]:
    return read(kind, io.BytesIO(body), InputSpec(FEATURES, 10**6, **columns)).warnings  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", sorted(BODIES))
def test_a_column_of_ids_that_repeat_is_told_of(kind: str) -> None:
    columns = {
        "subject": [1, 1, 2, 2],
        "frame id": [1, 2, 3, 4],
        "site name": ["a"] * 4,
        "time": [1, 2, 3, 4],
    }
    body = BODIES[kind](pa.table(columns | {f"x{i}": [1.0] * 4 for i in range(3)}))
    time, subject = warnings(kind, body)
    assert "the column 'subject' repeats 2 values in 4 rows" in subject
    assert "--sequence subject scores each apart" in subject
    assert "the column 'time' is not read" in time
    assert warnings(kind, body, sequence="subject", time="time") == ()


@pytest.mark.parametrize("kind", sorted(BODIES))
def test_a_few_columns_are_looked_at(kind: str) -> None:
    """Each costs a pass over the file, and all sentences stand in one header."""
    columns = {f"c{i}_id": [1, 1, 2] for i in range(300)} | {f"x{i}": [1.0] * 3 for i in range(3)}
    assert len(warnings(kind, BODIES[kind](pa.table(columns)))) == hints.MOST_COLUMNS


def test_a_name_with_blanks_is_told_as_it_is_typed() -> None:
    (said,) = hints.about_ids("subject id", [(["a", "b"], 4)])
    assert "--sequence 'subject id' scores each apart (HTTP: sequence=subject+id)" in said


def test_nothing_is_said_of_a_damaged_column_that_is_not_needed() -> None:
    table = pa.table({"subject": ["a damaged", "a damaged"]} | {f"x{i}": [1.0, 2.0] for i in range(3)})
    body = as_arrow(table).replace(b"a damaged", b"\xff" * 9)
    assert warnings("arrow", body) == ()
