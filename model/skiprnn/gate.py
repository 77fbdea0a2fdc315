"""The gate of the Skip RNN: when the state is updated, and when it is copied.

Complete: the recursion of Campos et al., "Skip RNN: Learning to Skip State Updates in Recurrent Neural
Networks" (ICLR 2018, arXiv 1708.06834), eq. 2 to 6, with a cap on the longest skip. It is written once, here.

Glossary (B is the batch):

    delta_u    Δũ   [B]  how much probability every skipped sample adds, set by the last update
    cum             [B]  what was accumulated since that update: 0 right after it
    u_tilde    ũ    [B]  cum + min(Δũ, 1 − cum): the probability that decides about this sample
    u               [B]  binarize(ũ): 1 = update, 0 = skip (the state is copied)
    skipped         [B]  samples skipped since the last update

The forward pass is that of the paper. Its backward pass is that of the authors' code, which accumulates `cum`
(zeroed by an update) and not ũ itself: the two differ only in the gradient of the clamp at samples that update
anyway.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from skiprnn.lazy import lazy_names


class GateState(NamedTuple):
    """What the gate carries from one sample to the next; all of shape [B]."""

    delta_u: Tensor
    cum: Tensor
    skipped: Tensor  # int64


def first_gate(batch_size: int, like: Tensor) -> GateState:
    """The gate before the first sample, all [B]: ũ₁ = 1, so it updates. Dtype and device are those of `like`."""
    return GateState(
        delta_u=like.new_ones(batch_size),
        cum=like.new_zeros(batch_size),
        skipped=torch.zeros(batch_size, dtype=torch.int64, device=like.device),
    )


class _Binarize(torch.autograd.Function):
    """Forward: the step function. Backward: the identity (straight-through estimator, section 3.1)."""

    @staticmethod
    def forward(ctx: Any, u_tilde: Tensor, opened: Tensor) -> Tensor:  # noqa: ARG004
        return opened.to(u_tilde.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004
        return grad_outputs[0], None


def binarize(u_tilde: Tensor, threshold: float = 0.5) -> Tensor:
    """u = 1 where ũ ≥ threshold, else 0 (eq. 6: a tie updates); its gradient is passed straight through.

    Args:
        u_tilde: accumulated update probability, any shape.
        threshold: in [0.5, 1].
    """
    return _binarize_where(u_tilde, u_tilde >= threshold)


def _binarize_where(u_tilde: Tensor, opened: Tensor) -> Tensor:
    u: Tensor = _Binarize.apply(u_tilde, opened)  # type: ignore[no-untyped-call]
    return u


def accumulate(delta_u: Tensor, cum: Tensor) -> Tensor:
    """ũ = cum + min(Δũ, 1 − cum), all [B]; in float32 the same additions as every server."""
    return cum + torch.minimum(delta_u, 1 - cum)


def opens(state: GateState, *, threshold: float, max_skip: int) -> tuple[Tensor, Tensor]:
    """Whether the gate opens at this sample (bool), and ũ; both [B]. It opens after `max_skip` skipped samples."""
    u_tilde = accumulate(state.delta_u, state.cum)
    return (u_tilde >= threshold) | (state.skipped >= max_skip), u_tilde


def decide(state: GateState, *, threshold: float, max_skip: int) -> tuple[Tensor, Tensor]:
    """(u, ũ) for this sample, both [B]: `opens`, with the gradient passed straight through."""
    opened, u_tilde = opens(state, threshold=threshold, max_skip=max_skip)
    return _binarize_where(u_tilde, opened), u_tilde


def advance(state: GateState, u: Tensor, u_tilde: Tensor, candidate: Tensor) -> GateState:
    """The gate after this sample (eq. 4 and 5).

    Args:
        u, u_tilde: [B], from `decide` (or u of a fixed schedule).
        candidate: [B], Δũ of the candidate state; taken where u = 1.
    """
    return GateState(
        delta_u=u * candidate + (1 - u) * state.delta_u,
        cum=(1 - u) * u_tilde,
        skipped=torch.where(u.detach() > 0, 0, state.skipped + 1),
    )


__getattr__ = lazy_names(
    __name__,
    renamed={name: f"skiprnn.gate_limits.{name}" for name in ("DEFAULT_MAX_SKIP", "check_gate")},
)
