"""What updates cost in training, beside the loss of the task.

Gates are [B, T]: 1 where a sample updates the state, 0 where it is skipped or is padding.
"""

from torch import Tensor

from skiprnn.lazy import lazy_names


def update_rate(gates: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Share of the samples that update the state, over the whole batch; a scalar in [0, 1] that carries gradient.

    Args:
        gates: [B, T].
        lengths: [B], samples of each padded sequence; None when none is padded.
    """
    samples = gates.numel() if lengths is None else lengths.sum()
    return gates.sum() / samples


def budget_loss(gates: Tensor, weight: float) -> Tensor:
    """The paper's budget loss (eq. 11, section 3.2): λ · Σ_t u_t of each sequence, mean over the batch; a scalar.

    Args:
        gates: [B, T].
        weight: λ, the cost of one update.
    """
    return weight * gates.sum(dim=1).mean()


def target_rate_loss(gates: Tensor, rate: float, lengths: Tensor | None = None) -> Tensor:
    """(r − μ)²: pulls the update rate r to the target rate μ from both sides; a scalar.

    Args:
        gates: [B, T].
        rate: μ, in (0, 1].
        lengths: [B], samples of each padded sequence; None when none is padded.
    """
    return (update_rate(gates, lengths) - rate) ** 2


__getattr__ = lazy_names(
    __name__, renamed={"budget": f"{__name__}.budget_loss", "target_rate": f"{__name__}.target_rate_loss"}
)
