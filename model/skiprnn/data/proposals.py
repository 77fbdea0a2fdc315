"""What the user may have left out: columns that look like the group, or like the recordings of one large table."""

from collections.abc import Iterator, Sequence

from skiprnn.column_names import is_group_name, is_recording_name
from skiprnn.data.layout import Layout
from skiprnn.data.summary import counted
from skiprnn.data.table_file import TableFile


def proposals(tables: Sequence[TableFile], layout: Layout, *, one_file: bool) -> Iterator[tuple[str, str]]:
    """What to say of each: what it is about, and the option that takes it."""
    used = {*layout.texts, *layout.columns, layout.time}
    names = [name for name in tables[0].names if name not in used]
    groups = [name for name in names if is_group_name(name)]
    is_divided = not one_file or bool(layout.recording)
    whole = [name for name in groups if not (is_divided and _mixes(tables, name))]
    if whole and not layout.group_column:
        yield (
            "group?",
            f"the column {whole[0]!r} looks like a group: group={whole[0]} keeps whole groups apart",
        )
    if is_divided:
        return
    named = [name for name in names if is_recording_name(name)] + groups
    if ids := [name for name in named if _repeats(tables[0], name)]:
        yield (
            "recording?",
            f"the column {ids[0]!r} looks like the id of a recording: recording={ids[0]} divides the table",
        )


def mixed(tables: Sequence[TableFile], layout: Layout) -> Iterator[str]:
    """A warning about each column that looks like a group and has several in one recording: are these several?

    Of one table without recordings in it nothing is said: `proposals` does.
    """
    columns = layout.recording_columns
    if not columns and len(tables) == 1:
        return
    used = {*layout.texts, *layout.columns, layout.time}
    for name in (name for name in tables[0].names if name not in used and is_group_name(name)):
        if found := [table for table in tables if _mixes([table], name)]:
            also = ",".join((name, *columns)) if columns else f"{name} (or {name},COLUMN)"
            yield (
                f"the column {name!r} has several values in {counted(len(found), 'recording')} of {len(tables)}, from "
                f"row {found[0].row(0)} of {found[0].path.name} on: recording={also} tells recordings of "
                "each apart"
            )


def _mixes(tables: Sequence[TableFile], name: str) -> bool:
    """Whether a recording has rows of several groups."""
    return any(len(set(table.ids(name)) - {""}) > 1 for table in tables if name in table.names)


def _repeats(table: TableFile, name: str) -> bool:
    return 1 < int(table.frame[name].nunique()) <= len(table.frame) // 2
