"""The user's own recordings with a class for every sample: divided into those to train on and those held out.

A label may change within a recording. Which classes there are, and what was merged, is logged.
"""

import dataclasses
import logging
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skiprnn.channels import Feature
from skiprnn.data import summary
from skiprnn.data.files import digest
from skiprnn.data.layout import Layout
from skiprnn.data.own_recordings import read_own_recordings, spelling_of
from skiprnn.data.recordings import Recording
from skiprnn.data.sampled_recording import SampledRecording
from skiprnn.data.split import Groups, hold_out, lacking

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Tables:
    """Recordings with the classes of their samples; what each is made of; features, class names, sample rate in Hz."""

    recordings: tuple[Recording, ...]
    sources: tuple[SampledRecording, ...]
    features: tuple[Feature, ...]
    classes: tuple[str, ...]
    sample_rate: float | None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """Of each recording whose it is (a person's), or itself."""
        return tuple(source.group for source in self.sources)

    def split(self, share: float, seed: int) -> tuple[list[Recording], list[Recording]]:
        """Recordings to train and to test on. No group is in both, every class is; groups are held out until `share`.

        Raises:
            ValueError: fewer than two groups, or a class that one of the parts would lack; the message names it.
        """
        held_out = self.held_out(share, seed)
        train: list[Recording] = []
        test: list[Recording] = []
        for recording, group in zip(self.recordings, self.groups, strict=True):
            (test if group in held_out else train).append(recording)
        return train, test

    def held_out(self, share: float, seed: int) -> set[str]:
        """The groups that `split` tests on."""
        groups: dict[str, list[set[int]]] = {}
        for recording, group in zip(self.recordings, self.groups, strict=True):
            groups.setdefault(group, []).append(set(np.unique(recording.y).tolist()))
        held = hold_out(groups, share, seed)
        if missing := lacking(groups, held) | self._unseen(groups):
            raise ValueError(
                "expected every class in the training part and in the held-out part, got "
                f"{[self.classes[label] for label in sorted(missing)]} in one of them at most; record them in more "
                "groups (or files), or try another --seed"
            )
        return held

    def _unseen(self, groups: Groups) -> set[int]:
        """Classes of recordings that were left out."""
        seen = {label for recordings in groups.values() for labels in recordings for label in labels}
        return set(range(len(self.classes))) - seen

    def without_short(self, window: int) -> "Tables":
        """Without recordings far shorter than the window, or than most others: one would shorten the windows of all."""
        lengths = [len(recording.x) for recording in self.recordings]
        usual = min(window, int(np.median(lengths)))
        chosen = [index for index, length in enumerate(lengths) if 2 * length >= usual]
        if short := [f"{self.sources[i].name} ({n})" for i, n in enumerate(lengths) if 2 * n < usual]:
            _log.info("left out, far shorter than %d samples: %s", usual, ", ".join(short))
        return dataclasses.replace(
            self,
            recordings=tuple(self.recordings[index] for index in chosen),
            sources=tuple(self.sources[index] for index in chosen),
        )

    def identity(self, held_out: Collection[str]) -> dict[str, str]:
        """Recording → its part and the SHA-256 of its file: a run that is resumed must find the same."""
        digests = {path: digest(path) for path in {path for source in self.sources for path in source.paths}}
        parts = ["held out" if group in held_out else "trained on" for group in self.groups]
        found = {
            source.name: f"{part} {digests[source.paths[0]]}"
            for source, part in zip(self.sources, parts, strict=True)
        }
        side = {path for source in self.sources for path in source.paths[1:]}
        return found | {path.name: f"side table {digests[path]}" for path in side}

    def say_classes(self) -> None:
        """Log how many samples and recordings each class has."""
        counts = {
            name: (
                sum(int((one.y == label).sum()) for one in self.recordings),
                sum(label in one.y for one in self.recordings),
            )
            for label, name in enumerate(self.classes)
        }
        for number, line in enumerate(summary.classes(counts)):
            _log.info("%s", summary.entry("classes" if not number else "", line))


def read_tables(data: Path, layout: Layout | None = None) -> Tables:
    """Read all recordings of a folder or file, with the class of every sample.

    Args:
        layout: the first of its targets is the label.

    Raises:
        ValueError: no file; a column is missing; a value is missing or not a number. The message names the file.
    """
    layout = layout or Layout()
    own = read_own_recordings(data, layout)
    label = layout.targets[0]
    labels, classes = _classes([_labels(recording, label) for recording in own.recordings], label)
    return Tables(
        tuple(Recording(source.x, y) for source, y in zip(own.recordings, labels, strict=True)),
        own.recordings,
        own.features,
        classes,
        own.sample_rate,
    )


def _labels(recording: SampledRecording, label: str) -> list[str]:
    texts = recording.texts(label)
    if "" in texts:
        raise recording.table.empty(label, int(recording.segment.held_rows[texts.index("")]))
    return texts


def _classes(texts: Sequence[Sequence[str]], label: str) -> tuple[list[NDArray[np.int64]], tuple[str, ...]]:
    """The class of every row, [T] a recording, and the names of the classes."""
    spelling = spelling_of((text for recording in texts for text in recording), label)
    classes = sorted(set(spelling.values()))
    index = {text: classes.index(name) for text, name in spelling.items()}
    return [np.array([index[text] for text in found], np.int64) for found in texts], tuple(classes)
