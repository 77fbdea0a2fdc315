"""Features of videos by the published lists; two layers under one gate."""

from pathlib import Path

import numpy as np
import pytest

from skiprnn import tasks
from support.tasks import load, train_once


def videos(folder: Path, frames: int = 7) -> Path:
    names = [
        f"{action}/v_{action}_g{number:02d}" for action in ("Archery", "Bowling") for number in range(10)
    ]
    rng = np.random.default_rng(0)
    for name in names:
        path = folder / "features" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, rng.standard_normal((frames, 5)))
    train, test = names[::2], names[1::2]
    (folder / "trainlist01.txt").write_text("".join(f"{name}.avi 1\n" for name in train))
    (folder / "testlist01.txt").write_text("".join(f"{name}.avi\n" for name in test))
    return folder


def test_ucf101_reads_features_by_the_published_lists(tmp_path: Path) -> None:
    data = load("ucf101", videos(tmp_path), frames=6)
    batch = data.test[0]
    assert batch.x.shape == (10, 6, 5)
    assert batch.y.tolist() == [0] * 5 + [1] * 5
    assert data.network["classes"] == ("Archery", "Bowling")
    np.testing.assert_allclose(
        batch.x[0], np.load(tmp_path / "features/Archery/v_Archery_g01.npy")[:6], rtol=1e-6
    )


def test_ucf101_trains_two_layers_under_one_gate(tmp_path: Path) -> None:
    results = train_once("ucf101", videos(tmp_path / "ucf"), tmp_path / "run")
    assert results["samples"] == 7
    assert tasks.find("ucf101").paper.num_layers == 2


def test_a_video_without_features_is_named(tmp_path: Path) -> None:
    (videos(tmp_path) / "features/Archery/v_Archery_g00.npy").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"v_Archery_g00\.npy: expected the features .*\(1 are missing\)"
    ):
        load("ucf101", tmp_path)
    (tmp_path / "trainlist01.txt").write_text("no-folder.avi\n")
    with pytest.raises(ValueError, match=r"expected CLASS/VIDEO\.avi"):
        load("ucf101", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"trainlist03\.txt: expected the list"):
        load("ucf101", tmp_path, split=3)
