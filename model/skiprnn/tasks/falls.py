"""Does the wearer fall? An alarm at every fall and at nothing else.

SisFall: A. Sucerquia, J. D. López, J. F. Vargas-Bonilla, "SisFall: A Fall and Movement Dataset", Sensors 17, 2017.
2,702 recordings of 19 activities of daily life and 1,798 acted falls of 15 kinds, by 38 people; a sensor at the waist,
200 Hz. `--data` is the folder with SA01 … SE15, as published: text files of nine columns, of which the first six are
taken, the acceleration of the ADXL345 and the rate of turn of the ITG3200; brought to 50 Hz.

A person's recordings, in a random order, are one stream: real signals, made seams. An event is the impact of a fall,
the largest acceleration in its recording. Six people who fall (five adults and SE06, the only older one) are held out
for the test, five other adults for the threshold.
"""

import io
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.random import Generator, default_rng
from scipy.signal import resample_poly

from skiprnn.channels import Feature
from skiprnn.data.event_stream import EventStream
from skiprnn.data.events import EventChunks, EventTargets, event_data
from skiprnn.data.types import Data, EventStreams, Signal
from skiprnn.event_metric import EventMetric
from skiprnn.events import EventRule
from skiprnn.metrics import Metric, balanced_accuracy
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Source, Task

CLASSES = ("none", "fall")
FEATURES = (
    *(Feature(f"a{axis}", "g") for axis in "xyz"),
    *(Feature(f"g{axis}", "100 °/s") for axis in "xyz"),
)
SAMPLE_RATE = 50  # Hz
TEST = ("SA04", "SA08", "SA12", "SA16", "SA20", "SE06")
VALIDATION = ("SA02", "SA06", "SA10", "SA14", "SA18")

_PUBLISHED_RATE = 200  # Hz
# Bits → g (±16 g, 13 bits) and 100 °/s (±2000 °/s, 16 bits).
_SCALE = np.repeat(np.array([32 / 2**13, 40 / 2**16], np.float32), 3)
_ORDERS = 2  # of each person's recordings to train on
_GAIN = 0.1  # standard deviation of its logarithm


def _load(source: Source) -> Data:
    people = read_people(source.need_folder("SisFall's folders SA01 … SE15"))
    rng = default_rng(1)
    held_out = {name for name in people if name in TEST + VALIDATION}
    if missing := sorted({*TEST, *VALIDATION} - held_out):
        raise FileNotFoundError(f"{source.folder}: expected recordings of {', '.join(missing)}, found none")
    train = [
        stream_of(name, people[name], rng)
        for name in sorted(people.keys() - held_out)
        for _ in range(_ORDERS)
    ]
    validation, test = (
        [stream_of(name, people[name], rng) for name in names] for names in (VALIDATION, TEST)
    )
    network = {
        "input_size": len(FEATURES),
        "output_size": len(CLASSES),
        "features": FEATURES,
        "classes": CLASSES,
        "sample_rate": float(SAMPLE_RATE),
        "events": EventRule("none", 0.5, 3 * SAMPLE_RATE),
    }
    metric = EventMetric(before=SAMPLE_RATE // 2, after=2 * SAMPLE_RATE, sample_rate=SAMPLE_RATE)
    carried = source.options["carried"]
    return event_data(
        network,
        train,
        EventStreams(validation, test, metric),
        EventTargets(before=50, delay=10, hold=84, after=124, weights=(1, 3)),
        EventChunks(length=1000, carried=carried, warm_up=SAMPLE_RATE),
        source.recipe.batch_size,
        augment=_another_gain,
    )


def read_people(folder: Path) -> dict[str, list[tuple[Signal, bool]]]:
    """{person: [(samples [T, 6] at 50 Hz, whether it is a fall)]}, as published.

    The name of a file says whose it is: a few copies lie in another person's folder.

    Raises:
        FileNotFoundError: no recording; ValueError: a file that is no table of nine columns.
    """
    found = {path.stem: path for path in sorted(folder.glob("S*/[DF]??_S*_R*.txt"))}
    if not found:
        raise FileNotFoundError(f"{folder}: expected files such as SA01/D01_SA01_R01.txt, found none")
    people: dict[str, list[tuple[Signal, bool]]] = {}
    for name, path in found.items():
        people.setdefault(name.split("_")[1], []).append((_read(path), name.startswith("F")))
    return people


def _read(path: Path) -> Signal:
    """A file's samples, [T, 6] at 50 Hz."""
    text = path.read_bytes().replace(b";", b"")
    try:
        raw = pd.read_csv(io.BytesIO(text), header=None, dtype=np.float32).to_numpy()
    except ValueError as error:
        raise ValueError(f"{path}: expected rows of nine numbers: {error}") from None
    if raw.shape[1] != 9:
        raise ValueError(f"{path}: expected rows of nine numbers, got {raw.shape[1]}")
    x: Signal = resample_poly(raw[:, :6] * _SCALE, SAMPLE_RATE, _PUBLISHED_RATE, axis=0).astype(np.float32)
    return x


def stream_of(name: str, recordings: list[tuple[Signal, bool]], rng: Generator) -> EventStream:
    """A person's recordings in a random order, and the impact of every fall."""
    order = [recordings[index] for index in rng.permutation(len(recordings))]
    begins = np.cumsum([0, *(len(x) for x, _ in order)])
    impacts = [begin + _impact(x) for begin, (x, fall) in zip(begins, order, strict=False) if fall]
    starts = np.array(impacts, np.int64)
    x = np.concatenate([x for x, _ in order])
    return EventStream(name, x, np.full(len(starts), CLASSES.index("fall")), starts, starts + 1)


def _impact(x: Signal) -> int:
    """The sample with the largest |a|, mean of three, but for half a second at the start and a second at the end."""
    size = np.convolve(np.linalg.norm(x[:, :3], axis=1), np.ones(3) / 3, "same")
    return SAMPLE_RATE // 2 + int(size[SAMPLE_RATE // 2 : -SAMPLE_RATE].argmax())


def _another_gain(x: Signal, rng: Generator) -> Signal:
    return x * np.float32(np.exp(_GAIN * rng.standard_normal()))


_RECIPE = Recipe(
    cell="gru",
    hidden_size=64,
    epochs=32,
    batch_size=32,
    learning_rate=3e-3,
    learning_rate_schedule="cosine",
    target_rate=0.02,
    keep="last",
)

TASK = Task(
    name="falls",
    summary="falls in daily life (SisFall): 6 channels at 50 Hz, people held out",
    metric=Metric("balanced_accuracy", balanced_accuracy, is_share=True),
    load=_load,
    recipe=_RECIPE,
    # The paper has no such task: its optimiser and its λ.
    paper=Recipe(cell="lstm", batch_size=64, epochs=200, lambda_=1e-4, keep="last"),
    options={"carried": 1},
)
