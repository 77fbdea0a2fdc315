"""A scoring job: chunk by chunk, and what it counts."""

import io
from pathlib import Path

import numpy as np
import pytest

from skiprnn_export import Bundle, unroll
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.errors import MessageError
from skiprnn_service.scoring import job as jobs
from skiprnn_service.scoring.formats.base import Example
from skiprnn_service.scoring.job import Job, Totals, chunks, run
from support.bundles import random_sequence, write_random_bundle
from support.score_bodies import as_ndjson


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder: Path = tmp_path_factory.mktemp("models")
    return write_random_bundle(folder / "m.onnx")


def job(**changes: float) -> Job:
    usual = {"threshold": None, "max_bytes": 10**6, "max_output_bytes": 10**6}
    return Job("m", "1", "ndjson", "npy", updates=False, **usual | changes)  # type: ignore[arg-type]


def test_chunks_end_when_they_are_full() -> None:
    examples = [Example(n, np.zeros((n, 1), np.float32)) for n in (1, 2, 3, 1, 1, 1)]
    found = chunks(examples, max_bytes=12, max_sequences=3)
    assert [[example.id for example in chunk] for chunk in found] == [[1, 2], [3], [1, 1, 1]]


def test_a_job_counts_what_it_scored_after_every_chunk(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs.chunks, "__kwdefaults__", {"max_bytes": 10**6, "max_sequences": 2})
    sequences = [random_sequence(bundle, n, seed=n) for n in (5, 9, 2)]
    expected, sink, seen = [unroll(bundle, x) for x in sequences], io.BytesIO(), list[Totals]()
    totals, _ = run(job(), StepRunner(bundle), io.BytesIO(as_ndjson(sequences)), sink, on_chunk=seen.append)
    assert totals == Totals(3, 16, sum(len(one.t) for one in expected))
    assert [one.sequences for one in seen] == [2, 3]
    sink.seek(0)
    np.testing.assert_array_equal(np.load(sink), np.stack([one.y[-1] for one in expected]))


def test_a_job_without_sequences_is_an_error(bundle: Bundle) -> None:
    with pytest.raises(MessageError, match="expected one sequence at least, got none"):
        run(job(), StepRunner(bundle), io.BytesIO(), io.BytesIO())
