"""What columns of labels say of a recording, as text: the one spelling that `skiprnn export --recording` writes.

one class     as the network calls it; a name that is none of its classes stays as it is written
regression    the values, `1.5;2`
multi-label   the labels that hold, `hot;wet`, or `none`

A sample without a label has an empty text. The dashboard reads the user's files by the same rule (`page/truth.js`);
`tests/support/table_cases.json` holds both to it.
"""

from collections.abc import Sequence

import numpy as np

from skiprnn.channels import feature_of
from skiprnn.data.spelling import one_spelling
from skiprnn.data.targets import Labelled, TargetKind, held, names_in, stacked

NOTHING = "none"  # of several labels that may hold at once
BETWEEN = ";"


def truth_of(
    recording: Labelled,
    columns: Sequence[str],
    kind: TargetKind,
    names: Sequence[str],
    *,
    is_event: bool = False,
) -> list[str]:
    """The truth of every sample, [T].

    Args:
        columns: of labels, as `skiprnn.data.targets.decode` takes them.
        kind: any but auto.
        names: classes or labels of the network: what is the same as one of them is spelled as it is.
        is_event: classes are events, and no class is the first of them.

    Raises:
        ValueError: no such column, or a cell is not what the kind expects; the message names the recording.
    """
    if kind is TargetKind.REGRESSION:
        return [_values(row) for row in stacked(recording, columns).astype(np.float32)]
    if len(columns) > 1:
        labels = [feature_of(column).name for column in columns]
        return [_labels(row, labels) for row in held(recording, columns)]
    cells = recording.texts(columns[0])
    if kind is TargetKind.CLASS:
        spelling = _spelling(cells, names)
        unknown = names[0] if is_event else ""
        return [spelling[cell] if cell.strip() else unknown for cell in cells]
    listed = [names_in(cell) for cell in cells]
    spelling = _spelling([name for cell in listed for name in cell], names)
    return [BETWEEN.join(dict.fromkeys(spelling[name] for name in cell)) or NOTHING for cell in listed]


def _values(row: Sequence[float]) -> str:
    return BETWEEN.join(str(value).removesuffix(".0") for value in row) if np.isfinite(row).all() else ""


def _labels(row: Sequence[float], labels: Sequence[str]) -> str:
    if np.isnan(row).any():
        return ""
    return BETWEEN.join(label for label, holds in zip(labels, row, strict=True) if holds) or NOTHING


def _spelling(texts: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Text → the network's name of the same."""
    spelling = one_spelling({*texts, *names})
    known = {spelling[name]: name for name in names}
    return {text: known.get(best, best) for text, best in spelling.items()}
