"""The user's own recordings: from a messy folder, or one large table, to evenly sampled channels.

1. Find the tables (`files`) and read them in their dialect (`table_file`, `dialect`).
2. Divide a table of many recordings; add what folders, names and a side table say (`labels_of`).
3. Find the time column (`time_axis`) and the channels (`columns`, `identity`).
4. Fill gaps or cut at them (`gaps`), and resample all recordings to one rate (`resample`).

What is taken and what is not is logged (`summary`). What cannot be taken for certain is an error with the way out.
"""

import dataclasses
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skiprnn.channels import Feature
from skiprnn.data import summary
from skiprnn.data.columns import Columns, find_columns
from skiprnn.data.files import find_recordings, shown, stem
from skiprnn.data.gaps import Missing, places, whole_parts
from skiprnn.data.identity import is_group_name, is_recording_name
from skiprnn.data.labels_of import check_way, read_side_table, value_of
from skiprnn.data.layout import Layout
from skiprnn.data.resample import HOLE, Floats, common_rate, measured_rate
from skiprnn.data.sampled_recording import SampledRecording
from skiprnn.data.segment import Segment
from skiprnn.data.spelling import merged, one_spelling
from skiprnn.data.table_file import FILL, TableFile, read_table_file
from skiprnn.data.time_axis import NO_TIME, TimeAxis, find_time, time_axis

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class OwnRecordings:
    """All recordings of the user's data.

    Attributes:
        recordings: in order of their names in the data.
        features: the channels, in the order of the columns of `SampledRecording.x`.
        sample_rate: Hz of all recordings; None: unknown.
    """

    recordings: tuple[SampledRecording, ...]
    features: tuple[Feature, ...]
    sample_rate: float | None


@dataclasses.dataclass(frozen=True)
class _Part:
    """A recording before sampling: rows of a table, and what holds for all of them."""

    name: str
    table: TableFile
    paths: tuple[Path, ...]
    values: Mapping[str, str]
    time: TimeAxis | None = None


def read_own_recordings(data: Path, layout: Layout) -> OwnRecordings:
    """Read all recordings of a folder, with the folders in it, or of one file.

    Raises:
        ValueError: what is there does not fit the layout, or leaves open what it is; the message names file, row and
            column, and the way out.
    """
    parts = _with_values(data, _parts(data, layout), layout)
    _check_columns(parts, layout)
    groups = _groups(parts, layout)
    parts, time = _with_times(parts, layout)
    columns = find_columns([part.table for part in parts], layout, time, parts[0].values)
    found = [measured_rate(part.time.seconds) for part in parts if part.time is not None]
    rate = layout.sample_rate or (common_rate(found) if found else None)
    sampled = [
        recording
        for part, group in zip(parts, groups, strict=True)
        for recording in _sampled(part, group, columns.features, rate, layout)
    ]
    _say(parts, sampled, columns, layout, time=time, rates=(found, rate))
    if not sampled:
        raise ValueError(f"{data}: expected recordings with two whole samples in a row, got none; {FILL}")
    return OwnRecordings(tuple(sampled), columns.features, rate)


def _parts(data: Path, layout: Layout) -> list[_Part]:
    """Every file, or the recordings in it."""
    side = [_side_path(data, layout)] if layout.labels else []
    root = data.parent if data.is_file() else data
    parts = []
    for path in find_recordings(data, side):
        table = read_table_file(path, layout.texts, layout.decimal)
        name = path.relative_to(root).as_posix()
        divided = _divided(table, layout.recording) if layout.recording else {"": table}
        parts += [_Part(f"{name}:{id}" if id else name, part, (path,), {}) for id, part in divided.items()]
    return parts


def _divided(table: TableFile, column: str) -> dict[str, TableFile]:
    """The rows of every recording by its id, in order; rows of one recording need not be adjacent.

    A recording of one row is left out.
    """
    texts = table.whole_texts(column)
    spelling = one_spelling(set(texts))
    rows: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        rows.setdefault(spelling[text], []).append(row)
    if single := [id for id, found in rows.items() if len(found) == 1]:
        _log.info("%s", summary.entry("passed over", f"{shown(single)} in {table.path.name} (one row)"))
    return {id: table.part(np.array(found)) for id, found in rows.items() if len(found) > 1}


def _side_path(data: Path, layout: Layout) -> Path:
    """Of the side table: within the data, or as it is given."""
    within = (data.parent if data.is_file() else data) / layout.labels
    path = within if within.is_file() else Path(layout.labels)
    if not path.is_file():
        raise ValueError(f"labels: expected a side table, found none at {path} nor at {within}")
    return path


