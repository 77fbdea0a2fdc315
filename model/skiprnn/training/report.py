"""The report of a run, report.json: how good the network is, of what and of whom, and how sure that is.

Its figures are those of whole recordings that were held out, where the data has some, else of the test sequences.
What the data is too little for is said in words.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from skiprnn.data.types import Batch, Data
from skiprnn.metrics import Metric, r_squared
from skiprnn.network import NetworkConfig, SkipNetwork
from skiprnn.recipe import Recipe
from skiprnn.training.evaluation import answers_of
from skiprnn.training.event_evaluation import EventTest
from skiprnn.training.experiment import Experiment, metric_of
from skiprnn.training.figures import confusion, figures_of, update_rates


class _Item(NamedTuple):
    """One recording or sequence: its name and group, its answers [n, K], their targets, updates and samples."""

    name: str
    group: str
    outputs: Tensor
    targets: Tensor
    updates: float
    samples: float


def report_of(
    experiment: Experiment,
    data: Data,
    network: SkipNetwork,
    results: Mapping[str, Any],
    events: EventTest | None = None,
) -> dict[str, Any]:
    """What report.json holds.

    Args:
        network: as it was trained, on the CPU.
        results: of the run, as in training.json.
        events: of a task of events, what the network did over the test streams.
    """
    if events is not None:
        report = {"task": experiment.task.name, "parts": data.parts, "notes": data.notes} | events.report()
        return {name: value for name, value in report.items() if value}
    metric, recipe = metric_of(experiment, data), experiment.recipe
    items = list(_items(data, network.eval(), recipe))
    groups = _groups(items) if data.held_out else {}
    value = _value(metric, items)
    notes = [
        *data.notes,
        *_on_constants(network.config, items),
        _on_selection(data, recipe),
        _on_spread(groups, metric),
    ]
    report = {
        "task": experiment.task.name,
        "kind": _kind(network.config),
        "metric": metric.name,
        "parts": {name: dict(counts) for name, counts in data.parts.items()},
        "windows": {metric.name: None if value is None else results[metric.name]} if data.held_out else None,
        "recordings": {"count": len(items), metric.name: value},
        "outputs": figures_of(network.config, *_joined(items)),
        "confusion": confusion(*_joined(items)).tolist() if network.config.is_one_class else None,
        "groups": [
            {"name": name, "recordings": len(members), metric.name: _value(metric, members)}
            for name, members in groups.items()
        ],
        "update_rate": update_rates([(item.name, item.updates, item.samples) for item in items]),
        "notes": [note for note in notes if note],
    }
    return {name: value for name, value in report.items() if value}


def _kind(config: NetworkConfig) -> str:
    whom = "a sample" if config.is_per_step else "a recording"
    return f"{'numbers' if config.is_regression else 'labels' if config.multi_label else 'one class'} {whom}"


def _items(data: Data, network: SkipNetwork, recipe: Recipe) -> Iterator[_Item]:
    """The held-out recordings, each by itself; of other data the test sequences."""
    generator = torch.Generator().manual_seed(0)
    for batch, names, group in _named(data):
        answers = answers_of(network, batch, recipe, generator)
        sizes = answers.counts.tolist()
        outputs, targets = torch.split(answers.outputs, sizes), torch.split(answers.targets, sizes)
        columns = outputs, targets, answers.updates.tolist(), answers.samples.tolist()
        for name, *rest in zip(names, *columns, strict=True):
            yield _Item(name, group, *rest)


def _named(data: Data) -> Iterator[tuple[Batch, Sequence[str], str]]:
    """Batches with the names of their sequences and their group."""
    for held in data.held_out:
        yield held.batch, [held.name], held.group
    number = 0
    for batch in () if data.held_out else data.test or data.validation:
        yield batch, [f"sequence {number + row}" for row in range(len(batch.x))], ""
        number += len(batch.x)


def _groups(items: Sequence[_Item]) -> dict[str, list[_Item]]:
    groups: dict[str, list[_Item]] = {}
    for item in items:
        groups.setdefault(item.group, []).append(item)
    return groups


def _joined(items: Sequence[_Item]) -> tuple[Tensor, Tensor]:
    return torch.cat([item.outputs for item in items]), torch.cat([item.targets for item in items])


def _value(metric: Metric, items: Sequence[_Item]) -> float | None:
    """The metric; None where there is nothing to compare: R² of targets that never vary, such as a single one."""
    outputs, targets = _joined(items)
    if not len(targets) or (metric.compute is r_squared and bool((targets == targets[0]).all())):
        return None
    return metric.compute(outputs, targets)


def _on_constants(config: NetworkConfig, items: Sequence[_Item]) -> Iterator[str]:
    """Which targets never change where they are reported, so that nothing was there to be told apart?"""
    _, targets = _joined(items)
    if not config.is_regression or len(targets) < 2:
        return
    for name, column in zip(config.output_names, targets.reshape(len(targets), -1).T, strict=True):
        if bool((column == column[0]).all()):
            yield (
                f"the target {name!r} is {column[0].item():g} wherever it is reported: R² cannot say how well it is "
                "predicted; hold out recordings with other values"
            )


def _on_selection(data: Data, recipe: Recipe) -> str:
    """Were the reported figures also used to choose the network?"""
    if data.test or (recipe.keep == "last" and recipe.patience is None):
        return ""
    return (
        "the network was selected on the recordings that it is reported on, so the figures are too good; "
        "hold out more groups, or train with keep=last"
    )


def _on_spread(groups: Mapping[str, Sequence[_Item]], metric: Metric) -> str:
    """How much the figures depend on who was held out: those without one of the groups."""
    said = metric.label
    if not groups:
        return ""
    if len(groups) == 1:
        return f"1 group is held out: nothing says how much {said} moves with the split"
    others = (
        [item for name, members in groups.items() if name != left for item in members] for left in groups
    )
    without = [value for items in others if (value := _value(metric, items)) is not None]
    if not without:
        return f"{len(groups)} groups are held out: too few to say how much {said} moves with the split"
    low, high = f"{min(without):.3g}", f"{max(without):.3g}"
    return (
        f"{len(groups)} groups are held out: with one of them left out, {said} is "
        f"{low if low == high else f'{low} to {high}'}"
    )
