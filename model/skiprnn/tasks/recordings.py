"""Your own recordings: a folder of tables, or one table, with labels (docs/how-to/own-data.md).

One file is one recording, or a column says which recording a row is of. Whole recordings are held out for the test, or
whole groups of them (people, machines) where a column names the group.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skiprnn.data.layout import OPTIONS, Layout
from skiprnn.data.own_events import OPTIONS as EVENT_OPTIONS
from skiprnn.data.own_events import Event, OwnEvents, events_of_column, events_of_table, own_event_data
from skiprnn.data.own_recordings import OwnRecordings, read_own_recordings
from skiprnn.data.prepare import BY_GROUP, BY_TIME, Division, divided, identities, long_enough, prepare
from skiprnn.data.raw_recording import side_path
from skiprnn.data.targets import MISSING_LABELS, TargetKind, decode
from skiprnn.data.types import Data
from skiprnn.metrics import Metric, balanced_accuracy
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Source, Task


def _load(source: Source) -> Data:
    return _load_events(source) if source.options["target"] == EVENTS else _load_targets(source)


def _load_targets(source: Source) -> Data:
    options = source.options
    layout, kind = _checked(options)
    data = source.need_data("CSV or Parquet files, one recording each, with a column of labels")
    own = read_own_recordings(data, layout)
    ignore = options["missing_labels"] == "ignore"
    targets = decode(own.recordings, layout.targets, kind, ignore_missing=ignore)
    chosen = long_enough(own.recordings, options["window"])
    recordings, targets = [own.recordings[number] for number in chosen], targets.only(chosen)
    parts = divided(recordings, targets, _division(source))
    made = prepare(
        recordings,
        targets,
        parts,
        {"input_size": len(own.features), "features": own.features, "sample_rate": own.sample_rate},
        window=options["window"],
        joined=options["joined"],
        batch_size=source.recipe.batch_size,
        by_time=options["split"] == BY_TIME,
    )
    return dataclasses.replace(made, recordings=identities(recordings, parts))


def _load_events(source: Source) -> Data:
    """Streams with events (docs/how-to/detect-events.md)."""
    options, (layout, _) = source.options, _checked({**source.options, "target": TargetKind.CLASS})
    data = source.need_data("CSV or Parquet files, one recording each, with events")
    if options["events"]:
        layout = dataclasses.replace(layout, targets=(), events=options["events"])
    own = read_own_recordings(data, layout)
    found = OwnEvents.of(own, _events(own, data, options), options["background"])
    parts = divided(own.recordings, found.targets(), dataclasses.replace(_division(source), divide=True))
    made = own_event_data(found, parts, options, source.recipe.batch_size)
    return dataclasses.replace(made, recordings=identities(own.recordings, parts))


def _events(own: OwnRecordings, data: Path, options: Mapping[str, Any]) -> list[list[Event]]:
    if not options["events"]:
        return events_of_column(own.recordings, options["label"], options["background"])
    path = side_path(data, options["events"], "events")
    formats = {"unit": options["time_unit"], "decimal": options["decimal"]}
    return events_of_table(own.recordings, path, options["label"], **formats)


def _checked(options: Mapping[str, Any]) -> tuple[Layout, TargetKind]:
    """How the tables are laid out, and what is to be learned."""
    if options["window"] < 2:
        raise ValueError(f"window: expected 2 samples at least, got {options['window']!r}")
    if not 0 < options["held_out"] < 1 or not 0 <= options["joined"] <= 1:
        raise ValueError(
            f"held_out, joined: expected within (0, 1) and [0, 1], got {options['held_out']!r}, {options['joined']!r}"
        )
    for name, choices in (("target", [*TargetKind, EVENTS]), ("missing_labels", list(MISSING_LABELS))):
        if options[name] not in choices:
            raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {options[name]!r}")
    part = "" if options["split"] in (BY_GROUP, BY_TIME) else options["split"]
    layout = Layout.of(options, part=part)
    if not layout.targets or not options["split"]:
        raise ValueError(f"label, split: expected names, got {options['label']!r}, {options['split']!r}")
    return layout, TargetKind(options["target"])


def _division(source: Source) -> Division:
    """A recipe that selects its network does so by other recordings than those that are reported, if it can."""
    selects = source.recipe.keep == "best" or source.recipe.patience is not None
    return Division(source.options["split"], source.options["held_out"], source.seed, divide=selects)


EVENTS = "events"  # in place of a kind of targets

TASK = Task(
    name="recordings",
    summary="your own recordings: a folder of tables, or one table, with labels",
    metric=Metric("balanced_accuracy", balanced_accuracy, is_share=True),
    load=_load,
    recipe=Recipe(
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
    ),
    paper=Recipe(batch_size=64, epochs=200, every_step=True, lambda_=1e-4, keep="last"),
    options={
        **OPTIONS,
        **EVENT_OPTIONS,
        "target": "auto",
        "missing_labels": "error",
        "split": BY_GROUP,
        "window": 256,
        "joined": 0.3,
        "held_out": 0.2,
    },
)
