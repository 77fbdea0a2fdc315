"""Evaluate a network on batches: the task's metric and the update rate."""

import dataclasses
from collections.abc import Iterable

import torch
from torch import Tensor

from skiprnn.data.types import Batch
from skiprnn.metrics import Metric
from skiprnn.network import SkipNetwork
from skiprnn.recipe import Recipe
from skiprnn.training.baselines import scheduled_gates
from skiprnn.training.objective import task_loss


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Results over a set of sequences.

    Attributes:
        metric: the task's.
        loss: the task's loss, without the cost of updates.
        update_rate: share of the samples that update the state, in [0, 1].
        updates, samples: of one sequence, mean.
    """

    metric: float
    loss: float
    update_rate: float
    updates: float
    samples: float

    def objective(self, recipe: Recipe) -> float:
        """What training minimises, with λ and μ at their final values."""
        if recipe.schedule is not None:
            return self.loss
        if recipe.target_rate is not None:
            return self.loss + recipe.rate_penalty * (self.update_rate / recipe.target_rate - 1) ** 2
        return self.loss + recipe.lambda_ * self.updates


@torch.no_grad()
def evaluate(network: SkipNetwork, batches: Iterable[Batch], metric: Metric, recipe: Recipe) -> Evaluation:
    """Evaluate a network without its dropout; a random schedule is the same one every time.

    Raises:
        ValueError: no batch.
    """
    was_training = network.training
    network.eval()
    generator = torch.Generator().manual_seed(0)
    parts = [_evaluate_batch(network, batch, recipe, generator) for batch in batches]
    network.train(was_training)
    if not parts:
        raise ValueError("evaluate: expected at least one batch, got none")
    outputs, targets, losses, updates, samples, sizes = zip(*parts, strict=True)
    sequences = sum(sizes)
    return Evaluation(
        metric=metric.compute(torch.cat(outputs), torch.cat(targets)),
        loss=sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sequences,
        update_rate=sum(updates) / sum(samples),
        updates=sum(updates) / sequences,
        samples=sum(samples) / sequences,
    )


def _evaluate_batch(
    network: SkipNetwork, batch: Batch, recipe: Recipe, generator: torch.Generator
) -> tuple[Tensor, Tensor, float, float, float, int]:
    """Outputs [N, K] and targets [N, …] on the CPU, loss, updates, samples, sequences of a batch."""
    here = batch.to(network.input_mean.device)
    logits, gates, _ = network(here.x, here.lengths, forced_gates=forced_gates(recipe, here.x, generator))
    B, T = gates.shape
    outputs, targets = network.activate(logits), here.y
    if logits.ndim == 3:  # every sample is an answer, but padding is none
        ends = torch.full((B,), T) if batch.lengths is None else batch.lengths
        counted = (torch.arange(T) < ends.unsqueeze(1)).to(outputs.device)
        if here.weights is not None:
            counted &= here.weights > 0
        outputs, targets = outputs[counted], targets[counted]
    samples = B * T if batch.lengths is None else int(batch.lengths.sum())
    loss = float(task_loss(network, logits, here))
    return outputs.cpu(), targets.cpu(), loss, float(gates.sum()), float(samples), B


def forced_gates(recipe: Recipe, x: Tensor, generator: torch.Generator | None = None) -> Tensor | None:
    """Gates [B, T] of the recipe's schedule for x [B, T, F]; None where the network's own gate decides."""
    if recipe.schedule is None or recipe.target_rate is None:
        return None
    B, T, _ = x.shape
    return scheduled_gates(recipe.schedule, recipe.target_rate, B, T, generator).to(x)
