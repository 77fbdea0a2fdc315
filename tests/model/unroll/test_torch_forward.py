"""The forward pass of the torch back end: what it saves for the backward pass."""

import torch

from skiprnn.unroll.contract import Problem
from skiprnn.unroll.torch_forward import TorchForward
from support.skip_layers import make, problem, sequences


def run(problem: Problem) -> TorchForward:
    with torch.no_grad():
        forward = TorchForward(problem)
        forward.forward()
    return forward


def test_updates_are_numbered_in_the_order_of_time() -> None:
    forward = run(problem(make("lstm"), sequences(20, 4, 3).detach()))
    opened = forward.trace.opened
    assert forward.trace.ends == opened.sum(1).cumsum(0).tolist()
    for rows, now in zip(forward.trace.rows, opened, strict=True):
        assert now.all() if rows is None else torch.equal(rows, now.nonzero().squeeze(1))


def test_the_state_before_every_update_and_the_final_ones_are_saved() -> None:
    x = sequences(12, 2, 3).detach()
    layer = make("gru")
    forward = run(problem(layer, x))
    ends = forward.trace.ends
    torch.testing.assert_close(forward.before[:2], layer.h0.detach().expand(2, -1))
    assert torch.equal(forward.before[ends[-1] : ends[-1] + 2], forward.state)


def test_without_a_backward_pass_the_results_are_the_same() -> None:
    layer, x = make("gru_reset_before", num_layers=2), sequences(15, 3, 3).detach()
    saved, not_saved = (run(problem(layer, x, save=save)) for save in (True, False))
    torch.testing.assert_close(saved.outputs, not_saved.outputs, rtol=0, atol=1e-13)
    assert torch.equal(saved.trace.opened, not_saved.trace.opened)
