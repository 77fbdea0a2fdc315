"""Results over a set of sequences."""

import pytest
import torch

from skiprnn import NetworkConfig, SkipNetwork
from skiprnn.data.types import Batch
from skiprnn.metrics import Metric, accuracy
from skiprnn.recipe import Recipe
from skiprnn.training.evaluation import Evaluation, answers_of, evaluate, forced_gates

ACCURACY = Metric("accuracy", accuracy, is_share=True)


def network() -> SkipNetwork:
    torch.manual_seed(0)
    return SkipNetwork(NetworkConfig("made", "gru", 2, 4, 3, gate_bias=-1.0, dropout=0.5))


def batch(lengths: list[int]) -> Batch:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(len(lengths), max(lengths), 2, generator=generator)
    return Batch(x, torch.arange(len(lengths)) % 3, torch.tensor(lengths))


def test_sequences_count_alike_whatever_their_batch() -> None:
    whole = batch([9, 9, 9, 9, 9])
    parts = [Batch(*(part[rows] for part in whole if part is not None)) for rows in (slice(3), slice(3, 5))]
    one, other = (evaluate(network(), batches, ACCURACY, Recipe()) for batches in ([whole], parts))
    assert one.updates == other.updates
    assert one.loss == pytest.approx(other.loss, rel=1e-5)
    assert one.update_rate == pytest.approx(one.updates / one.samples)


def test_padding_is_no_sample() -> None:
    found = evaluate(network(), [batch([9, 4, 2])], ACCURACY, Recipe())
    assert found.samples == 5
    assert found.updates <= 5


def test_dropout_is_off_and_training_goes_on() -> None:
    made = network().train()
    first, second = (evaluate(made, [batch([9, 9])], ACCURACY, Recipe()) for _ in range(2))
    assert first == second
    assert made.training


def test_no_batch_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected at least one batch, got none"):
        evaluate(network(), [], ACCURACY, Recipe())


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (Recipe(lambda_=0.1), 1 + 0.1 * 4),
        (Recipe(target_rate=0.5, rate_penalty=10), 1 + 10 * (0.1 / 0.5) ** 2),
        (Recipe(target_rate=0.5, schedule="random"), 1),
    ],
)
def test_the_objective_has_the_final_cost_of_updates(recipe: Recipe, expected: float) -> None:
    found = Evaluation(metric=0.9, loss=1.0, update_rate=0.4, updates=4.0, samples=10.0)
    assert found.objective(recipe) == pytest.approx(expected)


def test_a_learned_gate_is_not_forced() -> None:
    x = torch.zeros(2, 6, 1)
    assert forced_gates(Recipe(target_rate=0.5), x) is None
    gates = forced_gates(Recipe(target_rate=0.5, schedule="uniform"), x)
    assert gates is not None
    assert gates.tolist() == [[1, 0, 1, 0, 1, 0]] * 2


@pytest.mark.parametrize("kind", [{}, {"multi_label": True}])
def test_every_sample_that_counts_is_an_answer_of_its_sequence(kind: dict[str, bool]) -> None:
    made = SkipNetwork(NetworkConfig("made", "gru", 2, 4, 3, task="step_classification", **kind)).eval()  # type: ignore[arg-type]
    whole = batch([9, 4, 2])
    y = torch.zeros(3, 9, dtype=torch.int64) if not kind else torch.zeros(3, 9, 3)
    weights = torch.ones(3, 9)
    weights[1, 1:] = 0
    answers = answers_of(made, whole._replace(y=y, weights=weights), Recipe(), torch.Generator())
    assert answers.counts.tolist() == [9, 1, 2]
    assert answers.outputs.shape == (12, 3)
    assert len(answers.targets) == 12
    assert answers.samples.tolist() == [9, 4, 2]
    assert (answers.updates <= answers.samples).all()
