"""SisFall in its published format: people in folders, nine columns at 200 Hz, a name for each recording."""

from pathlib import Path

import numpy as np
import pytest

from skiprnn.tasks.falls import TEST, VALIDATION, read_people, stream_of
from support.tasks import load, train_once


def write(path: Path, impact: int | None = None, *, seconds: int = 4) -> None:
    """Rest on the second axis, 1 g, with an impact of 8 g at this row."""
    rng = np.random.default_rng(sum(path.stem.encode()))
    rows = rng.integers(-5, 5, (200 * seconds, 9))
    rows[:, 1] -= 256
    if impact is not None:
        rows[impact : impact + 8, 1] -= 1792
    lines = [",".join(f"{value:4d}" for value in row) + ";" for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("\r\n".join(lines).encode() + b"\r\n")


def sisfall(folder: Path) -> Path:
    for person in (*TEST, *VALIDATION, "SA01", "SE01"):
        for code in ("D01", "D07", *(("F01", "F02") if person != "SE01" else ())):
            write(folder / person / f"{code}_{person}_R01.txt", 400 if code[0] == "F" else None)
    return folder


def test_recordings_are_read_in_g_and_degrees_at_50_hz(tmp_path: Path) -> None:
    people = read_people(sisfall(tmp_path))
    assert sorted(people) == sorted({*TEST, *VALIDATION, "SA01", "SE01"})
    (rest, falls), *_ = people["SA01"]
    assert rest.shape == (200, 6)
    assert rest.dtype == np.float32
    assert not falls
    np.testing.assert_allclose(rest[20:-20].mean(0), [0, -1, 0, 0, 0, 0], atol=0.02)
    assert [falls for _, falls in people["SA01"]] == [False, False, True, True]


def test_an_event_is_the_impact(tmp_path: Path) -> None:
    people = read_people(sisfall(tmp_path))
    stream = stream_of("SA01", people["SA01"], np.random.default_rng(0))
    assert len(stream.x) == 800
    assert len(stream.starts) == 2
    assert (abs(stream.starts % 200 - 101) <= 1).all()  # row 404 at 200 Hz
    assert len(stream_of("SE01", people["SE01"], np.random.default_rng(0)).starts) == 0


def test_the_name_says_whose_recording_it_is(tmp_path: Path) -> None:
    write(tmp_path / "SA02" / "D01_SA01_R01.txt")
    write(tmp_path / "SA01" / "D01_SA01_R01.txt")
    assert {name: len(recordings) for name, recordings in read_people(tmp_path).items()} == {"SA01": 1}


def test_people_are_in_one_part_alone(tmp_path: Path) -> None:
    data = load("falls", sisfall(tmp_path))
    assert data.events is not None
    assert tuple(stream.name for stream in data.events.test) == TEST
    assert tuple(stream.name for stream in data.events.validation) == VALIDATION
    assert not set(TEST) & set(VALIDATION)
    assert data.network["sample_rate"] == 50


def test_it_trains_and_reports_alarms(tmp_path: Path) -> None:
    results = train_once("falls", sisfall(tmp_path / "SisFall_dataset"), tmp_path / "run")
    assert results["metric"] == "f1"
    assert results["events"] == 12
    assert results["hours"] == pytest.approx(6 * 16 / 3600)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"1,2,3;\r\n", "expected rows of nine numbers, got 3"), (b"a,b\r\n", "expected rows of nine numbers")],
)
def test_another_file_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    folder = sisfall(tmp_path)
    (folder / "SA01" / "D01_SA01_R01.txt").write_bytes(content)
    with pytest.raises(ValueError, match=rf"D01_SA01_R01\.txt: {reason}"):
        read_people(folder)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected files such as SA01/D01_SA01_R01\.txt, found none"):
        load("falls", tmp_path)
    write(tmp_path / "SA01" / "D01_SA01_R01.txt")
    with pytest.raises(FileNotFoundError, match=r"expected recordings of SA02, SA04, .*, found none"):
        load("falls", tmp_path)
