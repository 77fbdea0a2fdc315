"""One range of the gate's settings, for training, export and serving."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from skiprnn import NetworkConfig, SkipGRU, SkipNetwork
from skiprnn.gate_limits import LONGEST_MAX_SKIP, check_gate
from skiprnn.recipe import Recipe
from skiprnn_export import BundleInfo, Feature, SkipTable
from support.training import train

TOO_LONG = rf"max_skip: expected 1 to {LONGEST_MAX_SKIP} samples, got {LONGEST_MAX_SKIP + 1}"


@pytest.mark.parametrize(
    ("threshold", "max_skip"), [(0.49, 1), (1.01, 1), (0.5, 0), (math.nan, 1), (0.5, LONGEST_MAX_SKIP + 1)]
)
def test_settings_out_of_range_raise_an_error(threshold: float, max_skip: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        check_gate(threshold, max_skip)


def network(max_skip: int) -> SkipNetwork:
    return SkipNetwork(NetworkConfig("made", "gru", 1, 2, 1, max_skip=max_skip))


def bundle(max_skip: int) -> BundleInfo:
    return BundleInfo(
        name="made",
        cell="gru",
        layers=1,
        hidden=2,
        features=(Feature("x"),),
        outputs=1,
        task="sequence_classification",
        threshold=0.5,
        max_skip=max_skip,
        initial_state=network(1).initial_state().numpy(),
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda cap: Recipe(max_skip=cap),
        lambda cap: SkipGRU(1, 2, max_skip=cap),
        network,
        bundle,
    ],
)
def test_what_trains_exports_and_nothing_else_trains(make: Callable[[int], object]) -> None:
    make(LONGEST_MAX_SKIP)
    with pytest.raises(ValueError, match=TOO_LONG):
        make(LONGEST_MAX_SKIP + 1)


def test_a_server_has_the_same_limit() -> None:
    with pytest.raises(ValueError, match=TOO_LONG):
        SkipTable(max_skip=LONGEST_MAX_SKIP + 1)


def test_the_error_comes_before_training(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=TOO_LONG):
        train(tmp_path / "run", max_skip=LONGEST_MAX_SKIP + 1)
    assert not list(tmp_path.iterdir())
