"""The shipped bundles do what they say of themselves, on sequences that they never saw."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from skiprnn import tasks
from skiprnn.data.download import DownloadError
from skiprnn.data.types import Signal
from skiprnn.metrics import Metric
from skiprnn.tasks import Source, Task
from skiprnn_export import Bundle, read
from skiprnn_export.unroll import open_session, unroll
from skiprnn_service.settings import SHIPPED_MODELS

JUDGED = 300  # sequences, from all over the test data: its order may be that of the classes


def held_out(task: Task, bundle: Bundle) -> Iterator[tuple[Signal, Tensor]]:
    """Sequences that the bundle was judged on and their targets, as its options split the data."""
    training = bundle.info.training
    try:
        data = task.load(Source(None, task.recipe, training["seed"], {**task.options, **training["options"]}))
    except DownloadError as error:
        pytest.skip(f"the data cannot be downloaded here: {error}")
    batches = data.test or data.validation
    every = max(1, sum(len(batch.x) for batch in batches) // JUDGED)
    sequences = ((x, y) for batch in batches for x, y in zip(batch.x.numpy(), batch.y, strict=True))
    return ((x, y) for index, (x, y) in enumerate(sequences) if index % every == 0)


def is_as_good(metric: Metric, value: float, told: float) -> bool:
    """Within what a few hundred sequences can tell."""
    return value > told - 0.05 if metric.higher_is_better else value < 2 * told


@pytest.mark.parametrize("path", sorted(SHIPPED_MODELS.glob("*.onnx")), ids=lambda path: path.stem)
def test_a_bundle_is_as_good_and_reads_as_little_as_it_says(path: Path) -> None:
    bundle = read(path)
    task = tasks.find(bundle.info.training["task"])
    session, outputs, targets, read_of_each = open_session(bundle.model), [], [], []
    for x, y in held_out(task, bundle):
        unrolled = unroll(bundle, x, session=session)
        outputs.append(torch.from_numpy(unrolled.y[-1]))
        targets.append(y)
        read_of_each.append(len(unrolled.t) / len(x))
    metric = task.metric
    value = metric.compute(torch.stack(outputs), torch.stack(targets))
    assert is_as_good(metric, value, bundle.info.training[metric.name])
    assert metric.is_solved(value) in (True, None)
    assert np.mean(read_of_each) == pytest.approx(bundle.info.training["update_rate"], abs=0.02)
