"""What a network scores on batches, and what it reads of them."""

import dataclasses
from collections.abc import Iterable

import torch
from torch import Tensor

from skiprnn.baselines import cadence_gates
from skiprnn.metrics import Metric
from skiprnn.network import SkipNetwork
from skiprnn.objective import task_loss
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Batch


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Figures over a set of sequences.

    Attributes:
        metric: the task's.
        loss: the task's loss, without the price of updates.
        rate: share of the samples that were read, in [0, 1].
        updates, samples: of one sequence, mean.
    """

    metric: float
    loss: float
    rate: float
    updates: float
    samples: float

    def objective(self, recipe: Recipe) -> float:
        """What training minimises, with λ and μ at their final values."""
        if recipe.cadence is not None:
            return self.loss
        if recipe.rate is not None:
            return self.loss + recipe.rate_weight * (self.rate - recipe.rate) ** 2
        return self.loss + recipe.budget * self.updates


@torch.no_grad()
def evaluate(network: SkipNetwork, batches: Iterable[Batch], metric: Metric, recipe: Recipe) -> Evaluation:
    """Judge a network without its dropout; a random cadence tosses the same coins every time.

    Raises:
        ValueError: no batch.
    """
    was_training = network.training
    network.eval()
    parts = [_judge(network, batch, recipe, coins) for coins in [_coins()] for batch in batches]
    network.train(was_training)
    if not parts:
        raise ValueError("evaluate: expected at least one batch, got none")
    outputs, targets, losses, updates, samples, sizes = zip(*parts, strict=True)
    sequences = sum(sizes)
    return Evaluation(
        metric=metric.compute(torch.cat(outputs), torch.cat(targets)),
        loss=sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sequences,
        rate=sum(updates) / sum(samples),
        updates=sum(updates) / sequences,
        samples=sum(samples) / sequences,
    )


def _coins() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _judge(
    network: SkipNetwork, batch: Batch, recipe: Recipe, coins: torch.Generator
) -> tuple[Tensor, Tensor, float, float, float, int]:
    """Outputs [N, K] and targets [N, …] on the CPU, loss, updates, samples, sequences of a batch."""
    here = batch.to(network.input_mean.device)
    logits, gates, _ = network(here.x, here.lengths, forced_gates=forced_gates(recipe, here.x, coins))
    B, T = gates.shape
    outputs, targets = network.activate(logits), here.y
    if logits.ndim == 3:  # every sample is an answer, but padding is none
        ends = torch.full((B,), T) if batch.lengths is None else batch.lengths
        judged = (torch.arange(T) < ends.unsqueeze(1)).to(outputs.device)
        if here.weights is not None:
            judged &= here.weights > 0
        outputs, targets = outputs[judged], targets[judged]
    samples = B * T if batch.lengths is None else int(batch.lengths.sum())
    loss = float(task_loss(network, logits, here))
    return outputs.cpu(), targets.cpu(), loss, float(gates.sum()), float(samples), B


def forced_gates(recipe: Recipe, x: Tensor, coins: torch.Generator | None = None) -> Tensor | None:
    """Gates [B, T] of the recipe's cadence for x [B, T, F]; None where the network's own gate decides."""
    if recipe.cadence is None or recipe.rate is None:
        return None
    B, T, _ = x.shape
    return cadence_gates(recipe.cadence, recipe.rate, B, T, coins).to(x)
