"""fit and predict on arrays, as scikit-learn's users know them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from torch import nn

from skiprnn import SkipNetwork
from skiprnn.estimators import SkipClassifier, SkipRegressor
from skiprnn_export import read, unroll
from skiprnn_export.step import export

RNG = np.random.default_rng(0)
X = RNG.standard_normal((160, 20, 2)).astype(np.float32) * 3 + 100
Y = np.where(X[:, 0, 0] > 100, "high", "low")
SHORT: dict[str, Any] = {"hidden_size": 12, "epochs": 6, "batch_size": 16, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def fitted() -> SkipClassifier:
    long = SHORT | {"epochs": 24}  # after 6 epochs even one that updates at every sample has not learned it
    return SkipClassifier(update_rate=0.3, **long).fit(X, Y)


def test_it_learns_and_skips(fitted: SkipClassifier) -> None:
    assert fitted.score(X, Y) > 0.85
    assert fitted.classes_.tolist() == ["high", "low"]
    assert 0.1 < fitted.updates(X).mean() / 20 < 0.6
    np.testing.assert_allclose(fitted.predict_proba(X).sum(1), 1, atol=1e-5)
    assert fitted.results_["accuracy"] > 0.8


def test_sequences_may_have_different_lengths(fitted: SkipClassifier) -> None:
    """Padding has no part in the outputs, nor has the batch."""
    ragged = [x[: 5 + index % 15] for index, x in enumerate(X)]
    together = fitted.predict_proba(ragged)
    alone = np.concatenate([fitted.predict_proba([x]) for x in ragged[:20]])
    np.testing.assert_allclose(together[:20], alone, atol=1e-5)
    SkipClassifier(**SHORT | {"epochs": 1}).fit(ragged, Y)


def test_it_is_one_of_scikit_learns() -> None:
    estimator = SkipClassifier(**SHORT | {"epochs": 1})
    assert clone(estimator).get_params() == estimator.get_params()
    assert cross_val_score(estimator, X, Y, cv=2).shape == (2,)


def test_the_same_seed_gives_the_same_network(tmp_path: Path) -> None:
    first, second = (
        SkipClassifier(**SHORT | {"epochs": 1}, run=run).fit(X, Y)
        for run in (tmp_path / "a", str(tmp_path / "b"))
    )
    assert (first.predict_proba(X) == second.predict_proba(X)).all()
    assert (tmp_path / "b" / "training.json").is_file()


def test_its_bundle_gives_the_same_updates(fitted: SkipClassifier, tmp_path: Path) -> None:
    report = export(fitted.network_, str(tmp_path / "models" / "mine.onnx"), samples=fitted.samples_)
    assert report.real_sequences == 8
    bundle = read(str(tmp_path / "models" / "mine.onnx"))
    assert bundle.info.classes == ("high", "low")
    made = [unroll(bundle, x) for x in X[:20]]
    assert [len(each.t) for each in made] == fitted.updates(X[:20]).tolist()
    np.testing.assert_allclose([each.y[-1] for each in made], fitted.predict_proba(X[:20]), atol=1e-4)


def test_without_an_update_rate_every_sample_updates() -> None:
    plain = SkipClassifier(update_rate=None, **SHORT | {"epochs": 1}).fit(X, Y)
    assert (plain.updates(X) == 20).all()


@pytest.mark.parametrize("one", [True, False])
def test_values_are_in_raw_units(one: bool) -> None:
    values = np.stack([X[:, 0, 0] * 50, X[:, 0, 1] - 1000], axis=1)
    y = values[:, 0] if one else values
    regressor = SkipRegressor(update_rate=0.3, **SHORT | {"epochs": 15}).fit(X, y)
    assert regressor.predict(X).shape == y.shape
    assert regressor.score(X, y) > 0.5


def test_it_goes_on_from_a_trained_network() -> None:
    start = trained()
    tuned = SkipClassifier(start=start, update_rate=0.5, epochs=8, batch_size=16, learning_rate=1e-2).fit(
        X, Y
    )
    assert tuned.network_.config.hidden_size == 7
    assert torch.equal(tuned.network_.input_mean, start.input_mean)
    assert tuned.updates(X).mean() < 20
    assert tuned.network_.config.name == "mine"


def test_classes_keep_the_order_of_the_trained_network() -> None:
    """A readout's first row is its first class, whatever the alphabet says."""
    start = trained(classes=("low", "high"))
    tuned = SkipClassifier(start=start, epochs=1, learning_rate=1e-6).fit(X, Y)
    assert tuned.classes_.tolist() == list(tuned.network_.config.classes) == ["low", "high"]
    before = start.activate(start(torch.from_numpy(X)).logits).detach()
    np.testing.assert_allclose(tuned.predict_proba(X), before, atol=1e-3)
    with pytest.raises(
        ValueError, match=r"expected classes among those of start, \['low', 'high'\], got \['up'\]"
    ):
        SkipClassifier(start=start).fit(X, np.where(Y == "low", "low", "up"))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([], [], "two classes at least"),
        (X[:, 0], Y, r"expected \[N, T, F\] .* got \(2,\) in sequence 0"),
        ([X[0], X[1][:, :1]], ["a", "b"], r"arrays \[T, 2\], got \(20, 1\) in sequence 1"),
        (np.full((4, 3, 2), np.nan), list("abab"), "expected finite numbers, got others in sequence 0"),
        (X, Y[:9], r"expected one a sequence \(160\), got 9"),
        (X, ["a"] * 160, "two classes at least"),
    ],
    ids=["none", "flat", "features", "nan", "count", "one-class"],
)
def test_arrays_that_do_not_fit_are_rejected(x: NDArray[np.float32], y: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SkipClassifier(**SHORT).fit(x, y)


def test_other_features_are_rejected_when_it_predicts(fitted: SkipClassifier) -> None:
    with pytest.raises(ValueError, match=r"arrays \[T, 2\], got \(20, 1\)"):
        fitted.predict(X[:, :, :1])


def test_values_that_do_not_fit_are_rejected() -> None:
    with pytest.raises(ValueError, match="expected finite values"):
        SkipRegressor(**SHORT).fit(X, np.full(160, np.inf))


def trained(**config: Any) -> SkipNetwork:
    torch.manual_seed(0)
    rnn, readout = nn.GRU(2, 7, batch_first=True), nn.Sequential(nn.Linear(7, 5), nn.Tanh(), nn.Linear(5, 2))
    return SkipNetwork.from_torch(
        rnn, readout, name="mine", input_mean=[100, 100], input_std=[3, 3], **config
    )
