"""Recipe: every number of a training run, in one frozen dataclass. A task has two: ours and the paper's."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

from skiprnn.gate import DEFAULT_MAX_SKIP
from skiprnn.network import Cell

Cadence = Literal["uniform", "random"]
Schedule = Literal["constant", "cosine"]

_WARM_UP = 0.1  # share of the training, under the cosine schedule


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to train. The defaults are the paper's, where it has one.

    Attributes:
        gate_scale: factor on the gate's random initial weights; 0 begins with a gate that is its bias alone, a clock.
        learning_rate: of Adam; `gate_learning_rate` is the gate's, as a multiple of it.
        schedule: constant, or cosine: up over the first tenth, then down to nothing.
        clip: largest global norm of the gradient. `clip_ratio` limits the gate's and the rest's, each to that multiple
            of its own usual norm, as well.
        every_step: charge the readout after every sample of a per-sequence task, not only after the last.
        keep: the network of the last epoch, or of the best one by the validation objective.
        patience: epochs without a better objective before training ends; None trains all of them.
        budget: λ, the price of one update (eq. 11).
        rate: μ, the share of samples to read, in place of the budget: charges rate_weight · (r − μ)² for the share r
            that is read, and a pressure · (r − μ), where the pressure grows by rate_gain · (r − μ) at every step.
        ramp: share of the training over which λ grows from 0, or μ goes from `first_rate`, to its value.
        clock_start: begin with a gate that reads every 1/rate-th sample whatever it sees, and learn from there when to
            look more and when less; in place of gate_bias and random gate weights.
        cadence: read at `rate` by a clock or by chance in place of the learned gate; a baseline.

    Raises:
        ValueError: fields out of range or against each other; the message names them.
    """

    # the network
    cell: Cell = "lstm"
    hidden_size: int = 110
    num_layers: int = 1
    reset_after: bool = True
    dropout: float = 0.0
    gate_bias: float = 1.0
    gate_scale: float = 1.0
    threshold: float = 0.5
    max_skip: int = DEFAULT_MAX_SKIP
    # the optimiser
    epochs: int = 100
    batch_size: int = 256
    learning_rate: float = 1e-4
    gate_learning_rate: float = 1.0
    weight_decay: float = 0.0
    clip: float = 1.0
    clip_ratio: float | None = None
    schedule: Schedule = "constant"
    # the objective
    every_step: bool = False
    label_smoothing: float = 0.0
    budget: float = 0.0
    rate: float | None = None
    rate_weight: float = 10.0
    rate_gain: float = 0.05
    ramp: float = 0.0
    clock_start: bool = False
    cadence: Cadence | None = None
    # what is kept
    keep: Literal["last", "best"] = "best"
    patience: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: expected at least 1, got {value!r}")
        for name in ("learning_rate", "gate_learning_rate", "clip", "clip_ratio", "rate_weight"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name}: expected a positive number, got {value!r}")
        self._check_objective()

    def _check_objective(self) -> None:
        if self.rate is not None and not 0 < self.rate <= 1:
            raise ValueError(f"rate: expected a share of the samples in (0, 1], got {self.rate!r}")
        if self.gate_scale < 0:
            raise ValueError(f"gate_scale: expected ≥ 0, got {self.gate_scale!r}")
        if self.budget < 0 or not 0 <= self.ramp <= 1:
            raise ValueError(
                f"budget, ramp: expected ≥ 0 and within [0, 1], got {self.budget!r}, {self.ramp!r}"
            )
        if self.clock_start and self.rate is None:
            raise ValueError("clock_start: expected a rate for the clock")
        if self.budget and self.rate is not None:
            raise ValueError(
                "budget and rate: expected one of them; the first prices updates, the second counts"
            )
        if self.cadence is not None and (self.cadence not in get_args(Cadence) or self.rate is None):
            raise ValueError(
                f"cadence: expected one of {get_args(Cadence)} with a rate, got {self.cadence!r}"
            )

    def changed(self, changes: Mapping[str, Any]) -> "Recipe":
        """This recipe with other values.

        Raises:
            ValueError: a name that is no field, or a value out of range.
        """
        known = {field.name for field in dataclasses.fields(self)}
        if unknown := sorted(set(changes) - known):
            raise ValueError(f"recipe: expected names among {sorted(known)}, got {unknown}")
        return dataclasses.replace(self, **changes)

    @property
    def first_rate(self) -> float:
        """Share of the samples that a gate of no scale reads before it learns; 1 where its weights are random."""
        if self.gate_scale > 0:
            return 1.0
        return 1 / math.ceil(self.threshold * (1 + math.exp(-self.gate_bias)))  # Δũ = σ(gate_bias)

    def network(self) -> dict[str, Any]:
        """The fields that NetworkConfig takes from a recipe."""
        names = (
            "cell",
            "hidden_size",
            "num_layers",
            "reset_after",
            "dropout",
            "gate_bias",
            "threshold",
            "max_skip",
        )
        return {name: getattr(self, name) for name in names}


def learning_rate_factor(recipe: Recipe, progress: float) -> float:
    """Factor on the learning rate after this share of the training."""
    if recipe.schedule == "constant":
        return 1.0
    if progress < _WARM_UP:
        return max(0.01, progress / _WARM_UP)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - _WARM_UP) / (1 - _WARM_UP))))
