"""The spoken digits in their published format: WAV files whose names say digit, speaker and index."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile

from skiprnn.tasks.words import CLASSES, Word, log_mel, read_speakers, split, stream_of
from support.tasks import load, train_once

SPEAKERS = ("ann", "bob", "cleo")


def tone(hertz: float, seconds: float = 0.4) -> Any:
    return np.sin(2 * np.pi * hertz * np.arange(int(8000 * seconds)) / 8000)


def digits(folder: Path, *, indices: int = 2) -> Path:
    folder.mkdir(exist_ok=True)
    for speaker in SPEAKERS:
        for digit in range(10):
            for index in range(indices):
                audio = (8000 * tone(200 + 300 * digit)).astype(np.int16)
                wavfile.write(folder / f"{digit}_{speaker}_{index}.wav", 8000, audio)
    return folder


def test_words_are_read_with_their_digit_and_speaker(tmp_path: Path) -> None:
    speakers = read_speakers(digits(tmp_path))
    assert sorted(speakers) == list(SPEAKERS)
    assert [(word.digit, word.number) for word in speakers["bob"][:3]] == [(0, 0), (0, 1), (1, 0)]
    assert speakers["bob"][0].audio.dtype == np.float32
    assert speakers["bob"][0].audio.max() == pytest.approx(8000 / 2**15, rel=1e-3)


def test_a_stream_has_a_pause_before_every_word_and_its_event_at_the_end(tmp_path: Path) -> None:
    words = read_speakers(digits(tmp_path))["ann"]
    stream = stream_of("ann", words, np.random.default_rng(0))
    assert sorted(stream.labels) == sorted([CLASSES.index(CLASSES[1 + digit]) for digit in range(10)] * 2)
    loud = stream.x.max(1) > -6
    assert loud[stream.starts].all()
    assert not loud[stream.ends + 5].any()
    assert (np.diff(stream.ends) >= 100 + 40).all()
    assert (np.diff(stream.ends) <= 500 + 41).all()


def test_bands_say_where_the_power_is_and_know_nothing_of_what_follows() -> None:
    audio = np.concatenate([tone(300), tone(3000)]).astype(np.float32)
    bands = log_mel(audio)
    assert bands.shape == (80, 20)
    assert bands[20].argmax() < 5
    assert bands[60].argmax() > 14
    np.testing.assert_array_equal(log_mel(audio[:1600]), bands[:20])
    assert np.isfinite(log_mel(np.zeros(800, np.float32))).all()


def test_speakers_are_in_one_part_alone() -> None:
    speakers = {name: [Word(0, index, np.zeros(1, np.float32)) for index in range(12)] for name in "abcdef"}
    for fold in range(6):
        train, validation, test = split(speakers, fold)
        assert [name for name, _ in test] == ["abcdef"[fold]]
        assert [name for name, _ in validation] == ["bcdefa"[fold]]
        assert len(train) == 4
        assert sorted(name for part in (train, validation, test) for name, _ in part) == list("abcdef")


def test_the_published_division_is_by_index() -> None:
    speakers = {name: [Word(0, index, np.zeros(1, np.float32)) for index in range(12)] for name in "abc"}
    train, validation, test = split(speakers, -1)
    assert [name for name, _ in train] == ["a", "b", "c"]
    found = [[word.number for word in part[0][1]] for part in (train, validation, test)]
    assert found == [[10, 11], [5, 6, 7, 8, 9], [0, 1, 2, 3, 4]]


@pytest.mark.parametrize("fold", [-2, 3])
def test_another_fold_is_rejected(tmp_path: Path, fold: int) -> None:
    with pytest.raises(ValueError, match=f"fold: expected -1 to 2 and three speakers at least, got {fold}"):
        load("words", digits(tmp_path), fold=fold)


def test_it_trains_and_reports_alarms(tmp_path: Path) -> None:
    results = train_once("words", digits(tmp_path / "recordings"), tmp_path / "run", fold=0)
    assert results["metric"] == "f1"
    assert results["events"] == 20


def test_another_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected files such as 0_george_0\.wav, found none"):
        load("words", tmp_path)
    wavfile.write(tmp_path / "0_ann_0.wav", 16000, np.zeros(10, np.int16))
    with pytest.raises(
        ValueError, match=r"0_ann_0\.wav: expected one channel of 16 bits at 8000 Hz, got int16"
    ):
        load("words", tmp_path)
    (tmp_path / "0_ann_0.wav").write_bytes(b"noise")
    with pytest.raises(ValueError, match=r"0_ann_0\.wav: expected a WAV file"):
        load("words", tmp_path)
    (tmp_path / "0_ann_0.wav").rename(tmp_path / "zero.wav")
    with pytest.raises(ValueError, match=r"zero\.wav: expected a name such as 0_george_0\.wav"):
        load("words", tmp_path)
