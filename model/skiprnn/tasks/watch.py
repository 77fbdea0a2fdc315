"""Which exercise is the wearer of a smartwatch doing?

140 recordings of 10 people doing 7 shoulder exercises, 947 to 2,618 samples at 50 Hz of acceleration (g) and rate of
turn (rad/s): Burns et al., "Shoulder physiotherapy exercise recognition: machine learning the inertial signals from a
smartwatch", Physiological Measurement 39, 2018. The recordings come with the package seglearn (BSD).

Subjects are held out, never windows: fold k tests on subjects 2k + 1 and 2k + 2 and trains on the other eight. A test
window has 256 samples (5.12 s) and begins at a fresh state; windows overlap by half.
"""

import dataclasses
import io
import zipfile
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from skiprnn.channels import Feature
from skiprnn.data import download
from skiprnn.data.recordings import Recording, Windows, batch_of, windowed
from skiprnn.data.types import Data, HeldOut, Signal
from skiprnn.data.unpickle import read_object_array
from skiprnn.metrics import Metric, balanced_accuracy
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Source, Task

CLASSES = (
    "pendulum",
    "abduction",
    "forward elevation",
    "internal rotation",
    "external rotation",
    "trapezius extension",
    "upright row",
)
FEATURES = (*(Feature(f"a{axis}", "g") for axis in "xyz"), *(Feature(f"g{axis}", "rad/s") for axis in "xyz"))
SAMPLE_RATE = 50.0  # Hz
WINDOW, STRIDE = 256, 128  # of the test
FOLDS = 5

_WHEEL = {
    "version": "1.2.5",
    "file": "seglearn-1.2.5-py3-none-any.whl",
    "sha256": "ec6b952c85c9627050102854b372d85951563d3b990df677d7c55547e87413dd",
}
_ROTATION = 0.1  # rad: no two watches sit alike
_SIZE, _CHANNEL = 0.15, 0.075  # standard deviation of the logarithm of a gain
_NOISE = 0.05  # g, rad/s
_OTHER_WRIST = np.array([-1, 1, 1, 1, -1, -1], np.float32)  # the mirror image across the watch's x axis


def _load(source: Source) -> Data:
    x, y, subjects = read_recordings()
    held_out = held_out_subjects(source.options["fold"])
    labelled = [Recording(signal, np.full(len(signal), label)) for signal, label in zip(x, y, strict=True)]
    train = [item for item, subject in zip(labelled, subjects, strict=True) if subject not in held_out]
    test = [item for item, subject in zip(labelled, subjects, strict=True) if subject in held_out]
    size = source.recipe.batch_size
    windows = Windows(length=source.options["window"], joined=0.3, tempo=0.2)
    made = windowed(
        _NETWORK, train, test or train, windows, size, augment=_another_wearer, length=WINDOW, stride=STRIDE
    )
    whole = [
        HeldOut(f"recording {number}", f"subject {subject}", batch_of([item]))
        for number, (item, subject) in enumerate(zip(labelled, subjects, strict=True))
        if subject in held_out
    ]
    return dataclasses.replace(made, held_out=whole)


_NETWORK: dict[str, Any] = {
    "input_size": len(FEATURES),
    "output_size": len(CLASSES),
    "features": FEATURES,
    "classes": CLASSES,
    "sample_rate": SAMPLE_RATE,
}


def held_out_subjects(fold: int) -> tuple[int, ...]:
    """The subjects that a fold tests on; fold -1 holds out none.

    Raises:
        ValueError: no such fold.
    """
    if not -1 <= fold < FOLDS:
        raise ValueError(f"fold: expected 0 to {FOLDS - 1}, or -1 to train on all subjects, got {fold!r}")
    return () if fold == -1 else (2 * fold + 1, 2 * fold + 2)


def read_recordings() -> tuple[list[Signal], NDArray[np.int64], NDArray[np.int64]]:
    """Recordings [T, 6], their classes [140] and their subjects' numbers [140], 1 to 10.

    Raises:
        DownloadError: the package could not be had.
    """
    with zipfile.ZipFile(download.wheel("seglearn", **_WHEEL)) as archive:
        arrays = read_object_array(io.BytesIO(archive.read("seglearn/data/watch_dataset.npy")))
    return [np.asarray(signal, np.float32) for signal in arrays["X"]], arrays["y"], arrays["subject"]


def _another_wearer(x: Signal, rng: Generator) -> Signal:
    """Windows [B, T, 6] as other wearers would give them: other wrist, other fit, other strength."""
    B = len(x)
    worn = np.where(rng.random((B, 1, 1)) < 0.5, x * _OTHER_WRIST, x)
    turn = _rotations(_ROTATION * rng.standard_normal((B, 3)))
    turned = np.concatenate([part @ turn for part in np.split(worn, 2, axis=2)], axis=2)
    gain = _SIZE * rng.standard_normal((B, 1, 1)) + _CHANNEL * rng.standard_normal((B, 1, 6))
    made: Signal = (turned * np.exp(gain) + _NOISE * rng.standard_normal(x.shape)).astype(np.float32)
    return made


def _rotations(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation matrices [B, 3, 3] about vectors [B, 3], by their lengths in radians (Rodrigues' formula)."""
    angle = np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-12
    x, y, z = (vectors / angle).T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    angle = angle[:, :, np.newaxis]
    turned: NDArray[np.float64] = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return turned


_RECIPE = Recipe(
    cell="gru",
    hidden_size=64,
    dropout=0.3,
    epochs=16,
    batch_size=64,
    learning_rate=3e-3,
    weight_decay=1e-2,
    learning_rate_schedule="cosine",
    every_step=True,
    label_smoothing=0.05,
    target_rate=0.25,
    ramp=0.5,
    keep="last",
)

TASK = Task(
    name="watch",
    summary="shoulder exercises from a smartwatch: 6 channels at 50 Hz, 7 classes, subjects held out",
    metric=Metric("balanced_accuracy", balanced_accuracy, is_share=True),
    load=_load,
    recipe=_RECIPE,
    # The paper has no such task: its optimiser and its λ, on this network and objective.
    paper=Recipe(cell="lstm", batch_size=64, epochs=200, every_step=True, lambda_=1e-4, keep="last"),
    options={"fold": FOLDS - 1, "window": 256},
)
