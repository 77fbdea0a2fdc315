"""Which format a name means, and that every format is written as its neighbours are."""

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from skiprnn_service.errors import ContentTypeError
from skiprnn_service.scoring.formats.base import OutputSpec, Scored
from skiprnn_service.scoring.formats.registry import FORMATS, format_of_file, writer
from skiprnn_service.scoring.score import Score


def test_no_two_formats_share_a_name() -> None:
    names = Counter(name for known in FORMATS.values() for name in (*known.types, *known.suffixes))
    assert set(names.values()) == {1}


def test_a_file_is_known_by_its_suffix() -> None:
    assert format_of_file(Path("a/b.Parquet")) == "parquet"
    assert format_of_file(Path("b.jsonl")) == "ndjson"
    with pytest.raises(ContentTypeError, match=r"b\.dat: expected a name that ends in one of"):
        format_of_file(Path("b.dat"))


@pytest.mark.parametrize("name", FORMATS)
def test_scores_are_the_same_bytes_however_they_are_divided(name: str) -> None:
    """But for tables, whose record batches are those of the calls."""
    rng, spec = np.random.default_rng(0), OutputSpec("m", "1", ("a", "b"), updates=True)
    scored = [
        Scored(f"s{n}", Score(n + 3, np.arange(n + 1), rng.standard_normal((n + 1, 2), np.float32), n + 3))
        for n in range(4)
    ]
    files = []
    for parts in ([scored], [[one] for one in scored]):
        files.append(io.BytesIO())
        out = writer(name, files[-1], spec)
        for part in parts:
            out.write(part)
        out.close()
    assert (files[0].getvalue() == files[1].getvalue()) is (name not in ("arrow", "arrow_file", "parquet"))
