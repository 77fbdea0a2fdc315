"""The user's recordings and their targets → data to train on: what is held out, windows, what is too little."""

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.random import Generator

from skiprnn.channels import Feature
from skiprnn.data import summary
from skiprnn.data.files import digest, shown
from skiprnn.data.recordings import Recording, Windows, batch_of, windowed
from skiprnn.data.split import Excerpt, Parts, split_by_group, split_by_name, split_by_time
from skiprnn.data.targets import Labelled, TargetKind, Targets
from skiprnn.data.types import Batch, Data, HeldOut, Signal

BY_GROUP, BY_TIME = "group", "time"  # any other way to split is a column's name

_SIZE, _CHANNEL = 0.1, 0.05  # standard deviation of the logarithm of a gain

_log = logging.getLogger(__name__)


class Own(Labelled, Protocol):
    """One of the user's recordings; parts of one recording share their `source`. `paths`: its file, and others."""

    @property
    def source(self) -> str: ...
    @property
    def paths(self) -> Sequence[Path]: ...
    @property
    def group(self) -> str: ...


@dataclasses.dataclass(frozen=True)
class Division:
    """How recordings are divided.

    Attributes:
        split: `group`, `time`, or a column that says train, validation or test.
        held_out: share that is held out; a column says it itself.
        divide: select the network by other recordings than those that are reported, where the data allow it.
    """

    split: str
    held_out: float
    seed: int
    divide: bool


def long_enough(recordings: Sequence[Own], window: int) -> list[int]:
    """Numbers of the recordings but those far shorter than the window, or than most others: one would shorten all."""
    lengths = [len(recording.x) for recording in recordings]
    usual = min(window, int(np.median(lengths)))
    if short := [f"{recordings[i].name} ({n})" for i, n in enumerate(lengths) if 2 * n < usual]:
        text = f"{', '.join(short)} (far shorter than {usual} samples)"
        _log.info("%s", summary.entry("passed over", text))
    return [number for number, length in enumerate(lengths) if 2 * length >= usual]


def identities(recordings: Sequence[Own], parts: Parts) -> dict[str, str]:
    """Recording → its part and the SHA-256 of its file: a run that is resumed must find the same."""
    digests = {path: digest(path) for path in {path for recording in recordings for path in recording.paths}}
    found: dict[str, str] = {}
    for part, excerpts in zip(("trained on", "selected by", "held out"), parts, strict=True):
        for excerpt in excerpts:
            recording = recordings[excerpt.recording]
            before = found.get(recording.name, "").rpartition(" ")[0]
            found[recording.name] = f"{before}{', ' if before else ''}{part} {digests[recording.paths[0]]}"
    side = {path for recording in recordings for path in recording.paths[1:]}
    return found | {path.name: f"side table {digests[path]}" for path in side}


def divided(recordings: Sequence[Own], targets: Targets, how: Division) -> Parts:
    """What is trained on, selected by and tested on.

    Raises:
        ValueError: a class that the training or the test would lack, or too few groups; the message says so.
    """
    lengths = [len(recording.x) for recording in recordings]
    if how.split == BY_TIME:
        parts = split_by_time(lengths, how.held_out, divide=how.divide)
    elif how.split == BY_GROUP:
        groups = [recording.group for recording in recordings]
        parts = split_by_group(lengths, groups, targets.classes, how.held_out, how.seed, divide=how.divide)
    else:
        parts = split_by_name(lengths, [_part_of(recording, how.split) for recording in recordings])
    _check_classes(targets, parts, how)
    return parts


def _part_of(recording: Own, column: str) -> str:
    """What the column says of a recording, the same in every row."""
    names = sorted(set(recording.texts(column)))
    if len(names) > 1:
        raise ValueError(
            f"{recording.name}: expected the same part in every row of {column!r}, got {names[0]!r} and {names[1]!r}"
        )
    return names[0]


def _check_classes(targets: Targets, parts: Parts, how: Division) -> None:
    trained, tested = (_classes_in(targets, part) for part in (parts.train, parts.test))
    missing = set(range(len(targets.names))) - (trained & tested)
    if missing:
        way_out = {
            BY_GROUP: "record them in more groups (or files), or try another --seed",
            BY_TIME: "split by group, or record each recording's classes until its end",
        }.get(how.split, f"change the parts in the column {how.split!r}")
        raise ValueError(
            "expected every class in the training part and in the held-out part, got "
            f"[{_named(targets, missing)}] in one of them at most; {way_out}"
        )


def _named(targets: Targets, labels: Set[int]) -> str:
    return shown([repr(targets.names[label]) for label in sorted(labels)])


def _classes_in(targets: Targets, part: Sequence[Excerpt]) -> set[int]:
    return {
        label
        for number, start, stop in part
        for label in targets.only([number]).between(start, stop).classes[0]
    }


