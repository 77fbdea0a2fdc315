"""The kinds of files and bodies that whole sequences come in and scores go out in (docs/reference/rest.md).

json      {"sequences": [[[F numbers], …], …]}                       held in memory
ndjson    {"id": …, "x": [[F numbers], …]} a line
npy       [N, T, F], or [T, F]: one sequence
npz       x [N, T, F] and lengths [N]; or x [ΣT, F] and lengths; or a sequence [T, F] an array, named
arrow, arrow_file, parquet, csv
          a row a sequence, x being a list of lists of F; or a row a sample, F columns, rows of a sequence together
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skiprnn_service.errors import AcceptError, ContentTypeError


class Kind(NamedTuple):
    """A kind: what it is called on the wire, the first name being ours, and how its files end."""

    types: tuple[str, ...]
    suffixes: tuple[str, ...]
    whole: bool = False  # read only when all of it is there, in memory


KINDS = {
    "json": Kind(("application/json",), (".json",), whole=True),
    "ndjson": Kind(
        ("application/x-ndjson", "application/ndjson", "application/jsonl"), (".ndjson", ".jsonl")
    ),
    "npy": Kind(("application/x-npy",), (".npy",)),
    "npz": Kind(("application/x-npz", "application/zip"), (".npz",), whole=True),
    "arrow": Kind(("application/vnd.apache.arrow.stream",), (".arrows",)),
    "arrow_file": Kind(("application/vnd.apache.arrow.file",), (".arrow", ".feather")),
    "parquet": Kind(("application/vnd.apache.parquet", "application/x-parquet"), (".parquet",)),
    "csv": Kind(("text/csv",), (".csv",)),
}
_BY_TYPE = {name: kind for kind, about in KINDS.items() for name in about.types}
_BY_SUFFIX = {suffix: kind for kind, about in KINDS.items() for suffix in about.suffixes}


class Item(NamedTuple):
    """A sequence to score, and what it is called; its number where it has no name."""

    id: int | str
    x: NDArray[np.float32]  # [T, F]


class Layout(NamedTuple):
    """What a reader must know: names of the F features, and how many bytes of samples it may hold at a time."""

    features: tuple[str, ...]
    max_bytes: int


class Said(NamedTuple):
    """What a writer must know: which model scored, names of its K outputs, and whether all updates are written."""

    model: str
    version: str
    outputs: tuple[str, ...]
    updates: bool


def kind_of_body(content_type: str | None) -> str:
    """Of a Content-Type. Raises ContentTypeError."""
    name = (content_type or "application/json").partition(";")[0].strip().lower()
    if name not in _BY_TYPE:
        raise ContentTypeError(f"Content-Type: expected one of {sorted(_BY_TYPE)}, got {name!r:.100}")
    return _BY_TYPE[name]


def kind_of_answer(accept: str | None) -> str:
    """Of an Accept header: the most wanted of ours (RFC 9110 section 12.5.1). Raises AcceptError."""
    wanted = sorted(map(_preference, (accept or "*/*").split(",")), key=lambda found: -found[1])
    for name, quality in wanted:
        if quality <= 0:
            break
        if name in ("*/*", "application/*"):
            return "json"
        if name == "text/*":
            return "csv"
        if name in _BY_TYPE:
            return _BY_TYPE[name]
    raise AcceptError(f"Accept: expected some of {sorted(_BY_TYPE)} or */*, got {accept!r:.200}")


def kind_of_file(path: Path) -> str:
    """Of a file by its name. Raises ContentTypeError."""
    if path.suffix.lower() not in _BY_SUFFIX:
        raise ContentTypeError(f"{path.name}: expected a name that ends in one of {sorted(_BY_SUFFIX)}")
    return _BY_SUFFIX[path.suffix.lower()]


def _preference(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip() for piece in part.lower().split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0
    return name, 1


def pyarrow(*modules: str) -> Any:
    """pyarrow, with some of its modules imported. Raises ContentTypeError where it is not installed."""
    import importlib

    try:
        for module in modules:
            importlib.import_module(f"pyarrow.{module}")
        return importlib.import_module("pyarrow")
    except ImportError:
        raise ContentTypeError(
            "Arrow, Parquet and CSV need pyarrow, which is not installed here: pip install 'skiprnn[score]'"
        ) from None
