"""What training minimises: the task's loss, and the cost of updates at this point of the training."""

import torch
import torch.nn.functional as F
from torch import Tensor

from skiprnn.data.types import Batch
from skiprnn.losses import budget_loss
from skiprnn.network import SkipNetwork
from skiprnn.recipe import Recipe


def charges_every_step(network: SkipNetwork, recipe: Recipe) -> bool:
    """Does the answer after every sample count in the loss, or only the one after the last?"""
    return recipe.every_step or network.config.is_per_step


def task_loss(network: SkipNetwork, logits: Tensor, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
    """Cross entropy, binary cross entropy (multi-label), or the paper's ½·MSE in normalised units; a scalar.

    Args:
        logits: [B, K] after the last sample, or [B, T, K] after every one.
        batch: its weights count [B, T, K] alone.
    """
    if logits.ndim == 2:
        return _losses(network, logits, batch.y, label_smoothing).mean()
    B, T, _ = logits.shape
    every = every_target(network, batch.y, T)
    losses = _losses(network, logits.flatten(0, 1), every.flatten(0, 1), label_smoothing).view(B, T)
    weights = _weights(network, batch, T)
    return (losses * weights).sum() / weights.sum().clamp_min(1e-6)  # of a batch without a label it is 0


def every_target(network: SkipNetwork, y: Tensor, T: int) -> Tensor:
    """Targets of every sample, [B, T] or [B, T, K]; those of whole sequences, [B] or [B, K], are repeated."""
    if y.ndim == (2 if network.config.is_one_class else 3):
        return y
    return y.unsqueeze(1).expand(len(y), T, *y.shape[1:])


def _losses(network: SkipNetwork, logits: Tensor, y: Tensor, label_smoothing: float) -> Tensor:
    """[N, K] → [N]"""
    if network.config.is_regression:
        target = (y - network.output_mean) / network.output_std
        return 0.5 * F.mse_loss(logits, target, reduction="none").mean(dim=1)
    if network.config.multi_label:
        return F.binary_cross_entropy_with_logits(logits, y, reduction="none").mean(dim=1)
    return F.cross_entropy(logits, y, reduction="none", label_smoothing=label_smoothing)


def _weights(network: SkipNetwork, batch: Batch, T: int) -> Tensor:
    """[B, T]: the batch's own; else one for a task of steps, and growing with t for one of sequences."""
    t = torch.arange(T, device=batch.x.device)
    if batch.weights is not None:
        weights = batch.weights
    elif network.config.is_per_step:
        weights = torch.ones_like(batch.x[..., 0])
    else:
        weights = ((t + 1) / T).expand(len(batch.x), T)
    return weights if batch.lengths is None else weights * (t < batch.lengths.unsqueeze(1))


def lambda_cost(recipe: Recipe, gates: Tensor, progress: float) -> Tensor:
    """λ · Σ u (eq. 11), a scalar.

    Args:
        gates: [B, T].
        progress: share of the training that is over; λ grows until `recipe.ramp` of it.
    """
    return budget_loss(gates, _ramped(recipe, progress) * recipe.lambda_)


def target_rate(recipe: Recipe, progress: float) -> float:
    """μ at this point of the training: over the ramp it goes from the gate's first update rate to the recipe's."""
    first = recipe.first_rate
    return first + _ramped(recipe, progress) * ((recipe.target_rate or 1.0) - first)


def _ramped(recipe: Recipe, progress: float) -> float:
    return min(1.0, progress / recipe.ramp_share) if recipe.ramp_share else 1.0
