"""One run: it counts what it scores, and resumes from the parts of a run that was stopped."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skiprnn_cli.score.run import Options, Run
from skiprnn_export import unroll
from skiprnn_service.errors import ContentTypeError
from skiprnn_service.scoring.job import Totals
from support.bundles import random_sequence, write_random_bundle


@pytest.fixture
def sequences(tmp_path: Path) -> Path:
    bundle = write_random_bundle(tmp_path / "m.onnx")
    np.save(tmp_path / "data.npy", np.stack([random_sequence(bundle, 50, seed=seed) for seed in range(3)]))
    return tmp_path / "data.npy"


def prepared(data: Path, *, anew: bool = False, **options: Any) -> Run:
    run = Run(data.with_name("m.onnx"), data, data.with_name("out.npy"), Options(**options))
    run.prepare(1, 16, anew=anew)
    return run


def stop(totals: Totals) -> None:  # noqa: ARG001
    raise KeyboardInterrupt


def test_it_counts_sequences_samples_and_updates(sequences: Path) -> None:
    run, seen = prepared(sequences), list[Totals]()
    with sequences.open("rb") as source:
        totals = run.score(source, seen.append)
    updates = sum(len(unroll(run.bundle, x).t) for x in np.load(sequences))
    assert totals == seen[-1] == (3, 150, updates)
    assert (run.samples, run.resumed) == (150, False)
    assert len(np.load(sequences.with_name("out.npy"))) == 3


@pytest.mark.parametrize(
    ("options", "resumed"),
    [({}, True), ({"anew": True}, False), ({"threshold": 0.9}, False), ({"per": "sample"}, True)],
)
def test_a_stopped_run_is_resumed_by_the_same_run_alone(
    sequences: Path, options: dict[str, Any], resumed: bool
) -> None:
    with sequences.open("rb") as source, pytest.raises(KeyboardInterrupt):
        prepared(sequences).score(source, stop)
    again = prepared(sequences, **options)
    with sequences.open("rb") as source:
        again.score(source, lambda _: None)
    assert (again.resumed, again.samples) == (resumed, 0 if resumed else 150)


def test_a_second_run_into_the_same_file_is_rejected_while_the_first_one_runs(sequences: Path) -> None:
    """Else it would take scores of other sequences for its own."""

    def second(_: Totals) -> None:
        with pytest.raises(BlockingIOError, match=r"out\.npy: expected one run at a time"):
            prepared(sequences, threshold=0.9)

    with sequences.open("rb") as source:
        prepared(sequences).score(source, second)
    assert prepared(sequences, threshold=0.9).resumed is False


def test_a_folder_that_is_not_there_is_an_error_before_any_work(sequences: Path) -> None:
    out = sequences.parent / "none" / "out.npy"
    run = Run(sequences.with_name("m.onnx"), sequences, out, Options())
    with pytest.raises(FileNotFoundError, match="--out: expected a folder at"):
        run.prepare(1, 16, anew=False)


def test_a_format_that_is_not_known_is_an_error(sequences: Path) -> None:
    with pytest.raises(ContentTypeError, match=r"out\.dat: expected a name that ends in one of"):
        Run(sequences.with_name("m.onnx"), sequences, Path("out.dat"), Options())
