"""A recording before it is sampled: rows of a table, and what its folder, its name and a side table say of it."""

import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from skiprnn.data.files import find_recordings, shown, stem
from skiprnn.data.labels_of import read_side_table, value_of
from skiprnn.data.layout import Layout
from skiprnn.data.read_table import read_table_file
from skiprnn.data.spelling import one_spelling
from skiprnn.data.summary import entry
from skiprnn.data.table_file import TableFile
from skiprnn.data.time_axis import TimeAxis

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class RawRecording:
    """Rows as they were measured.

    Attributes:
        name: path of the file within the data; in a table of many recordings with the id after a colon.
        id: in such a table, else empty.
        values: what holds for the whole recording, by column.
        time: when the rows were measured, which are then in this order; None: the table does not say.
    """

    name: str
    id: str
    table: TableFile
    paths: tuple[Path, ...]
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)
    time: TimeAxis | None = None

    def has(self, column: str) -> bool:
        """Whether a column, or a value, is there."""
        return column in self.values or column in self.table.names

    def texts(self, column: str) -> list[str]:
        """Of every row, or the one value. Raises ValueError: no such column, or an empty cell."""
        return [self.values[column]] if column in self.values else self.table.whole_texts(column)

    @property
    def file(self) -> str:
        """Path of the file within the data."""
        return self.name.removesuffix(f":{self.id}") if self.id else self.name

    @property
    def side_names(self) -> list[str]:
        """What a side table may call it: its id, or its path or file's name, with the ending or without."""
        if self.id:
            return [self.id, self.name]
        last = self.name.rsplit("/", 1)[-1]
        return [last, self.name, stem(last), stem(self.name)]


def raw_recordings(data: Path, layout: Layout, root: Path | None = None) -> list[RawRecording]:
    """All recordings of a folder, with the folders in it, or of one file.

    Args:
        root: the folder within which files have their names; None: that folder, or the one of the file.

    Raises:
        ValueError: what is there is no table, or a side table lacks a recording; the message names the file.
    """
    root = root or (data.parent if data.is_file() else data)
    side = side_path(root, layout.labels, "labels") if layout.labels else None
    events = side_path(root, layout.events, "events") if layout.events else None
    found = list(_read(data, root, layout, [path for path in (side, events) if path]))
    if events:
        found = [_with(raw, {}, events) for raw in found]
    if side:
        table = read_side_table(side, [raw.side_names for raw in found], layout.decimal)
        found = [_with(raw, table.values(raw.side_names), side) for raw in found]
    if layout.label_from:
        found = [_with(raw, {layout.targets[0]: value_of(raw.file, layout.label_from)}) for raw in found]
    if layout.group_from:
        found = [_with(raw, {layout.group_column: value_of(raw.file, layout.group_from)}) for raw in found]
    return found


def _read(data: Path, root: Path, layout: Layout, besides: Sequence[Path]) -> Iterator[RawRecording]:
    for path in find_recordings(data, besides):
        table = read_table_file(path, layout.texts, layout.decimal)
        name = path.relative_to(root).as_posix()
        if layout.recording:
            for id, part in _divided(table, layout.recording).items():
                yield RawRecording(f"{name}:{id}", id, part, (path,))
        else:
            yield RawRecording(name, "", table, (path,))


def _divided(table: TableFile, column: str) -> dict[str, TableFile]:
    """The rows of every recording by its id, in their order; they need not be adjacent. One row makes no recording."""
    texts = table.whole_texts(column)
    spelling = one_spelling(set(texts))
    rows: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        rows.setdefault(spelling[text], []).append(row)
    if single := [id for id, found in rows.items() if len(found) == 1]:
        _log.info("%s", entry("passed over", f"{table.path.name}: {shown(single)} (one row)"))
    return {id: table.part(np.array(found)) for id, found in rows.items() if len(found) > 1}


def _with(raw: RawRecording, values: Mapping[str, str], side: Path | None = None) -> RawRecording:
    paths = (*raw.paths, side) if side else raw.paths
    return dataclasses.replace(raw, values={**raw.values, **values}, paths=paths)


def side_path(data: Path, name: str, option: str) -> Path:
    """Of a side table: within the data, or as it is given. Raises ValueError: there is none; it names the option."""
    within = (data.parent if data.is_file() else data) / name
    path = within if within.is_file() else Path(name)
    if not path.is_file():
        raise ValueError(f"{option}: expected a side table at {within} or {path}, found none")
    return path
