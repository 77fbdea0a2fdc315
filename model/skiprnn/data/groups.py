"""Whose each recording is: a person's, a machine's, or its own. Groups are held out whole."""

import logging
from collections.abc import Iterable, Sequence

from skiprnn.data.files import shown
from skiprnn.data.raw_recording import RawRecording
from skiprnn.data.spelling import merged, one_spelling
from skiprnn.data.summary import entry

_log = logging.getLogger(__name__)


def groups_of(recordings: Sequence[RawRecording], column: str) -> list[str]:
    """The group of each recording, by a column; its name where none is named.

    Raises:
        ValueError: a recording has rows of two groups; the message names the file.
    """
    if not column:
        return [raw.name for raw in recordings]
    texts = [raw.texts(column) for raw in recordings]
    spelling = spelling_of((text for found in texts for text in found), column)
    for raw, found in zip(recordings, texts, strict=True):
        other = next((row for row, text in enumerate(found) if spelling[text] != spelling[found[0]]), None)
        if other is not None:
            raise ValueError(
                f"{raw.table.path}: expected rows of one group, got {found[0]!r} in row {raw.table.row(0)} and "
                f"{found[other]!r} in row {raw.table.row(other)} of {column!r}; write a file for each, or name the "
                "column that tells recordings apart with recording=COLUMN"
            )
    return [spelling[found[0]] for found in texts]


def spelling_of(texts: Iterable[str], column: str) -> dict[str, str]:
    """Text → one spelling of it. What is merged, and what differs in case alone, is logged."""
    spelling = one_spelling(set(texts))
    if changed := merged(spelling):
        _log.info("%s", entry("merged", f"in the column {column!r}, {shown(changed)}"))
    if len({name.casefold() for name in spelling.values()}) < len(set(spelling.values())):
        _log.warning("warning: the column %r has names that differ in case alone", column)
    return spelling
