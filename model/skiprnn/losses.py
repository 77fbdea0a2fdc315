"""What a network pays for the samples that it reads, beside the loss of its task.

Gates are [B, T], 1 where a sample was read, 0 where it was skipped or is padding.
"""

from torch import Tensor


def update_rate(gates: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Share of the samples that were read, over the whole batch; a scalar in [0, 1] that carries gradient.

    Args:
        gates: [B, T].
        lengths: [B], samples of each padded sequence; None when none is padded.
    """
    samples = gates.numel() if lengths is None else lengths.sum()
    return gates.sum() / samples


def budget(gates: Tensor, weight: float) -> Tensor:
    """The paper's budget loss (section 3.2): λ · Σ_t u_t for each sequence, mean over the batch; a scalar.

    Args:
        gates: [B, T].
        weight: λ, the cost of one update.
    """
    return weight * gates.sum(dim=1).mean()


def target_rate(gates: Tensor, rate: float, lengths: Tensor | None = None) -> Tensor:
    """(mean u − μ)²: pulls the share of samples read to `rate` from both sides; a scalar.

    Args:
        gates: [B, T].
        rate: μ, in (0, 1].
        lengths: [B], samples of each padded sequence; None when none is padded.
    """
    return (update_rate(gates, lengths) - rate) ** 2
