"""The results of a run: what training.json and a results file say about it."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from skiprnn.data.types import Batch, Data
from skiprnn.metrics import Metric
from skiprnn.network import SkipNetwork
from skiprnn.recipe import Recipe
from skiprnn.training.evaluation import evaluate
from skiprnn.training.event_evaluation import EventTest
from skiprnn.training.experiment import Experiment, metric_of
from skiprnn.training.run_folder import RENAMED_RESULTS
from skiprnn.training.stream_rates import scheduled_update_rate, stream_update_rate

_THRESHOLDS = (
    0.5,
    0.6,
    0.7,
    0.8,
    0.9,
    1.0,
)  # of the gate at run time, at which a trained network is evaluated


def results_of(
    experiment: Experiment, data: Data, network: SkipNetwork, events: EventTest | None = None
) -> dict[str, Any]:
    """A trained network's results on the test batches (the validation batches where there are none).

    `update_rate` is in [0, 1]; `updates` and `samples` are means over the sequences. `stream_update_rate` is that over
    whole recordings, under the recipe's schedule if it has one; None where the task has none. Of a task of events the
    results are those of the alarms on whole test streams, `events`.
    """
    recipe, metric = experiment.recipe, metric_of(experiment, data)
    batches = data.test or data.validation
    found = evaluate(network, batches, metric, recipe)
    results = experiment.identity() | {
        "metric": metric.name,
        metric.name: found.metric,
        "update_rate": found.update_rate,
        "stream_update_rate": _stream_rate(network, data, recipe),
        "updates": found.updates,
        "samples": found.samples,
        "lambda": recipe.lambda_,
        "target_rate": recipe.target_rate,
        "schedule": recipe.schedule,
        "period": recipe.period,
        "cell": recipe.cell,
        "hidden_size": recipe.hidden_size,
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "torch": torch.__version__,
    }
    if metric.solved is not None:
        results["solved"] = metric.is_solved(found.metric)
    if events is not None:
        results |= events.results()
    elif recipe.schedule == "random":
        results["served"] = _served(recipe, metric, network, batches)
    elif recipe.schedule is None:
        results["thresholds"] = list(_thresholds(recipe, metric, network, batches))
    return results | {old: results[new] for old, new in RENAMED_RESULTS.items()}  # for this release


def _stream_rate(network: SkipNetwork, data: Data, recipe: Recipe) -> float | None:
    if not data.test_streams:
        return None
    if recipe.schedule is not None and recipe.target_rate is not None:
        return scheduled_update_rate(recipe.schedule, recipe.target_rate, data.test_streams)
    return stream_update_rate(network, data.test_streams)


def _served(
    recipe: Recipe, metric: Metric, network: SkipNetwork, batches: Sequence[Batch]
) -> dict[str, float]:
    """The figures of a random schedule's network under its own gate, which is served: a uniform one of that rate."""
    found = evaluate(network, batches, metric, dataclasses.replace(recipe, schedule=None))
    figures = {name: getattr(found, name) for name in ("update_rate", "updates", "samples")}
    return {metric.name: found.metric} | figures


def _thresholds(
    recipe: Recipe, metric: Metric, network: SkipNetwork, batches: Sequence[Batch]
) -> Iterator[dict[str, float]]:
    """The same network at higher thresholds of the gate: fewer updates, without training."""
    trained = network.rnn.threshold
    for threshold in _THRESHOLDS:
        network.rnn.threshold = threshold
        found = evaluate(network, batches, metric, recipe)
        yield {"threshold": threshold, metric.name: found.metric, "update_rate": found.update_rate}
    network.rnn.threshold = trained
