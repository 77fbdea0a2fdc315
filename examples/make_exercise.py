"""Make a recording that looks like a smartwatch's: three exercises, one after another, 40 s at 50 Hz.

    python examples/make_exercise.py exercise.csv            # --labels adds a column: which exercise it is

Columns: acceleration ax, ay, az in g, gravity included, and rate of turn gx, gy, gz in rad/s, of a watch on the wrist.

This file contains no recorded sample. An exercise is a Fourier series over the phase of its cycle: a constant and three
harmonics a channel, the averages over ten people of the smartwatch data set that comes with seglearn (Burns et al.,
"Shoulder physiotherapy exercise recognition", Physiological Measurement 39, 2018). Pace and
size vary from cycle to cycle, muscles tremble, sensors have noise, and the wrist rests between exercises.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import ArrayLike, NDArray

Signal = NDArray[np.float64]

SAMPLE_RATE = 50.0  # Hz
COLUMNS = "ax,ay,az,gx,gy,gz"
EXERCISE_SECONDS = 12.0
REST_SECONDS = 1.3
HISS = np.array([0.01, 0.01, 0.01, 0.03, 0.03, 0.03])  # standard deviation: g, rad/s
TREMOR = np.array([0.04, 0.04, 0.04, 0.2, 0.2, 0.2])
TREMOR_SECONDS = 0.1
PACE_JITTER, SIZE_JITTER = 0.05, 0.06  # standard deviation from one cycle to the next, relative


class Exercise(NamedTuple):
    """An exercise.

    Attributes:
        pace: cycles a second.
        series: a row for each channel: constant, then cosine and sine of harmonics 1, 2, 3.
    """

    name: str
    pace: float
    series: ArrayLike


EXERCISES = (
    Exercise(
        "forward elevation",
        0.45,
        [
            [0.59, -0.12, 1.17, 0.40, 0.01, -0.07, 0.27],
            [0.12, -0.02, 0.29, 0.07, -0.03, 0.00, 0.00],
            [-0.42, 0.00, -0.87, -0.30, 0.04, -0.03, -0.04],
            [-0.05, -1.27, -0.08, 0.05, -0.14, -0.04, 0.10],
            [-0.02, 4.69, 0.00, -0.11, 0.43, -0.06, -0.04],
            [-0.04, 0.43, 0.02, -0.07, 0.32, -0.09, 0.02],
        ],
    ),
    Exercise(
        "upright row",
        0.63,
        [
            [0.90, 0.49, 0.00, -0.12, 0.05, -0.06, -0.04],
            [0.33, -0.11, 0.00, -0.17, -0.02, 0.01, 0.00],
            [0.10, 0.02, 0.01, -0.09, -0.01, 0.01, 0.00],
            [0.00, 0.00, -0.42, -0.04, 0.17, -0.11, -0.04],
            [0.00, 0.02, 0.05, 0.09, 0.37, -0.09, -0.06],
            [0.00, -0.10, -0.31, -0.12, -0.75, 0.09, 0.07],
        ],
    ),
    Exercise(
        "pendulum",
        0.73,
        [
            [1.01, -0.14, -0.04, -0.01, 0.00, 0.00, 0.01],
            [0.11, -0.03, 0.07, -0.01, 0.01, 0.00, 0.00],
            [-0.28, 0.07, 0.01, 0.01, -0.01, 0.00, 0.01],
            [0.38, -0.41, -0.40, -0.04, -0.08, -0.01, -0.04],
            [0.09, 0.10, 1.81, 0.06, -0.09, -0.03, -0.02],
            [0.07, 1.83, 0.00, -0.04, 0.02, -0.01, -0.02],
        ],
    ),
)


def recording(seed: int = 0) -> Signal:
    """The exercises with rests between them, [T, 6]."""
    rng = default_rng(seed)
    parts: list[Signal] = []
    for exercise in EXERCISES:
        moving = perform(exercise, rng)
        if parts:
            parts.append(rest(parts[-1][-1], moving[0]))
        parts.append(moving)
    signal = np.concatenate(parts)
    return signal + HISS * rng.normal(size=signal.shape) + TREMOR * _tremor(len(signal), rng)


def labels() -> list[str]:
    """Of every sample of a recording: the exercise; nothing at rest."""
    moving, resting = round(EXERCISE_SECONDS * SAMPLE_RATE), round(REST_SECONDS * SAMPLE_RATE)
    return [name for exercise in EXERCISES for name in [exercise.name] * moving + [""] * resting][:-resting]


def perform(exercise: Exercise, rng: Generator) -> Signal:
    """EXERCISE_SECONDS of an exercise, without noise, [T, 6]."""
    samples = round(EXERCISE_SECONDS * SAMPLE_RATE)
    seconds = np.arange(samples) / SAMPLE_RATE
    pace = exercise.pace * (1 + PACE_JITTER * _wander(seconds * exercise.pace, rng))
    size = 1 + SIZE_JITTER * _wander(seconds * exercise.pace, rng)
    phase = 2 * np.pi * np.cumsum(pace) / SAMPLE_RATE
    waves = [wave(harmonic * phase) for harmonic in (1, 2, 3) for wave in (np.cos, np.sin)]
    series = np.asarray(exercise.series)
    swing: Signal = np.stack(waves, axis=1) @ series[:, 1:].T
    return series[:, 0] + size[:, np.newaxis] * swing


def rest(before: Signal, after: Signal) -> Signal:
    """A smooth transition from one posture [6] to the next [6], [T, 6]."""
    share = np.linspace(0, 1, round(REST_SECONDS * SAMPLE_RATE))[:, np.newaxis]
    smooth = share**2 * (3 - 2 * share)
    return before + (after - before) * smooth


def _tremor(samples: int, rng: Generator) -> Signal:
    """Low-pass noise, standard deviation about 1, [samples, 6]."""
    width = round(TREMOR_SECONDS * SAMPLE_RATE)
    walk: Signal = rng.normal(size=(samples + width, len(TREMOR))).cumsum(axis=0)
    step: Signal = walk[width:] - walk[:-width]
    return step / float(np.sqrt(width))


def _wander(cycles: Signal, rng: Generator) -> Signal:
    """A random value for every cycle, standard deviation 1, and the straight lines between them."""
    knots = np.arange(int(cycles[-1]) + 2)
    return np.interp(cycles, knots, rng.normal(size=len(knots)))


def write_csv(path: Path, signal: NDArray[Any], names: Sequence[str] = ()) -> None:
    """A header line, then a line for each sample; its name in the last column, if there are names."""
    lines = [",".join(f"{value:.3f}" for value in sample) for sample in signal]
    header = COLUMNS
    if names:
        header += ",label"
        lines = [f"{line},{name}" for line, name in zip(lines, names, strict=True)]
    path.write_text("".join(f"{line}\n" for line in [header, *lines]), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a recording that looks like a smartwatch's.")
    parser.add_argument("out", type=Path, help="the CSV file to write")
    parser.add_argument("--seed", type=int, default=0, help="another person (default 0)")
    parser.add_argument("--labels", action="store_true", help="add a column: which exercise it is")
    arguments = parser.parse_args()
    signal = recording(arguments.seed)
    write_csv(arguments.out, signal, labels() if arguments.labels else ())
    print(f"{arguments.out}: {len(signal)} samples, {len(signal) / SAMPLE_RATE:g} s")


if __name__ == "__main__":
    main()
