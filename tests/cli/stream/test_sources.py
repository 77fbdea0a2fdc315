"""Files and pipes → samples."""

import gzip
import io
import os
import sys
import threading
import wave
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from skiprnn.channels import Feature, feature_of
from skiprnn_cli.stream.csv_lines import CsvError
from skiprnn_cli.stream.missing import Missing
from skiprnn_cli.stream.sources import Format, SourceError, open_source
from support.table_cases import CASES

ROWS = np.array([[0.5, -0.25], [0.125, 0.75], [-1.0, 0.0]])


def write_wav(file: Any, rows: np.ndarray[Any, Any], width: int, rate: int = 8000) -> None:
    values = np.round(rows * 2.0 ** (8 * width - 1)).astype(np.int64) + (128 if width == 1 else 0)
    data = values.astype("<i8").view(np.uint8).reshape(*rows.shape, 8)[..., :width].tobytes()
    with wave.open(file, "wb") as sound:
        sound.setparams((rows.shape[1], width, rate, 0, "NONE", ""))
        sound.writeframes(data)


def read(path: str | Path, features: int = 2, format: Format | None = None) -> list[list[float] | None]:
    with open_source(str(path), features, format) as source:
        return list(source.samples)


def test_csv_is_read_by_its_name_or_for_want_of_one(tmp_path: Path) -> None:
    for name in ("run.csv", "run.txt", "run"):
        (tmp_path / name).write_text("a,b\n1,2\n")
        assert read(tmp_path / name) == [[1, 2]]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
def test_an_array_is_read_row_by_row(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "run.npy", (8 * ROWS).astype(dtype))
    with open_source(str(tmp_path / "run.npy"), 2) as source:
        assert source.length == 3
        assert list(source.samples) == (8 * ROWS).tolist()


def test_a_line_of_numbers_does_for_one_feature(tmp_path: Path) -> None:
    np.save(tmp_path / "run.npy", np.arange(3.0))
    assert read(tmp_path / "run.npy", 1) == [[0], [1], [2]]


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_sound_is_read_from_minus_one_to_one(tmp_path: Path, width: int) -> None:
    path = tmp_path / "run.wav"
    write_wav(str(path), ROWS, width)
    with open_source(str(path), 2) as source:
        assert (source.sample_rate, source.length) == (8000, 3)
        assert list(source.samples) == ROWS.tolist()


@pytest.mark.parametrize("format", [Format.CSV, Format.NPY, Format.WAV])
def test_every_format_is_read_from_standard_input(monkeypatch: pytest.MonkeyPatch, format: Format) -> None:
    data = io.BytesIO()
    match format:
        case Format.CSV:
            np.savetxt(data, ROWS, delimiter=",")
        case Format.NPY:
            np.save(data, ROWS)
        case Format.WAV:
            write_wav(data, ROWS, 2)
    pipe = io.BytesIO(data.getvalue())
    text = io.TextIOWrapper(pipe)
    monkeypatch.setattr(
        sys,
        "stdin",
        SimpleNamespace(buffer=pipe, __iter__=text.__iter__) if format is not Format.CSV else text,
    )
    assert read("-", format=format) == ROWS.tolist()


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 3)), r"expected numbers \[T, 2\], got float64 \[4, 3\]"),
        (np.zeros(4), r"expected numbers \[T, 2\], got float64 \[4\]"),
        (np.array([["a", "b"]]), r"expected numbers \[T, 2\], got <U1 \[1, 2\]"),
    ],
)
def test_another_shape_is_rejected(tmp_path: Path, array: np.ndarray[Any, Any], words: str) -> None:
    np.save(tmp_path / "run.npy", array)
    with pytest.raises(SourceError, match=words):
        read(tmp_path / "run.npy")


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "run.npy", np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="Python objects"):
        read(tmp_path / "run.npy")


def test_another_number_of_channels_is_rejected(tmp_path: Path) -> None:
    write_wav(str(tmp_path / "run.wav"), ROWS, 2)
    with pytest.raises(SourceError, match="expected 1 channels, as the model has features, got 2"):
        read(tmp_path / "run.wav", 1)


def test_what_is_no_sound_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "run.wav").write_bytes(b"RIFF\x00\x00")
    with pytest.raises(SourceError, match="expected PCM in a WAV file"):
        read(tmp_path / "run.wav")