def _with_values(data: Path, parts: Sequence[_Part], layout: Layout) -> list[_Part]:
    """With what folder, name and side table say of each."""
    check_way(layout.label_from, "label_from")
    check_way(layout.group_from, "group_from")
    names = [_side_names(part.name) for part in parts]
    path = _side_path(data, layout) if layout.labels else None
    side = read_side_table(path, names, layout.decimal) if path else None
    valued = []
    for part, known in zip(parts, names, strict=True):
        values = side.values(known) if side else {}
        file = part.name.removesuffix(f":{known[0]}") if layout.recording else part.name
        if layout.label_from:
            values[layout.targets[0]] = value_of(file, layout.label_from)
        if layout.group_from:
            values[layout.group or _GROUP] = value_of(file, layout.group_from)
        paths = (*part.paths, path) if path else part.paths
        valued.append(dataclasses.replace(part, values=values, paths=paths))
    return valued


_GROUP = "group"  # name of a group that comes from a folder or a name


def _side_names(name: str) -> list[str]:
    """What a side table may call a recording: its id, its path, its file's name, with its ending or without."""
    file, colon, id = name.partition(":")
    if colon:
        return [id, name]
    last = file.rsplit("/", 1)[-1]
    return [file, last, stem(file), stem(last)]


def _check_columns(parts: Sequence[_Part], layout: Layout) -> None:
    group = () if layout.group_from else (layout.group,)
    for part in parts:
        wanted = [name for name in (*layout.targets, *group, layout.part) if name]
        if missing := [name for name in wanted if name not in {*part.values, *part.table.names}]:
            raise ValueError(f"{part.table.lacks(missing)}{_way_out(missing, layout)}")


def _way_out(missing: Sequence[str], layout: Layout) -> str:
    if layout.targets[:1] != tuple(missing[:1]):
        return ""
    return "; --override label=COLUMN names it, label_from=folder (or name) or labels=FILE takes it from elsewhere"


def _groups(parts: Sequence[_Part], layout: Layout) -> list[str]:
    """Whose each recording is."""
    column = layout.group or (_GROUP if layout.group_from else "")
    if not column:
        return [part.name for part in parts]
    texts = [_group(part, column) for part in parts]
    spelling = spelling_of((text for found in texts for text in found), column)
    for part, found in zip(parts, texts, strict=True):
        other = next((row for row, text in enumerate(found) if spelling[text] != spelling[found[0]]), None)
        if other is not None:
            raise ValueError(
                f"{part.table.path}: expected rows of one group, got {found[0]!r} in row {part.table.row(0)} and "
                f"{found[other]!r} in row {part.table.row(other)} of {column!r}; write a file for each, or name the "
                "column of the recordings with --override recording=COLUMN"
            )
    return [spelling[found[0]] for found in texts]


def _group(part: _Part, column: str) -> list[str]:
    return [part.values[column]] if column in part.values else part.table.whole_texts(column)


def spelling_of(texts: Iterator[str], column: str) -> dict[str, str]:
    """Text → one spelling of it. What is merged, and what differs in case alone, is logged."""
    spelling = one_spelling(set(texts))
    if changed := merged(spelling):
        _log.info("in the column %r, %s", column, shown(changed))
    if len({name.casefold() for name in spelling.values()}) < len(set(spelling.values())):
        _log.warning("warning: the column %r has names that differ in case alone", column)
    return spelling


def _with_times(parts: Sequence[_Part], layout: Layout) -> tuple[list[_Part], str | None]:
    """With the times of their rows, in that order; and the name of the time column."""
    tables = [part.table for part in parts]
    time = layout.time or find_time(tables, [*layout.texts, *layout.columns])
    if time is None or time == NO_TIME:
        return list(parts), None
    timed = []
    for part in parts:
        axis = time_axis(part.table, time, layout.time_unit)
        if axis.unsorted:
            _log.info(
                "%s", summary.entry("sorted", f"{part.name} by {time!r}: row {axis.unsorted} was earlier")
            )
        timed.append(dataclasses.replace(part, table=part.table.part(axis.order), time=axis))
    return timed, time


def _sampled(
    part: _Part, group: str, features: Sequence[Feature], rate: float | None, layout: Layout
) -> Iterator[SampledRecording]:
    """A recording; where it is cut at gaps, its parts."""
    names = part.table.matched(features)
    values = np.stack([part.table.finite(name, layout.missing) for name in names], axis=1)
    seconds = part.time.seconds if part.time else None
    place = places(seconds) if seconds is not None else np.arange(len(values))
    if layout.missing is Missing.ERROR and place[-1] >= len(place):
        raise _hole(part, seconds, place)
    longest = 0 if layout.missing is Missing.DROP else layout.longest_gap
    parts = whole_parts(~np.isnan(values), place, longest)
    for number, rows in enumerate(parts, 1):
        segment = _segment(rows, place, seconds, rate, layout.missing)
        columns = [segment.numbers(column) for column in values.T]
        yield SampledRecording(
            name=part.name if len(parts) == 1 else f"{part.name}#{number}",
            source=part.name,
            paths=part.paths,
            group=group,
            x=np.stack(columns, axis=1).astype(np.float32),
            sample_rate=rate,
            start=_start(part.time, int(rows[0]), int(place[rows[0]]), rate),
            dated=part.time is not None and part.time.dated,
            values=part.values,
            table=part.table,
            segment=segment,
        )


