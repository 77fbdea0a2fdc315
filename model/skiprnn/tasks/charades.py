"""What is being done, frame by frame? (section 4.6) From the user's own copy of Charades.

`--data DIR` with the published `Charades_v1_train.csv` and `Charades_v1_test.csv` (columns id, length and actions,
such as `c092 11.90 21.20;c147 0.00 12.60`, in seconds), and `features/ID.npy` [T, D] at 6 frames a second, or the
published folders `features/ID/ID-000001.txt …` (fc7 of VGG-16, D = 4096). A frame may show several of 157 actions.
Reported is the mean average precision over 100 frames, evenly spaced over every test video; a tenth of the training
videos is held out to select by.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from skiprnn.data.dataset import Numbers, Split, data_set
from skiprnn.data.frames import FrameFiles, open_frames
from skiprnn.data.types import Batch, Data
from skiprnn.metrics import Metric, mean_average_precision
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Source, Task

ACTIONS = 157
FRAME_RATE = 6.0  # Hz
EVALUATED = 100  # frames of a video

_LONGEST = 1200  # frames: 200 s


def _load(source: Source) -> Data:
    folder = source.need_folder("Charades_v1_train.csv, Charades_v1_test.csv and features/")
    parts = [_read_annotations(folder / f"Charades_v1_{part}.csv") for part in ("train", "test")]
    videos = [video for part in parts for video in part]
    files = FrameFiles([folder / "features" / f"{name}.npy" for name, _ in videos], _LONGEST)

    def fetch(numbers: Numbers) -> Batch:
        x, lengths = files.padded(numbers)
        y = torch.stack([labels(videos[number][1], x.shape[1]) for number in numbers])
        return Batch(x, y, lengths)

    def evaluated(numbers: Numbers) -> Batch:
        batch = fetch(numbers)
        return batch._replace(weights=evenly_spaced(batch.lengths, batch.x.shape[1]))

    split = Split.published(len(parts[0]), len(parts[1]), 0.1)
    network = {
        "input_size": files.width,
        "output_size": ACTIONS,
        "task": "step_classification",
        "multi_label": True,
        "classes": tuple(f"c{number:03d}" for number in range(ACTIONS)),
        "sample_rate": FRAME_RATE,
    }
    samples = [open_frames(files.paths[number], _LONGEST) for number in split.validation[:2]]
    size = source.recipe.batch_size
    return data_set(network, fetch, split, size, evaluated=evaluated, samples=samples)


def _read_annotations(path: Path) -> list[tuple[str, str]]:
    """(video, its actions) of every row."""
    import pandas as pd

    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the published annotations, found none")
    frame: Any = pd.read_csv(path, usecols=["id", "actions"], dtype=str, keep_default_na=False)
    return list(zip(frame["id"], frame["actions"], strict=True))


def labels(actions: str, frames: int) -> Tensor:
    """`c092 11.90 21.20;…` → [T, 157] of 0 and 1: the actions at the time of every frame.

    Raises:
        ValueError: the text is none of this form.
    """
    y = torch.zeros(frames, ACTIONS)
    seconds = torch.arange(frames) / FRAME_RATE
    for action in filter(None, actions.split(";")):
        try:
            name, begin, end = action.split()
            y[(seconds >= float(begin)) & (seconds <= float(end)), int(name.removeprefix("c"))] = 1
        except (ValueError, IndexError) as error:
            raise ValueError(f"actions: expected 'c092 11.90 21.20;…', got {action!r}") from error
    return y


def evenly_spaced(lengths: Tensor | None, frames: int) -> Tensor:
    """Weights [B, T]: 1 at EVALUATED frames from the first to the last of each video, 0 elsewhere."""
    ends = [frames] if lengths is None else lengths.tolist()
    weights = torch.zeros(len(ends), frames)
    for row, end in enumerate(ends):
        weights[row, torch.linspace(0, end - 1, EVALUATED).round().long()] = 1
    return weights


_PAPER = Recipe(hidden_size=256, num_layers=2, epochs=50, batch_size=256, lambda_=1e-3)

TASK = Task(
    name="charades",
    summary="what is done in every frame of a video; from your copy of Charades (the paper's section 4.6)",
    metric=Metric("mean_average_precision", mean_average_precision, is_share=True),
    load=_load,
    recipe=_PAPER.changed(
        {"cell": "gru", "learning_rate": 1e-3, "epochs": 20, "learning_rate_schedule": "cosine", "ramp": 0.5}
    ),
    paper=_PAPER,
)
