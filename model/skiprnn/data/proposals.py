"""What the user may have left out: columns that look like the group, or like the recordings of one large table."""

from collections.abc import Iterator, Sequence

from skiprnn.column_names import is_group_name, is_recording_name
from skiprnn.data.layout import Layout
from skiprnn.data.table_file import TableFile


def proposals(tables: Sequence[TableFile], layout: Layout, *, one_file: bool) -> Iterator[tuple[str, str]]:
    """What to say of each: what it is about, and the option that takes it."""
    used = {*layout.texts, *layout.columns, layout.time}
    names = [name for name in tables[0].names if name not in used]
    groups = [name for name in names if is_group_name(name)]
    if groups and not layout.group_column:
        yield (
            "group?",
            f"the column {groups[0]!r} looks like a group: group={groups[0]} keeps whole groups apart",
        )
    if not one_file or layout.recording:
        return
    named = [name for name in names if is_recording_name(name)] + groups
    if ids := [name for name in named if _repeats(tables[0], name)]:
        yield (
            "recording?",
            f"the column {ids[0]!r} looks like the id of a recording: recording={ids[0]} divides the table",
        )


def _repeats(table: TableFile, name: str) -> bool:
    return 1 < int(table.frame[name].nunique()) <= len(table.frame) // 2