def prepare(
    recordings: Sequence[Own],
    targets: Targets,
    parts: Parts,
    network: Mapping[str, Any],
    *,
    window: int,
    joined: float,
    batch_size: int,
    by_time: bool = False,
) -> Data:
    """Data to train on.

    Args:
        recordings, targets: of one another, in the same order.
        network: the fields of NetworkConfig that the channels decide.
        window: samples of a window, at most.
        joined: share of training windows that are made of two recordings.
        by_time: the parts are of the same recordings.

    Raises:
        ValueError: a window is longer than what is held out, or no window ends in a class; the message says so.
    """
    cut = [[_excerpt(recordings, targets, one) for one in part] for part in parts]
    train, validation, test = ([one for one in part if _has_target(one)] for part in cut)
    own, tested = _lengths(window, train, [*validation, *test], by_time=by_time)
    _log.info("%d recordings to train on, %d held out; windows of %d samples", *_counts(parts), tested)
    tempo = 0.0 if _is_regression(targets) else 0.1
    windows = Windows(own, joined=joined, tempo=tempo, warm_up=own // 4)
    data = _in_windows(network, targets, (train, validation, test), windows, tested, batch_size)
    mean, std = targets.scale(train)
    return dataclasses.replace(
        data,
        metric=targets.metric,
        target_mean=mean,
        target_std=std,
        held_out=list(_held_out(recordings, targets, zip(parts.test, cut[2], strict=True))),
        parts=described(recordings, parts),
        notes=_notes(recordings, parts, targets, network.get("features", ()), by_time=by_time),
    )


def _in_windows(
    network: Mapping[str, Any],
    targets: Targets,
    parts: tuple[list[Recording], list[Recording], list[Recording]],
    windows: Windows,
    length: int,
    batch_size: int,
) -> Data:
    """Windows of the three parts; those that are held out have `length` samples and overlap by half."""
    train, validation, test = parts
    data = windowed(
        {**network, **targets.network},
        train,
        test,
        windows,
        batch_size,
        augment=_unchanged if _is_regression(targets) else _stronger_or_weaker,
        length=length,
        stride=max(1, length // 2),
        validation=validation,
        per_step=targets.per_step,
    )
    _check_windows(data, targets)
    return data


def _is_regression(targets: Targets) -> bool:
    """Then tempo and gain stay as they are: the values may depend on them."""
    return targets.kind is TargetKind.REGRESSION


def _held_out(
    recordings: Sequence[Own], targets: Targets, test: Iterable[tuple[Excerpt, Recording]]
) -> Iterator[HeldOut]:
    for at, one in test:
        if _has_target(one):
            yield HeldOut(recordings[at.recording].name, recordings[at.recording].group, _whole(one, targets))


def _excerpt(recordings: Sequence[Own], targets: Targets, at: Excerpt) -> Recording:
    return targets.recording(at.recording, recordings[at.recording].x).part(at.start, at.stop)


def _has_target(recording: Recording) -> bool:
    return recording.weights is None or bool(recording.weights[1:].any())


def _whole(recording: Recording, targets: Targets) -> Batch:
    return batch_of([recording], warm_up=0 if targets.per_step else None)


def _lengths(
    window: int, train: Sequence[Recording], held: Sequence[Recording], *, by_time: bool
) -> tuple[int, int]:
    """Samples of a training and of a test window: at most the shortest recording; by time, the shortest of its part."""
    shortest, shortest_held = (min((len(one.x) for one in part), default=window) for part in (train, held))
    tested = min(window, shortest, shortest_held)
    return (min(window, shortest) if by_time else tested), tested


def _counts(parts: Parts) -> tuple[int, int]:
    return len(parts.train), len(parts.validation) + len(parts.test)


def _check_windows(data: Data, targets: Targets) -> None:
    """The class of a window is that of its last sample: a class may be in recordings, and of no window."""
    if targets.kind is not TargetKind.CLASS:
        return
    seen = {int(label) for batch in data.test or data.validation for label in np.unique(batch.y.numpy())}
    if missing := set(range(len(targets.names))) - seen:
        ends = "of" if targets.per_step else "that ends in"
        raise ValueError(
            f"expected windows of every class in the held-out part, got none {ends} [{_named(targets, missing)}]; "
            "try a smaller window=…, or another seed"
        )


def described(recordings: Sequence[Own], parts: Parts) -> dict[str, dict[str, int]]:
    """Counts of every part that is not empty."""
    named = {"trained on": parts.train, "selected by": parts.validation, "held out": parts.test}
    return {
        name: {
            "recordings": len({recordings[one.recording].source for one in part}),
            "groups": len({recordings[one.recording].group for one in part}),
            "samples": sum(one.stop - one.start for one in part),
        }
        for name, part in named.items()
        if part
    }


def _on_flags(recordings: Sequence[Own], features: Sequence[Feature]) -> str:
    """Channels that may be labels, which are not there live: with them a network seems better than it is."""
    channels = range(len(features))
    flags = [k for k in channels if all(np.isin(recording.x[:, k], (0, 1)).all() for recording in recordings)]
    if not flags:
        return ""
    names = ", ".join(str(features[k]) for k in flags)
    return (
        f"of the channels, {names} hold 0 and 1 alone: if they are labels, the figures are too good; "
        "columns=… names the channels"
    )


def _notes(
    recordings: Sequence[Own], parts: Parts, targets: Targets, features: Sequence[Feature], *, by_time: bool
) -> list[str]:
    end = (
        "what is held out is the end of the recordings that were trained on: the figures say nothing of new people or "
        "machines"
    )
    held_out = [excerpt.recording for excerpt in parts.test]
    few = targets.only(held_out).few([recordings[number].source for number in held_out])
    notes = [_on_flags(recordings, features), few, end if by_time else ""]
    return [note for note in notes if note]


def _stronger_or_weaker(x: Signal, rng: Generator) -> Signal:
    """Windows [B, T, F] with another gain, and a little another one a channel."""
    B, _, F = x.shape
    gain = _SIZE * rng.standard_normal((B, 1, 1)) + _CHANNEL * rng.standard_normal((B, 1, F))
    scaled: Signal = x * np.exp(gain).astype(np.float32)
    return scaled


def _unchanged(x: Signal, _: Generator) -> Signal:
    """A value may be a size or a speed: with another gain or tempo it would be wrong."""
    return x
