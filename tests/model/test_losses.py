"""The cost of updates."""

import torch

from skiprnn import budget_loss, target_rate_loss, update_rate

GATES = torch.tensor([[1.0, 0, 1, 0], [1, 0, 0, 0]])


def test_the_budget_is_lambda_times_the_mean_number_of_updates() -> None:
    torch.testing.assert_close(budget_loss(GATES, 0.1), torch.tensor(0.15))


def test_the_update_rate_counts_real_samples_alone() -> None:
    assert update_rate(GATES).item() == 3 / 8
    assert update_rate(GATES, torch.tensor([4, 1])).item() == torch.tensor(3 / 5).item()


def test_the_target_rate_pulls_from_both_sides() -> None:
    gates = GATES.clone().requires_grad_()
    for rate, sign in ((0.25, 1), (0.5, -1)):
        (gradient,) = torch.autograd.grad(target_rate_loss(gates, rate), gates)
        assert (gradient * sign > 0).all()
    assert target_rate_loss(GATES, 3 / 8).item() == 0
