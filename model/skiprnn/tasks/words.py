"""Which digit was just said? A word now and then, and pauses between.

Free Spoken Digit Dataset (Z. Jackson and others, CC BY-SA 4.0): 3,000 recordings of the digits 0 to 9 by six speakers,
8 kHz. `--data` is the folder of the files, as published: DIGIT_SPEAKER_INDEX.wav.

A speaker's recordings, in a random order with pauses of 1 to 5 s, are one stream: real words, made pauses. A quiet
noise runs through all of it. A sample is the logarithm of the power in 20 mel bands over 25 ms, a hundred a second
(`log_mel`). An event is a digit's end.

The data set's own division is the default: of every speaker, recordings 0 to 4 of each digit are the test; here 5 to 9
choose the threshold. So test words are new, speakers are not. Fold k in place of it tests on speaker k in the order of
the alphabet, chooses the threshold on the next one, and trains on the other four, which are few.
"""

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray
from scipy.io import wavfile

from skiprnn.channels import Feature
from skiprnn.data.event_stream import EventStream
from skiprnn.data.events import EventChunks, EventTargets, event_data
from skiprnn.data.types import Data, EventStreams, Signal
from skiprnn.event_metric import EventMetric
from skiprnn.events import EventRule
from skiprnn.metrics import Metric, balanced_accuracy
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Source, Task

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CLASSES = ("none", *DIGITS)
BANDS = 20
SAMPLE_RATE = 100  # Hz, of the bands

_AUDIO_RATE = 8000  # Hz
_HOP, _WINDOW, _FFT = 80, 200, 256  # samples of audio
_LOWEST, _HIGHEST = 100, 4000  # Hz
_QUIETEST = 1e-8  # power: the logarithm of silence is finite
_PAUSE = (1.0, 5.0)  # seconds
_NOISE = 1e-3  # standard deviation; full scale is 1
_ORDERS = 2  # of each speaker's words to train on
_GAIN = 0.5  # standard deviation of the logarithm of a power


class Word(NamedTuple):
    """A recording: its digit, its number among those of the digit and speaker, its audio (full scale is 1)."""

    digit: int
    number: int
    audio: NDArray[np.float32]


