"""Features and actions of every frame, in the published formats."""

from pathlib import Path

import numpy as np
import pytest
import torch

from skiprnn.tasks.charades import evenly_spaced, labels
from support.tasks import load, train_once


def charades(folder: Path, *, text: bool = False) -> Path:
    rng = np.random.default_rng(0)
    (folder / "features").mkdir(parents=True)
    for part, count in (("train", 10), ("test", 3)):
        rows = []
        for number in range(count):
            name, frames = (
                f"{part[:2].upper()}{number:03d}",
                rng.standard_normal((12 + number, 4)).astype("f4"),
            )
            rows.append(f'{name},30.1,"c000 0.00 1.00;c156 1.50 2.50"')
            if text:
                (folder / "features" / name).mkdir()
                for frame, values in enumerate(frames):
                    np.savetxt(folder / "features" / name / f"{name}-{frame:06d}.txt", values)
            else:
                np.save(folder / "features" / f"{name}.npy", frames)
        (folder / f"Charades_v1_{part}.csv").write_text("id,length,actions\n" + "\n".join(rows) + "\n")
    return folder


@pytest.mark.parametrize("text", [True, False])
def test_charades_reads_features_and_actions_of_every_frame(tmp_path: Path, text: bool) -> None:
    data = load("charades", charades(tmp_path, text=text))
    batch = data.test[0]
    assert batch.x.shape == (3, 14, 4)
    assert batch.y.shape == (3, 14, 157)
    assert batch.y[0, :7, 0].tolist() == [1] * 7  # 0 to 1 s at 6 Hz
    assert batch.y[0, 7:, 0].sum() == 0
    assert batch.lengths is not None
    assert batch.lengths.tolist() == [12, 13, 14]


def test_charades_trains_on_steps_and_reports_mean_average_precision(tmp_path: Path) -> None:
    results = train_once("charades", charades(tmp_path / "charades"), tmp_path / "run")
    assert 0 < results["mean_average_precision"] <= 1


def test_frames_that_are_evaluated_are_evenly_spaced_and_real() -> None:
    weights = evenly_spaced(torch.tensor([400, 30]), 500)
    assert weights[0].sum() == 100
    assert weights[0, 0] == weights[0, 399] == 1
    assert weights[1, :30].all()  # a video of fewer frames is evaluated on all of them
    assert weights[1, 30:].sum() == 0


def test_actions_that_cannot_be_parsed_raise_an_error() -> None:
    assert labels("", 3).sum() == 0
    for wrong in ("c001", "c999 0 1", "walk 0 1", "c001 now then"):
        with pytest.raises(ValueError, match="actions: expected"):
            labels(wrong, 3)
