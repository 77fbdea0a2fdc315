"""Which of 101 actions does a video show? (section 4.5) From the user's own features of UCF-101.

`--data DIR` with `features/CLASS/VIDEO.npy`, an array [T, D] a video (the paper's: a frozen ResNet-50, pooled, D =
2048), and the published lists `trainlist01.txt` and `testlist01.txt`, with a line `CLASS/VIDEO.avi` each (`--override
split=2` for another split). Of a longer video the first `frames` frames are used. A tenth of the training part is held
out to select by.
"""

from pathlib import Path

import torch

from skiprnn.data.dataset import Numbers, Split, data_set
from skiprnn.data.frames import FrameFiles, open_frames
from skiprnn.data.types import Batch, Data
from skiprnn.metrics import Metric, accuracy
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Source, Task


def _load(source: Source) -> Data:
    folder = source.need_folder("features/CLASS/VIDEO.npy and trainlist01.txt, testlist01.txt")
    lists = (folder / f"{part}list{source.options['split']:02d}.txt" for part in ("train", "test"))
    train_videos, test_videos = (read_list(path) for path in lists)
    videos = [*train_videos, *test_videos]
    classes = sorted({name.partition("/")[0] for name in videos})
    files = FrameFiles([folder / "features" / f"{name}.npy" for name in videos], source.options["frames"])
    y = torch.tensor([classes.index(name.partition("/")[0]) for name in videos])

    def fetch(numbers: Numbers) -> Batch:
        x, lengths = files.padded(numbers)
        return Batch(x, y[torch.from_numpy(numbers)], lengths)

    split = Split.published(len(train_videos), len(test_videos), 0.1)
    network = {"input_size": files.width, "output_size": len(classes), "classes": tuple(classes)}
    samples = [open_frames(files.paths[number], files.frames) for number in split.validation[:2]]
    return data_set(network, fetch, split, source.recipe.batch_size, samples=samples)


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


_PAPER = Recipe(hidden_size=512, num_layers=2, epochs=50, batch_size=256, lambda_=1e-4)

TASK = Task(
    name="ucf101",
    summary="which of 101 actions a video shows; from your features of UCF-101 (the paper's section 4.5)",
    metric=Metric("accuracy", accuracy, is_share=True),
    load=_load,
    recipe=_PAPER.changed(
        {"cell": "gru", "learning_rate": 1e-3, "epochs": 20, "learning_rate_schedule": "cosine", "ramp": 0.5}
    ),
    paper=_PAPER,
    options={"split": 1, "frames": 250},
)
