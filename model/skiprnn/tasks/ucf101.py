"""Which of 101 actions does a video show? (section 4.5) From the user's own features of UCF-101.

`--data DIR` with `features/CLASS/VIDEO.npy`, an array [T, D] a video (the paper's: a frozen ResNet-50, pooled, D =
2048), and the published lists `trainlist01.txt` and `testlist01.txt` (`--set split=2` for another split), with a line
`CLASS/VIDEO.avi` each. Of a longer video the first `frames` frames are read. A tenth of the training part is held out
to select by.
"""

from pathlib import Path

import numpy as np
import torch

from skiprnn.data.dataset import InOrder, Numbers, batch_count, held_out, shuffled
from skiprnn.data.frames import FrameFiles, open_frames
from skiprnn.metrics import Metric, accuracy
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Batch, Data, Source, Task


def _load(source: Source) -> Data:
    folder = source.need_folder("features/CLASS/VIDEO.npy and trainlist01.txt, testlist01.txt")
    split, size = f"{source.options['split']:02d}", source.recipe.batch_size
    train_videos, test_videos = (read_list(folder / f"{part}list{split}.txt") for part in ("train", "test"))
    videos = [*train_videos, *test_videos]
    classes = sorted({name.partition("/")[0] for name in videos})
    files = FrameFiles([folder / "features" / f"{name}.npy" for name in videos], source.options["frames"])
    y = torch.tensor([classes.index(name.partition("/")[0]) for name in videos])

    def fetch(numbers: Numbers) -> Batch:
        x, lengths = files.padded(numbers)
        return Batch(x, y[torch.from_numpy(numbers)], lengths)

    train, validation = held_out(len(train_videos), 0.1)
    return Data(
        network={"input_size": files.width, "output_size": len(classes), "classes": tuple(classes)},
        epoch=shuffled(fetch, train, size),
        batches=batch_count(len(train), size),
        validation=InOrder(fetch, validation, size),
        test=InOrder(fetch, np.arange(len(train_videos), len(videos)), size),
        samples=[open_frames(files.paths[number], files.frames) for number in validation[:2]],
    )


def read_list(path: Path) -> list[str]:
    """`CLASS/VIDEO` of every line of a published list, without its suffix and without the class number that may follow.

    Raises:
        FileNotFoundError, ValueError: there is no list, or a line is none.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the list of videos of this split, found none")
    names = [line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if wrong := [name for name in names if name.count("/") != 1]:
        raise ValueError(f"{path}: expected CLASS/VIDEO.avi in every line, got {wrong[0]!r}")
    return [name.rpartition(".")[0] if name.endswith(".avi") else name for name in names]


_PAPER = Recipe(hidden_size=512, num_layers=2, epochs=50, batch_size=256, budget=1e-4)

TASK = Task(
    name="ucf101",
    summary="which of 101 actions a video shows; from your features of UCF-101 (the paper's section 4.5)",
    metric=Metric("accuracy", accuracy),
    load=_load,
    recipe=_PAPER.changed(
        {"cell": "gru", "learning_rate": 1e-3, "epochs": 20, "schedule": "cosine", "ramp": 0.5}
    ),
    paper=_PAPER,
    options={"split": 1, "frames": 250},
)
