"""Reviews in the published folders: words as vectors; training with the paper's settings."""

from pathlib import Path

import pytest
import torch

from skiprnn import tasks
from skiprnn.tasks.imdb import read_vectors
from support.tasks import load, train_once


def reviews(folder: Path) -> Path:
    for part in ("train", "test"):
        for kind, word in (("pos", "Wonderful"), ("neg", "Dreadful")):
            (folder / part / kind).mkdir(parents=True)
            for number in range(10):
                text = f"{word}!<br /><br />I saw it{' again' * number}."
                (folder / part / kind / f"{number}_7.txt").write_text(text)
    return folder


def test_imdb_reads_words_of_reviews_as_vectors(tmp_path: Path) -> None:
    data = load("imdb", reviews(tmp_path), length=6)
    batch = data.test[0]
    assert batch.x.shape == (20, 6, 300)
    assert batch.lengths is not None
    assert batch.lengths.min() == 4  # wonderful i saw it
    assert batch.y.tolist() == [0] * 10 + [1] * 10
    assert torch.equal(batch.x[0, 1:4], batch.x[-1, 1:4])  # the same words
    assert not torch.equal(batch.x[0, 0], batch.x[-1, 0])


def test_imdb_takes_the_users_vectors(tmp_path: Path) -> None:
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("3 2\nwonderful 1 2\ndreadful -1 -2\nunused 5 5\n")
    batch = load("imdb", reviews(tmp_path / "aclImdb"), vectors=str(vectors)).test[0]
    assert batch.x.shape[2] == 2
    assert batch.x[0, 0].tolist() == [-1, -2]
    assert batch.x[0, 1].tolist() == [0, 0]  # a word without a vector gets the mean
    assert set(read_vectors(["2 300", "a 1 2"], {"a", "2"})) == {"a"}
    vectors.write_text("unused 5 5\n")
    with pytest.raises(ValueError, match="none of the reviews' words"):
        load("imdb", tmp_path / "aclImdb", vectors=str(vectors))


def test_imdb_trains_with_the_papers_settings(tmp_path: Path) -> None:
    results = train_once("imdb", reviews(tmp_path / "aclImdb"), tmp_path / "run")
    assert 0 <= results["accuracy"] <= 1
    assert (tasks.find("imdb").paper.hidden_size, tasks.find("imdb").paper.dropout) == (128, 0.2)
