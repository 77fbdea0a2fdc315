"""`skiprnn export --recording`: real samples beside the bundle, for the dashboard to play.

    NAME.recording.csv      the features in the network's order, then `label`: the truth of each sample, if known

The file is read as the run read its data: with the same options, at the network's sample rate. It holds data as it was
measured, and whoever may open streams can download it: so nothing is written unless asked for.
"""

import csv
import dataclasses
import io
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skiprnn_cli.console import warn
from skiprnn_service.models.folder import MOST_RECORDING_BYTES, RECORDING

if TYPE_CHECKING:
    from skiprnn import NetworkConfig
    from skiprnn.data.layout import Layout
    from skiprnn.data.sampled_recording import SampledRecording

LABEL = "label"  # the column's name in what is written
_PART = re.compile(r"(:[^/]*)?(#\d+)?$")  # of a recording's name, which is not of its file


def read(source: Path, run: Path) -> str:
    """A file of samples, as training takes one → the text to write: as many of its first samples as fit.

    Args:
        run: of the network; its training.json says how its data were read, its recordings.json what they were called.

    Raises:
        ValueError, OSError: the file cannot be read, or lacks a feature; the message says which.
    """
    from skiprnn import SkipNetwork
    from skiprnn.data.own_recordings import read_own_recordings
    from skiprnn_export.step import features_of

    config, options, parts = SkipNetwork.load(run).config, _options(run), _read_json(run / "recordings.json")
    root = _root(source, parts)
    layout = _layout(source, config, options)
    found = read_own_recordings(source.resolve(), layout, root).recordings
    recording = _chosen(found, parts)
    if len(found) > 1:
        warn(f"{source}: holds {len(found)} recordings, of which {recording.name} is taken")
    labels = _labels(recording, layout, config, options, root)
    x = recording.x.astype(str).tolist()
    header = [str(feature) for feature in features_of(config)]
    if labels is None:
        return _text([header, *x])
    return _text([[*header, LABEL], *([*sample, label] for sample, label in zip(x, labels, strict=True))])


def write(text: str, bundle: Path) -> Path:
    """Write it beside a bundle; returns where."""
    path = bundle.with_suffix(RECORDING)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(text, encoding="utf-8", newline="")
    unfinished.replace(path)
    return path


def _options(run: Path) -> dict[str, Any]:
    """How the run read its data; the defaults for what was not trained on the user's own recordings."""
    from skiprnn import tasks
    from skiprnn.tasks.recordings import TASK

    facts = _read_json(run / "training.json")
    name = facts.get("task", TASK.name)
    is_own = tasks.RENAMED.get(name, name) == TASK.name
    return {**TASK.options, **(facts.get("options", {}) if is_own else {})}


def _read_json(path: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return facts


def _root(source: Path, parts: Mapping[str, str]) -> Path:
    """The folder within which the run's recordings have their names; where none is there, the folder above the file's.

    Of the folders around the file it is that which holds the most of them.
    """
    files = {_PART.sub("", name) for name in parts}
    above = list(source.resolve().parents)
    counts = [sum((folder / file).is_file() for file in files) for folder in above]
    return above[counts.index(max(counts))] if any(counts) else above[:2][-1]


def _layout(source: Path, config: "NetworkConfig", options: Mapping[str, Any]) -> "Layout":
    """As the run's, for the channels of the network at its rate; without what says nothing of samples."""
    from skiprnn.data.layout import Layout
    from skiprnn.data.read_table import read_table_file
    from skiprnn.data.time_axis import NO_TIME
    from skiprnn_export.step import features_of

    layout = Layout.of(options)
    names = read_table_file(source, decimal=layout.decimal, rows=1).names
    is_told = bool(layout.label_from or layout.labels) or set(layout.targets) <= set(names)
    folder = source.resolve().parent.name
    return dataclasses.replace(
        layout,
        targets=layout.targets if is_told or folder in config.classes else (),
        label_from=layout.label_from or ("folder" if not is_told and folder in config.classes else ""),
        columns=tuple(str(feature) for feature in features_of(config)),
        recording=layout.recording if layout.recording in names else "",
        group="",
        group_from="",
        time=layout.time if config.sample_rate else NO_TIME,
        sample_rate=config.sample_rate,
    )


def _chosen(found: Sequence["SampledRecording"], parts: Mapping[str, str]) -> "SampledRecording":
    """Of several the first that was held out: on what was trained on, a network is better than it will be."""
    return next((one for one in found if parts.get(one.name, "").startswith("held out")), found[0])


def _labels(
    recording: "SampledRecording",
    layout: "Layout",
    config: "NetworkConfig",
    options: Mapping[str, Any],
    root: Path,
) -> list[str] | None:
    """Of every sample; None: not known."""
    from skiprnn.data.own_events import truth_of_table
    from skiprnn.data.raw_recording import side_path
    from skiprnn.data.targets import TargetKind
    from skiprnn.data.truth import truth_of

    if options["events"]:
        path = side_path(root, options["events"], "events")
        formats = {"unit": layout.time_unit, "decimal": layout.decimal}
        return truth_of_table(recording, path, options["label"], options["background"], **formats)
    if not layout.targets:
        return None
    kind = TargetKind.MULTI_LABEL if config.multi_label else TargetKind.CLASS
    kind = TargetKind.REGRESSION if config.is_regression else kind
    is_event = config.events is not None
    labels = truth_of(recording, layout.targets, kind, config.classes, is_event=is_event)
    is_strange = layout.label_from and config.is_one_class and not set(labels) & set(config.classes)
    return None if is_strange else labels


def _text(rows: Iterable[Sequence[str]]) -> str:
    """CSV, of at most the size that a server holds."""
    lines = [_line(row) for row in rows]
    sizes = itertools.accumulate(len(line.encode()) for line in lines)
    return "".join(line for line, size in zip(lines, sizes, strict=True) if size <= MOST_RECORDING_BYTES)


def _line(row: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    return text.getvalue()