def test_a_format_that_is_given_counts_for_more_than_the_name(tmp_path: Path) -> None:
    (tmp_path / "run.npy").write_text("1,x\n")
    with pytest.raises(CsvError):
        read(tmp_path / "run.npy", format=Format.CSV)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "an empty file"),
        ("x,y\n1,2\n".encode("utf-16"), "UTF-16 text"),
        (gzip.compress(b"1,2\n", mtime=0), "gzip"),
        (b"PAR1rest", "Parquet"),
        (b"x,y\n" + b"1,2\n" * 9999 + b"\xe9,2\n", "text in another encoding (byte 0xe9)"),
    ],
)
def test_a_file_that_is_no_csv_says_what_it_is(tmp_path: Path, data: bytes, kind: str) -> None:
    (tmp_path / "run.csv").write_bytes(data)
    with pytest.raises(SourceError) as caught:
        read(tmp_path / "run.csv")
    assert str(caught.value) == f"{tmp_path / 'run.csv'}: expected CSV in UTF-8, found {kind}"


def test_nothing_is_taken_from_a_pipe_in_advance(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=("1,2\n3,4\n",))
    writer.start()
    assert read(tmp_path / "pipe") == [[1, 2], [3, 4]]
    writer.join()


def test_what_numpy_writes_with_a_header_is_read(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "run.csv", ROWS, delimiter=",", header="ay,ax")
    with open_source(str(tmp_path / "run.csv"), 2, channels=[Feature("ax"), Feature("ay")]) as source:
        assert list(source.samples) == ROWS[:, ::-1].tolist()


def read_text(path: Path, text: str, features: list[str], **options: Any) -> list[list[float]]:
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if path.suffix == ".gz" else text.encode())
    channels = [feature_of(name) for name in features]
    with open_source(str(path), len(features), channels=channels, **options) as source:
        return [row for row in source.samples if row is not None]


@pytest.mark.parametrize("name", ["run.csv", "run.tsv", "run.txt", "run.csv.gz"])
@pytest.mark.parametrize("case", CASES["dialects"], ids=str)
def test_a_file_is_read_in_every_dialect_as_everywhere(
    tmp_path: Path, case: dict[str, Any], name: str
) -> None:
    if case["rows"] is None:
        with pytest.raises(CsvError):
            read_text(tmp_path / name, case["text"], case["features"])
    else:
        assert read_text(tmp_path / name, case["text"], case["features"]) == case["rows"]


def test_a_decimal_mark_that_cannot_be_told_is_given(tmp_path: Path) -> None:
    path, text = tmp_path / "run.csv", "ax;ay\n1,234;2,345\n"
    with pytest.raises(CsvError, match=r"got '1,234', which may be both; --decimal , or --decimal \. says"):
        read_text(path, text, ["ax", "ay"])
    assert read_text(path, text, ["ax", "ay"], decimal=",") == [[1.234, 2.345]]
    with pytest.raises(CsvError, match="line 2, column 1 "):
        read_text(path, text, ["ax", "ay"], decimal=".")


def test_a_file_that_says_it_is_packed_must_be(tmp_path: Path) -> None:
    path = tmp_path / "run.csv.gz"
    path.write_text("1,2\n")
    with pytest.raises(SourceError, match=r"run\.csv\.gz: expected CSV in gzip, found text"):
        read(path)
    path.write_bytes(gzip.compress(b"1,2\n" * 9999, mtime=0)[:60])
    with pytest.raises(
        SourceError, match=r"expected CSV in gzip, found it cut short or damaged|found gzip that"
    ):
        read(path)


def test_parquet_is_read_by_name(tmp_path: Path) -> None:
    table = pd.DataFrame({"who": "ann", "ay [g]": [2.0, None, 6.0], "ax": [1, 3, 5]})
    table.to_parquet(tmp_path / "run.pq")
    channels = [Feature("ax"), Feature("ay", "g")]
    with open_source(str(tmp_path / "run.pq"), 2, channels=channels, missing=Missing.HOLD) as source:
        assert list(source.samples) == [[1, 2], [3, 2], [5, 6]]
    with (
        pytest.raises(ValueError, match=r"run\.pq: .*'ay \[g\]'"),
        open_source(str(tmp_path / "run.pq"), 2, channels=channels) as source,
    ):
        list(source.samples)
