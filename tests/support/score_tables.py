"""A table of samples, and how it is sent and what comes back in every format that has columns."""

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from support.score_bodies import as_arrow, as_arrow_file, as_csv, as_parquet

BODIES: dict[str, Callable[[pa.Table], bytes]] = {
    "csv": as_csv,
    "tsv": lambda table: table.to_pandas().to_csv(sep="\t", index=False).encode(),
    "arrow": lambda table: as_arrow(table, rows=17),
    "arrow_file": as_arrow_file,
    "parquet": as_parquet,
    "ndjson": lambda table: table.to_pandas().to_json(orient="records", lines=True).encode(),
}
READERS: dict[str, Callable[[bytes], pd.DataFrame]] = {
    "csv": lambda body: pd.read_csv(io.BytesIO(body), dtype={"id": str}),
    "tsv": lambda body: pd.read_csv(io.BytesIO(body), dtype={"id": str}, sep="\t"),
    "arrow": lambda body: pa.ipc.open_stream(body).read_pandas(),
    "arrow_file": lambda body: pa.ipc.open_file(body).read_pandas(),
    "parquet": lambda body: pd.read_parquet(io.BytesIO(body)),
    "ndjson": lambda body: pd.DataFrame([json.loads(line) for line in body.splitlines()]),
    "json": lambda body: pd.DataFrame(json.loads(body)["scores"]),
    "npz": lambda body: _of_npz(body),
}


def _of_npz(body: bytes) -> pd.DataFrame:
    with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
        return pd.DataFrame({name: list(arrays[name]) for name in arrays.files})


def table_by_subject(
    sequences: dict[str, np.ndarray[Any, Any]], order: np.ndarray[Any, Any] | None = None
) -> pa.Table:
    """Columns subject, seconds, note (of the subject), x0, x1, x2; the rows in this order."""
    ids = np.repeat(list(sequences), [len(x) for x in sequences.values()])
    seconds = np.concatenate([np.arange(len(x)) / 50 for x in sequences.values()])
    flat = np.concatenate(list(sequences.values()))
    columns = {"subject": ids.tolist(), "seconds": seconds, "note": [f"of {id}" for id in ids]}
    table = pa.table(columns | {f"x{i}": flat[:, i] for i in range(flat.shape[1])})
    return table if order is None else table.take(order)


def mixed(lengths: list[int], seed: int) -> np.ndarray[Any, Any]:
    """An order of the rows that mixes the sequences and keeps the order within each."""
    rng = np.random.default_rng(seed)
    owner = rng.permutation(np.repeat(np.arange(len(lengths)), lengths))
    order = np.empty(len(owner), np.int64)
    order[owner.argsort(kind="stable")] = np.arange(len(owner))
    return order
