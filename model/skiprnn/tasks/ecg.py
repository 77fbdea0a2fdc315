"""Was that a heartbeat? Or, with `beats=ventricular`: was it a ventricular ectopic one?

MIT-BIH Arrhythmia Database: G. B. Moody, R. G. Mark, "The impact of the MIT-BIH Arrhythmia Database", IEEE Engineering
in Medicine and Biology 20, 2001; PhysioNet, ODC-By 1.0. 48 records of 30 minutes at 360 Hz, every beat annotated.
`--data` is the folder with the records (100.hea, 100.dat, 100.atr, …), as published; it is read with wfdb.

The signal is lead MLII, brought to 120 Hz. An event is a beat at its annotated time, or one of the class V of the AAMI
(V and E of the annotations). Records are divided as de Chazal, O'Dwyer and Reilly did ("Automatic
classification of heartbeats using ECG morphology and heartbeat interval features", IEEE Transactions on Biomedical
Engineering 51, 2004): DS1 and DS2 have other patients, and none has a pacemaker. DS2 is the test; five records of DS1
choose the threshold, the others are trained on.
"""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
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

SAMPLE_RATE = 120  # Hz
TRAIN = (
    *("101", "106", "108", "109", "112", "115", "116", "119", "122"),
    *("201", "205", "207", "208", "209", "215", "220", "230"),
)
VALIDATION = ("114", "118", "124", "203", "223")
TEST = (
    *("100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210"),
    *("212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234"),
)
BEATS = {"all": "NLRejAaJSVEF/fQ", "ventricular": "VE"}  # codes of the annotations (AAMI: N, S, V, F, Q; V)

_LEAD = "MLII"
_GAIN = 0.2  # standard deviation of its logarithm
_AFTER = {"all": 18, "ventricular": 42}  # samples of the metric's window: 150 ms, and 350 ms


def _load(source: Source) -> Data:
    beats = source.options["beats"]
    if beats not in BEATS:
        raise ValueError(f"beats: expected one of {', '.join(BEATS)}, got {beats!r}")
    folder = source.need_folder("MIT-BIH records, 100.hea, 100.dat, 100.atr, …")
    train, validation, test = (
        [read_record(folder, record, BEATS[beats]) for record in records]
        for records in (TRAIN, VALIDATION, TEST)
    )
    network = {
        "input_size": 1,
        "output_size": 2,
        "features": (Feature(_LEAD, "mV"),),
        "classes": ("none", "beat" if beats == "all" else "ventricular beat"),
        "sample_rate": float(SAMPLE_RATE),
        "events": EventRule("none", 0.5, SAMPLE_RATE // 10),
    }
    after = _AFTER[beats]
    return event_data(
        network,
        train,
        EventStreams(validation, test, EventMetric(before=18, after=after, sample_rate=SAMPLE_RATE)),
        EventTargets(before=12, delay=after // 4, hold=after - 1, after=after + 12, weights=(1, 2)),
        EventChunks(length=500, carried=source.options["carried"], warm_up=SAMPLE_RATE),
        source.recipe.batch_size,
        augment=_another_gain,
    )


def read_record(folder: Path, record: str, codes: Iterable[str]) -> EventStream:
    """A record's lead MLII at 120 Hz, and its beats of these codes.

    Raises:
        FileNotFoundError: no such record; ValueError: it lacks the lead, or wfdb is not installed.
    """
    if missing := [end for end in ("hea", "dat", "atr") if not (folder / f"{record}.{end}").is_file()]:
        raise FileNotFoundError(f"{folder}: expected {record}.{missing[0]}, found none")
    read, marks = _read(str(folder / record))
    if _LEAD not in read.sig_name:
        raise ValueError(f"{folder / record}.hea: expected the lead {_LEAD}, got {', '.join(read.sig_name)}")
    raw = read.p_signal[:, [read.sig_name.index(_LEAD)]].astype(np.float32)
    x: Signal = resample_poly(raw, SAMPLE_RATE, int(read.fs), axis=0).astype(np.float32)
    wanted = np.isin(marks.symbol, list(codes))
    at = np.minimum(marks.sample[wanted] * SAMPLE_RATE // int(read.fs), len(x) - 1).astype(np.int64)
    return EventStream(record, x, np.ones(len(at), np.int64), at, at + 1)


def _read(path: str) -> tuple[Any, Any]:
    """A record and its annotations, without wfdb's warnings about itself, on which no user can act."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The inplace keyword in")
        try:
            import wfdb
        except ModuleNotFoundError:
            install = "pip install -e '.[ecg]' in a checkout, or pip install '/path/to/skiprnn[ecg]'"
            raise ValueError(
                f"expected the package wfdb, found none; install the extra 'ecg': {install}"
            ) from None
        return wfdb.rdrecord(path), wfdb.rdann(path, "atr")


def _another_gain(x: Signal, rng: Generator) -> Signal:
    return x * np.float32(np.exp(_GAIN * rng.standard_normal()))


_RECIPE = Recipe(
    cell="gru",
    hidden_size=64,
    epochs=16,
    batch_size=32,
    learning_rate=2e-3,
    clip_ratio=1.0,  # the gate's gradient grows out of bounds while the rate falls (docs/results/events.md)
    learning_rate_schedule="cosine",
    target_rate=0.2,
    start_rate=0.5,
    gate_learning_rate=0.1,
    keep="last",
)

TASK = Task(
    name="ecg",
    summary="heartbeats, or ventricular ones alone (MIT-BIH): 1 channel at 120 Hz, patients held out",
    metric=Metric("balanced_accuracy", balanced_accuracy, is_share=True),
    load=_load,
    recipe=_RECIPE,
    # The paper has no such task: its optimiser and its λ.
    paper=Recipe(cell="lstm", batch_size=64, epochs=200, lambda_=1e-4, keep="last"),
    options={"beats": "all", "carried": 1},
)