def _segment(
    rows: NDArray[np.int64],
    place: NDArray[np.int64],
    seconds: Floats | None,
    rate: float | None,
    missing: Missing,
) -> Segment:
    times = None if seconds is None else seconds[rows] - seconds[rows[0]]
    return Segment(rows, place[rows] - place[rows[0]], times, rate, missing)


def _start(time: TimeAxis | None, row: int, place: int, rate: float | None) -> float:
    if time is None:
        return place / (rate or 1.0)
    return time.start + float(time.seconds[row])


def _hole(part: _Part, seconds: Floats | None, place: NDArray[np.int64]) -> ValueError:
    """An error: there is a hole in time."""
    row = int((np.diff(place) > 1).argmax())
    lost = int(place[row + 1] - place[row]) - 1
    steps = np.diff(seconds) if seconds is not None else np.ones(1)
    return (
        ValueError(
            f"{part.table.path}: expected a sample at least every {HOLE / measured_rate(seconds):.3g} s, got none for "
            f"{steps[row]:.3g} s between rows {part.table.row(row)} and {part.table.row(row + 1)} "
            f"({summary.counted(lost, 'sample')} missing); {FILL}"
        )
        if seconds is not None
        else ValueError(FILL)
    )


def _say(
    parts: Sequence[_Part],
    sampled: Sequence[SampledRecording],
    columns: Columns,
    layout: Layout,
    *,
    time: str | None,
    rates: tuple[Sequence[float], float | None],
) -> None:
    """The summary, before what is learned is decoded."""
    files = len({part.paths[0] for part in parts})
    lines = [("channels", ", ".join(map(str, columns.features)))]
    if columns.left_out:
        reasons = ", ".join(f"{name} ({reason})" for name, reason in columns.left_out.items())
        lines.append(("left out", f"{reasons}; --override columns=… names the channels"))
    if sampled:
        lengths = summary.lengths([len(one.x) for one in sampled], rates[1])
        counts = f"{summary.counted(len(sampled), 'recording')} in {summary.counted(files, 'file')}"
        lines.append(("recordings", f"{counts}: {lengths}"))
    lines += _rate_lines(time, *rates)
    lines += _gap_lines(parts, sampled, layout)
    if layout.group or layout.group_from:
        groups = Counter(one.group for one in sampled)
        lines.append(("groups", f"{len(groups)}, of {layout.group or layout.group_from!r}"))
    lines += _proposals([part.table for part in parts], layout, files)
    for name, text in lines:
        _log.info("%s", summary.entry(name, text))


def _rate_lines(time: str | None, found: Sequence[float], used: float | None) -> list[tuple[str, str]]:
    if time is not None and used is not None:
        return [("time", f"the column {time!r}"), ("rates", summary.rates(found, used))]
    said = "none" if used is None else f"{summary.hertz(used)}, as given"
    return [("time", f"no column; sample rate: {said}")]


def _gap_lines(
    parts: Sequence[_Part], sampled: Sequence[SampledRecording], layout: Layout
) -> list[tuple[str, str]]:
    if layout.missing is Missing.ERROR:
        return []
    cut = Counter(one.source for one in sampled)
    lost = [part.name for part in parts if part.name not in cut]
    several = [name for name, count in cut.items() if count > 1]
    pieces = sum(cut[name] for name in several)
    dropped = sum(len(part.table.frame) for part in parts) - sum(len(one.segment.rows) for one in sampled)
    said = f"missing={layout.missing}: {summary.counted(len(several), 'recording')} cut into {pieces}"
    said += f", {summary.counted(dropped, 'row')} left out"
    if lost:
        said += f"; without two whole samples in a row: {shown(lost)}"
    return [("gaps", said)]


def _proposals(tables: Sequence[TableFile], layout: Layout, files: int) -> list[tuple[str, str]]:
    """Columns that look like the group or, in one table, like the recording, where none is named."""
    lines = []
    others = {*layout.texts, *layout.columns}
    names = [name for name in tables[0].names if name not in others]
    groups = [name for name in names if is_group_name(name)]
    if groups and not (layout.group or layout.group_from):
        lines.append(
            (
                "group?",
                f"the column {groups[0]!r} looks like a group: --override group={groups[0]} keeps whole groups apart",
            )
        )
    if files == 1 and not layout.recording:
        for name in names:
            if (is_recording_name(name) or is_group_name(name)) and _repeats(tables[0], name):
                lines.append(
                    (
                        "recording?",
                        f"the column {name!r} looks like the id of a recording: --override recording={name} divides "
                        "the table",
                    )
                )
                break
    return lines


def _repeats(table: TableFile, name: str) -> bool:
    return 1 < table.frame[name].nunique() <= len(table.frame) / 2
