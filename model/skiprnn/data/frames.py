"""Features of video frames in files, one file a video, loaded when a batch needs them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from skiprnn.data.dataset import Numbers
from skiprnn.data.types import Signal


@dataclasses.dataclass(frozen=True)
class FrameFiles:
    """A file of features a video, `VIDEO.npy` or a folder of text files (`open_frames`); at most `frames` are used.

    Raises:
        FileNotFoundError: a file is missing; the message names the first.
    """

    paths: Sequence[Path]
    frames: int

    def __post_init__(self) -> None:
        if missing := [
            path for path in self.paths if not path.exists() and not path.with_suffix("").is_dir()
        ]:
            raise FileNotFoundError(
                f"{missing[0]}: expected the features of a video ({len(missing)} are missing)"
            )

    @property
    def width(self) -> int:
        """D, the size of a frame's features."""
        return int(open_frames(self.paths[0], self.frames).shape[1])

    def padded(self, numbers: Numbers) -> tuple[Tensor, Tensor]:
        """x [B, T, D], padded with zeros, and lengths [B]."""
        signals = [torch.from_numpy(open_frames(self.paths[number], self.frames)) for number in numbers]
        lengths = torch.tensor([len(signal) for signal in signals])
        return torch.nn.utils.rnn.pad_sequence(signals, batch_first=True), lengths


def open_frames(path: Path, frames: int) -> Signal:
    """The first frames of `VIDEO.npy`, or, where there is a folder VIDEO instead, of its text files in order: [T, D].

    Raises:
        ValueError: not an array [T, D] with T ≥ 1.
    """
    if path.is_file():
        features = np.load(path, mmap_mode="r", allow_pickle=False)[:frames]
    else:
        files = sorted(path.with_suffix("").glob("*.txt"))[:frames]
        features = np.array([np.loadtxt(file, np.float32, ndmin=1) for file in files])
    if features.ndim != 2 or not len(features):
        raise ValueError(f"{path}: expected features [frames, size], got shape {list(features.shape)}")
    return np.array(features, np.float32)
