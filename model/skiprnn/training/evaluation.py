"""Evaluate a network on batches: the task's metric and the update rate."""

import dataclasses
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from skiprnn.data.types import Batch
from skiprnn.metrics import Metric
from skiprnn.network import SkipNetwork
from skiprnn.recipe import Recipe
from skiprnn.training.baselines import scheduled_gates
from skiprnn.training.objective import every_target, task_loss


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


class Answers(NamedTuple):
    """What a network answers to a batch of B sequences, on the CPU.

    Attributes:
        outputs: [N, K], activated; one answer a sequence, or one a sample, those of the first sequence first.
        targets: [N] classes, or [N, K].
        counts, updates, samples: [B], answers, updates and samples of each sequence.
        loss: the task's, without the cost of updates; mean over the answers.
    """

    outputs: Tensor
    targets: Tensor
    counts: Tensor
    updates: Tensor
    samples: Tensor
    loss: float


@torch.no_grad()
def evaluate(network: SkipNetwork, batches: Iterable[Batch], metric: Metric, recipe: Recipe) -> Evaluation:
    """Evaluate a network without its dropout; a random schedule is the same one every time.

    Raises:
        ValueError: no batch.
    """
    was_training = network.training
    network.eval()
    generator = torch.Generator().manual_seed(0)
    parts = [answers_of(network, batch, recipe, generator) for batch in batches]
    network.train(was_training)
    if not parts:
        raise ValueError("evaluate: expected at least one batch, got none")
    sequences = sum(len(part.samples) for part in parts)
    updates, samples = (
        float(sum(part.sum() for part in column))
        for column in ([part.updates for part in parts], [part.samples for part in parts])
    )
    return Evaluation(
        metric=metric.compute(
            torch.cat([part.outputs for part in parts]), torch.cat([part.targets for part in parts])
        ),
        loss=sum(part.loss * len(part.samples) for part in parts) / sequences,
        update_rate=updates / samples,
        updates=updates / sequences,
        samples=samples / sequences,
    )


@torch.no_grad()
def answers_of(network: SkipNetwork, batch: Batch, recipe: Recipe, generator: torch.Generator) -> Answers:
    """Run a network, whose dropout is off, on a batch."""
    here = batch.to(network.input_mean.device)
    logits, gates, _ = network(here.x, here.lengths, forced_gates=forced_gates(recipe, here.x, generator))
    B, T = gates.shape
    outputs, targets, counts = network.activate(logits), here.y, torch.ones(B, dtype=torch.int64)
    ends = torch.full((B,), T) if batch.lengths is None else batch.lengths.cpu()
    if logits.ndim == 3:  # every sample is an answer, but padding is none
        counted = (torch.arange(T) < ends.unsqueeze(1)).to(outputs.device)
        if here.weights is not None:
            counted &= here.weights > 0
        outputs, targets, counts = (
            outputs[counted],
            every_target(network, targets, T)[counted],
            counted.sum(1).cpu(),
        )
    loss = float(task_loss(network, logits, here))
    return Answers(outputs.cpu(), targets.cpu(), counts, gates.sum(1).double().cpu(), ends, loss)


def forced_gates(recipe: Recipe, x: Tensor, generator: torch.Generator | None = None) -> Tensor | None:
    """Gates [B, T] of the recipe's schedule for x [B, T, F]; None where the network's own gate decides."""
    if recipe.schedule is None or recipe.target_rate is None:
        return None
    B, T, _ = x.shape
    return scheduled_gates(recipe.schedule, recipe.target_rate, B, T, generator).to(x)
