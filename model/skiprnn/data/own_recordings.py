"""The user's own recordings: from a messy folder, or one large table, to evenly sampled channels.

1. Find the tables (`files`), read them in their dialect (`table_file`, `skiprnn.dialect`), divide one of many
   recordings and add what folders, names and a side table say (`raw_recording`, `labels_of`).
2. Find the time column (`time_axis`) and the channels (`columns`, `identity`).
3. Fill gaps or cut at them (`gaps`), and resample all recordings to one rate (`sampling`, `resample`).

What is taken and what is not is logged (`summary`). What cannot be taken for certain is an error with the way out.
"""

import dataclasses
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from skiprnn.channels import Feature
from skiprnn.data import summary
from skiprnn.data.columns import Columns, find_columns
from skiprnn.data.files import shown
from skiprnn.data.gaps import Missing
from skiprnn.data.groups import groups_of
from skiprnn.data.layout import Layout
from skiprnn.data.proposals import proposals
from skiprnn.data.raw_recording import RawRecording, raw_recordings
from skiprnn.data.resample import common_rate, measured_rate
from skiprnn.data.sampled_recording import SampledRecording
from skiprnn.data.sampling import Sampling
from skiprnn.data.table_file import FILL
from skiprnn.data.time_axis import NO_TIME, time_axis
from skiprnn.data.time_form import find_time

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class OwnRecordings:
    """All recordings of the user's data.

    Attributes:
        recordings: in the order of their files and of their ids in these.
        features: the channels, in the order of the columns of `SampledRecording.x`.
        sample_rate: Hz of all recordings; None: unknown.
    """

    recordings: tuple[SampledRecording, ...]
    features: tuple[Feature, ...]
    sample_rate: float | None


def read_own_recordings(data: Path, layout: Layout, root: Path | None = None) -> OwnRecordings:
    """Read all recordings of a folder, with the folders in it, or of one file.

    Args:
        root: the folder within which files have their names; None: that folder, or the one of the file.

    Raises:
        ValueError: what is there does not fit the layout, or leaves open what it is; the message names file, row and
            column, and the way out.
    """
    raw: Sequence[RawRecording] = raw_recordings(data, layout, root)
    _check_columns(raw, layout)
    groups = groups_of(raw, layout.group_column)
    raw, time = _timed(raw, layout)
    columns = find_columns([one.table for one in raw], layout, time, raw[0].values)
    rates = [measured_rate(one.time.seconds) for one in raw if one.time is not None]
    rate = layout.sample_rate or (common_rate(rates) if rates else None)
    sampling = Sampling(columns.features, rate, layout)
    sampled = [
        found for one, group in zip(raw, groups, strict=True) for found in sampling.recordings(one, group)
    ]
    if not sampled:
        raise ValueError(f"{data}: expected recordings with two whole samples in a row, found none; {FILL}")
    own = OwnRecordings(tuple(sampled), columns.features, rate)
    for name, text in _summary(raw, own, columns, layout, time, rates):
        _log.info("%s", summary.entry(name, text))
    return own


def _check_columns(recordings: Sequence[RawRecording], layout: Layout) -> None:
    for raw in recordings:
        wanted = (*layout.targets, *filter(None, [layout.group_column, layout.part]))
        if missing := [name for name in wanted if not raw.has(name)]:
            way = "label=COLUMN names it, label_from=folder (or name) or labels=FILE takes it from elsewhere"
            raise ValueError(f"{raw.table.lacks(missing)}{f'; {way}' * (layout.targets[0] in missing)}")


def _timed(recordings: Sequence[RawRecording], layout: Layout) -> tuple[Sequence[RawRecording], str | None]:
    """With their rows in the order of their times; and the name of the time column."""
    time = layout.time or find_time([raw.table for raw in recordings], [*layout.texts, *layout.columns])
    if time is None or time == NO_TIME:
        return recordings, None
    timed = []
    for raw in recordings:
        if not raw.table.has(time):
            raise ValueError(f"{raw.table.lacks([time])}; time={NO_TIME} takes no notice of times")
        axis = time_axis(raw.table, time, layout.time_unit)
        if axis.unsorted:
            text = f"{raw.name} by {time!r}: row {axis.unsorted} was earlier than the one before"
            _log.info("%s", summary.entry("sorted", text))
        timed.append(dataclasses.replace(raw, table=raw.table.part(axis.order), time=axis))
    return timed, time


def _summary(
    raw: Sequence[RawRecording],
    own: OwnRecordings,
    columns: Columns,
    layout: Layout,
    time: str | None,
    rates: Sequence[float],
) -> Iterator[tuple[str, str]]:
    """What was taken, but for what is to be learned: of each line what it is about, and what is said."""
    yield "channels", ", ".join(map(str, columns.features))
    if columns.left_out:
        reasons = ", ".join(f"{name} ({reason})" for name, reason in columns.left_out.items())
        yield "left out", f"{reasons}; columns=… names the channels"
    files = len({one.paths[0] for one in raw})
    lengths = summary.lengths([len(one.x) for one in own.recordings], own.sample_rate)
    counts = f"{summary.counted(len(own.recordings), 'recording')} in {summary.counted(files, 'file')}"
    yield "recordings", f"{counts}: {lengths}"
    yield "time", f"the column {time!r}" if time else "no column"
    yield "sample rate", summary.rates(rates, own.sample_rate)
    if layout.missing is not Missing.ERROR:
        yield "gaps", _gaps(raw, own.recordings, layout.missing)
    if layout.group_column:
        count = len({one.group for one in own.recordings})
        yield "groups", f"{count}, by {layout.group_from or layout.group_column!r}"
    yield from proposals([one.table for one in raw], layout, one_file=files == 1)


def _gaps(raw: Sequence[RawRecording], sampled: Sequence[SampledRecording], missing: Missing) -> str:
    """How much was filled and where recordings were cut."""
    parts = Counter(one.source for one in sampled)
    cut = [count for count in parts.values() if count > 1]
    lost = [one.name for one in raw if one.name not in parts]
    rows = sum(len(one.table.frame) for one in raw) - sum(len(one.segment.rows) for one in sampled)
    said = [f"{summary.counted(len(cut), 'recording')} cut into {sum(cut)}"] if cut else []
    said += [f"{summary.counted(rows, 'row')} left out"] if rows else []
    said += [f"no two whole samples in a row in {shown(lost)}"] if lost else []
    if missing is not Missing.DROP:
        filled = sum(one.filled for one in sampled)
        past = "held" if missing is Missing.HOLD else "interpolated"
        said.insert(0, f"{summary.counted(filled, 'sample')} {past}")
    return "; ".join(said) or "none"