def _load(source: Source) -> Data:
    speakers = read_speakers(source.need_folder("the spoken digits, DIGIT_SPEAKER_INDEX.wav"))
    rng = default_rng(1)
    train, validation, test = (
        [stream_of(name, words, rng) for name, words in part for _ in range(orders)]
        for part, orders in zip(split(speakers, source.options["fold"]), (_ORDERS, 1, 1), strict=True)
    )
    network = {
        "input_size": BANDS,
        "output_size": len(CLASSES),
        "features": tuple(Feature(f"mel{band}", "ln(power)") for band in range(BANDS)),
        "classes": CLASSES,
        "sample_rate": float(SAMPLE_RATE),
        "events": EventRule("none", 0.5, SAMPLE_RATE // 2),
    }
    metric = EventMetric(before=SAMPLE_RATE // 2, after=SAMPLE_RATE, sample_rate=SAMPLE_RATE)
    return event_data(
        network,
        train,
        EventStreams(validation, test, metric),
        EventTargets(before=60, delay=5, hold=50, after=80, weights=(1, *[2] * len(DIGITS))),
        EventChunks(length=1000, carried=source.options["carried"], warm_up=SAMPLE_RATE // 2),
        source.recipe.batch_size,
        augment=_louder_or_quieter,
    )


Speakers = dict[str, list[Word]]


def read_speakers(folder: Path) -> Speakers:
    """The words of each speaker, as published.

    Raises:
        FileNotFoundError: no recording; ValueError: one of another format, or a name of another form.
    """
    paths = sorted(folder.glob("*.wav"))
    if not paths:
        raise FileNotFoundError(f"{folder}: expected files such as 0_george_0.wav, found none")
    speakers: Speakers = {}
    for path in paths:
        digit, _, rest = path.stem.partition("_")
        speaker, _, index = rest.rpartition("_")
        if digit not in list("0123456789") or not index.isdigit() or not speaker:
            raise ValueError(f"{path}: expected a name such as 0_george_0.wav")
        speakers.setdefault(speaker, []).append(Word(int(digit), int(index), _read(path)))
    return speakers


def _read(path: Path) -> NDArray[np.float32]:
    try:
        rate, audio = wavfile.read(path)
    except ValueError as error:
        raise ValueError(f"{path}: expected a WAV file: {error}") from None
    if rate != _AUDIO_RATE or audio.dtype != np.int16 or audio.ndim != 1:
        got = f"{audio.dtype} {list(audio.shape)} at {rate} Hz"
        raise ValueError(f"{path}: expected one channel of 16 bits at {_AUDIO_RATE} Hz, got {got}")
    scaled: NDArray[np.float32] = audio.astype(np.float32) / 2**15
    return scaled


Part = list[tuple[str, list[Word]]]


def split(speakers: Speakers, fold: int) -> tuple[Part, Part, Part]:
    """Words to train on, to choose the threshold by, and to test on, each with its speaker.

    Raises:
        ValueError: no such fold.
    """
    names = sorted(speakers)
    if not -1 <= fold < len(names) or len(names) < 3:
        raise ValueError(f"fold: expected -1 to {len(names) - 1} and three speakers at least, got {fold!r}")
    if fold == -1:
        parts = ((10, np.inf), (5, 10), (0, 5))
        train, validation, test = (
            [(name, [word for word in speakers[name] if low <= word.number < high]) for name in names]
            for low, high in parts
        )
        return train, validation, test
    held_out = names[fold], names[(fold + 1) % len(names)]
    rest = [(name, speakers[name]) for name in names if name not in held_out]
    return rest, [(held_out[1], speakers[held_out[1]])], [(held_out[0], speakers[held_out[0]])]


def stream_of(name: str, words: list[Word], rng: Generator) -> EventStream:
    """A speaker's words in a random order, with pauses between; an event is the last sample of a word."""
    parts, labels, ends, t = [], [], [], 0
    for index in rng.permutation(len(words)):
        pause = np.zeros(int(_AUDIO_RATE * rng.uniform(*_PAUSE)), np.float32)
        parts += [pause, words[index].audio]
        t += len(pause) + len(words[index].audio)
        labels.append(CLASSES.index(DIGITS[words[index].digit]))
        ends.append(t // _HOP)
    audio = np.concatenate([*parts, np.zeros(2 * _AUDIO_RATE, np.float32)])
    audio += _NOISE * rng.standard_normal(len(audio), np.float32)
    last = np.array(ends, np.int64)
    return EventStream(name, log_mel(audio), np.array(labels, np.int64), last - 1, last)


def log_mel(audio: NDArray[np.float32]) -> Signal:
    """Audio at 8 kHz, full scale 1 → ln of the power in 20 mel bands, [T, 20], a sample every 10 ms.

    Sample t is of the 25 ms that end at 10 ms · (t + 1): nothing later.
    """
    padded = np.concatenate([np.zeros(_WINDOW - _HOP, np.float32), audio])
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]  # (T, 200)
    bands = [
        np.square(np.abs(np.fft.rfft(part * np.hanning(_WINDOW), _FFT))) / _WINDOW @ _mel_filters()
        for part in np.array_split(frames, max(1, len(frames) // 10_000))
    ]
    spoken: Signal = np.log(np.concatenate(bands) + _QUIETEST).astype(np.float32)
    return spoken


@functools.cache
def _mel_filters() -> NDArray[np.float64]:
    """Triangles of equal width on the mel scale, [129, 20]."""
    lowest, highest = (2595 * np.log10(1 + hertz / 700) for hertz in (_LOWEST, _HIGHEST))
    corners = 700 * (10 ** (np.linspace(lowest, highest, BANDS + 2) / 2595) - 1)
    hertz = np.fft.rfftfreq(_FFT, 1 / _AUDIO_RATE)[:, np.newaxis]
    rising = (hertz - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - hertz) / (corners[2:] - corners[1:-1])
    filters: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling))
    return filters


def _louder_or_quieter(x: Signal, rng: Generator) -> Signal:
    return x + np.float32(_GAIN * rng.standard_normal())


_RECIPE = Recipe(
    cell="gru",
    hidden_size=64,
    epochs=32,
    batch_size=32,
    learning_rate=3e-3,
    learning_rate_schedule="cosine",
    target_rate=0.1,
    start_rate=0.3,
    dropout=0.2,
    keep="last",
)

TASK = Task(
    name="words",
    summary="spoken digits in pauses (FSDD): 20 mel bands at 100 Hz, speakers held out",
    metric=Metric("balanced_accuracy", balanced_accuracy, is_share=True),
    load=_load,
    recipe=_RECIPE,
    # The paper has no such task: its optimiser and its λ.
    paper=Recipe(cell="lstm", batch_size=64, epochs=200, lambda_=1e-4, keep="last"),
    options={"fold": -1, "carried": 1},
)
