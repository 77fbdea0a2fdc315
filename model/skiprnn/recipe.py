"""Recipe: every number of a training run, in one frozen dataclass. A task has two: ours and the paper's."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from skiprnn.constant_gate import period_of
from skiprnn.gate_limits import DEFAULT_MAX_SKIP, check_gate
from skiprnn.lazy import lazy_names, warn_renamed
from skiprnn.network import Cell

Schedule = Literal["uniform", "random"]
LearningRateSchedule = Literal["constant", "cosine"]
Keep = Literal["last", "best"]

RENAMED = {  # old field → new field; the old ones will be removed in the next release
    "gate_scale": "gate_init_scale",
    "clock_start": "init_as_periodic",
    "budget": "lambda_",
    "rate": "target_rate",
    "cadence": "schedule",
}

REMOVED = {  # field → why an old value of it cannot be taken, and what to give in its place
    "rate_weight": "rate_penalty, the weight of ((r − μ)/μ)²: a weight of (r − μ)² times target_rate²",
    "dual_step_size": "rate_dual_step, the step for (r − μ)/μ: a step for r − μ times target_rate²",
    "rate_gain": "rate_dual_step, the step for (r − μ)/μ: a step for r − μ times target_rate²",
}

_SMALL_RATE = 0.1  # a target rate below it begins at a multiple of it
_START = 5
_START_RAMP = 0.6
_LARGEST_DELTA_U = 0.9  # of a gate that begins as a schedule: it has to learn from there

_WARM_UP = 0.1  # share of the training, under the cosine schedule
_TYPES = {int: "a whole number", float: "a number", bool: "true or false"}
_RANGES: tuple[tuple[tuple[str, ...], str, Callable[[Any], bool]], ...] = (
    (("hidden_size", "num_layers", "epochs", "batch_size", "patience"), "at least 1", lambda n: n >= 1),
    (
        ("learning_rate", "gate_learning_rate", "clip", "clip_ratio", "rate_penalty"),
        "a positive number",
        lambda x: x > 0,
    ),
    (("gate_init_scale", "weight_decay", "rate_dual_step"), "≥ 0", lambda x: x >= 0),
    (("dropout", "label_smoothing"), "a number in [0, 1)", lambda x: 0 <= x < 1),
)
_CHOICES = {
    "cell": get_args(Cell),
    "learning_rate_schedule": get_args(LearningRateSchedule),
    "keep": get_args(Keep),
}
_T = TypeVar("_T")


def _is_of(value: object, kind: type) -> bool:
    if isinstance(value, bool) or kind is bool:
        return kind is bool and isinstance(value, bool)
    return isinstance(value, Integral) or (kind is float and isinstance(value, Real) and math.isfinite(value))


def renamed_fields(fields: Mapping[str, Any]) -> dict[str, str]:
    """Old name → new name of those fields that have an old one. `schedule` was the learning rate's."""
    renamed = {old: new for old, new in RENAMED.items() if old in fields}
    if fields.get("schedule") in get_args(LearningRateSchedule):
        renamed["schedule"] = "learning_rate_schedule"
    return renamed


def with_current_names(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The same fields, old names replaced by new ones; a field that has both keeps the value of its new name."""
    renamed = renamed_fields(fields)
    moved = {new: fields[old] for old, new in renamed.items()}
    return moved | {name: value for name, value in fields.items() if name not in renamed}


def _warned(fields: Mapping[str, Any]) -> dict[str, Any]:
    for old in REMOVED.keys() & fields.keys():
        raise ValueError(f"{old}: expected {REMOVED[old]}; got {old}={fields[old]!r}")
    for old, new in renamed_fields(fields).items():
        warn_renamed(f"Recipe.{old}", f"Recipe.{new}", stacklevel=4)
    return with_current_names(fields)


def _with_old_names(cls: type[_T]) -> type[_T]:
    """Takes and gives the fields by their old names too, with a DeprecationWarning."""
    init = cls.__init__

    @functools.wraps(init)
    def __init__(self: _T, *values: Any, **fields: Any) -> None:  # noqa: N807
        init(self, *values, **_warned(fields))

    def __getattr__(self: _T, name: str) -> Any:  # noqa: N807
        if name not in RENAMED:
            raise AttributeError(f"{cls.__name__!r} object has no attribute {name!r}")
        warn_renamed(f"{cls.__name__}.{name}", f"{cls.__name__}.{RENAMED[name]}")
        return getattr(self, RENAMED[name])

    cls.__init__ = __init__  # type: ignore[assignment]
    cls.__getattr__ = __getattr__  # type: ignore[attr-defined]
    return cls


@_with_old_names
@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to train. The defaults are the paper's, where it has one.

    Attributes:
        gate_bias: initial bias of the gate, the paper's is 1.
        gate_init_scale: factor on the gate's random initial weights. At 0 the gate begins with its bias alone: it
            updates at every n-th sample, whatever the input.
        threshold: ũ at which the gate opens, in [0.5, 1] (eq. 6).
        max_skip: the longest run of skipped samples, 1 to 16,383.
        learning_rate: of Adam; `gate_learning_rate` is the gate's, as a multiple of it.
        clip: largest global norm of the gradient. `clip_ratio` limits the norms of the gate's gradient and of the
            others', each to that multiple of its own usual norm, as well.
        learning_rate_schedule: constant, or cosine: up over the first tenth, then down to 0.
        every_step: train the readout after every sample of a per-sequence task, not only after the last.
        lambda_: λ, the cost of one update (eq. 11).
        target_rate: μ, the update rate to reach, in (0, 1], in place of λ. The loss gets rate_penalty · e² + m · e for
            the relative error e = (r − μ)/μ of the update rate r; the Lagrange multiplier m changes by
            rate_dual_step · e a step. One setting of both serves rates from 0.5 to 90 %.
        start_rate: begin with a gate that updates at every 1/start_rate-th sample, whatever the input, in place of
            gate_bias and random gate weights. None: below a target rate of 10 % it is five times the target rate,
            unless gate_bias with a gate_init_scale of 0 begins lower; else gate_bias and gate_init_scale say how.
        ramp: share of the training over which λ grows from 0, or μ goes from `first_rate`, to its value. 0: at
            once, but over 0.6 of it from a start_rate.
        init_as_periodic: the same as a start_rate of target_rate.
        calibrate_rate: after the training, shift the gate's bias so that the update rate on the training data is the
            target rate (training/calibration.py).
        schedule: a baseline without a learned gate: updates at `target_rate`, at random, or uniform, at every n-th
            sample for the whole n whose 1/n is nearest to `target_rate`.
        keep: the network of the last epoch, or of the best one by the validation objective.
        patience: epochs without a better objective before training ends; None trains all of them.

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
    gate_init_scale: float = 1.0
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
    learning_rate_schedule: LearningRateSchedule = "constant"
    # the objective
    every_step: bool = False
    label_smoothing: float = 0.0
    lambda_: float = 0.0
    target_rate: float | None = None
    rate_penalty: float = 0.1
    rate_dual_step: float = 0.002
    start_rate: float | None = None
    ramp: float = 0.0
    init_as_periodic: bool = False
    calibrate_rate: bool = True
    schedule: Schedule | None = None
    # which network is saved
    keep: Keep = "best"
    patience: int | None = None

    def __post_init__(self) -> None:
        self._check_types()
        check_gate(self.threshold, self.max_skip)
        for names, expected, holds in _RANGES:
            for name in names:
                value = getattr(self, name)
                if value is not None and not holds(value):
                    raise ValueError(f"{name}: expected {expected}, got {value!r}")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}: expected one of {choices}, got {getattr(self, name)!r}")
        self._check_objective()

    def _check_types(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            value, (kind, *optional) = getattr(self, name), get_args(hint) or (hint,)
            if kind in _TYPES and not (_is_of(value, kind) or (optional and value is None)):
                raise ValueError(f"{name}: expected {_TYPES[kind]}, got {value!r}")

    def _check_objective(self) -> None:
        for name in ("target_rate", "start_rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise ValueError(f"{name}: expected a share of the samples in (0, 1], got {value!r}")
        if self.lambda_ < 0 or not 0 <= self.ramp <= 1:
            raise ValueError(
                f"lambda_, ramp: expected ≥ 0 and within [0, 1], got {self.lambda_!r}, {self.ramp!r}"
            )
        if self.init_as_periodic and self.target_rate is None:
            raise ValueError("init_as_periodic: expected a target_rate with it, got None")
        if self.init_as_periodic and self.start_rate is not None:
            raise ValueError("init_as_periodic and start_rate: expected one of them, got both")
        if self.lambda_ and self.target_rate is not None:
            raise ValueError("lambda_ and target_rate: expected one of them, got both")
        if self.schedule is not None and (
            self.schedule not in get_args(Schedule) or self.target_rate is None
        ):
            raise ValueError(
                f"schedule: expected one of {get_args(Schedule)} with a target_rate, got {self.schedule!r}"
            )
        if self.period is not None and self.period > self.max_skip + 1:
            raise ValueError(
                f"target_rate: expected 1/{self.max_skip + 1} at least, for max_skip is {self.max_skip}, "
                f"got {self.target_rate!r}"
            )

    def changed(self, changes: Mapping[str, Any]) -> "Recipe":
        """This recipe with other values.

        Raises:
            ValueError: a name that is no field, or a value out of range.
        """
        changes = _warned(changes)
        known = {field.name for field in dataclasses.fields(self)}
        if unknown := sorted(set(changes) - known):
            raise ValueError(f"recipe: expected names among {sorted(known)}, got {unknown}")
        return dataclasses.replace(self, **changes)

    @property
    def period(self) -> int | None:
        """Of the gate that a schedule is served with: it updates at every n-th sample. None: the gate is learned."""
        return None if self.schedule is None or self.target_rate is None else period_of(self.target_rate)

    @property
    def uniform_start(self) -> float | None:
        """Update rate of the schedule as which the gate begins; None: gate_bias and gate_init_scale say how."""
        if self.init_as_periodic or self.start_rate is not None:
            return self.target_rate if self.init_as_periodic else self.start_rate
        if self.target_rate is None or self.target_rate >= _SMALL_RATE:
            return None
        usual, own = _START * self.target_rate, self._rate_of(self.gate_bias)
        return None if self.gate_init_scale == 0 and own <= usual else usual

    @property
    def start_bias(self) -> float:
        """The gate's bias before it learns."""
        if self.uniform_start is None:
            return self.gate_bias
        samples = max(1, round(1 / self.uniform_start))
        delta_u = min(self.threshold / (samples - 0.5), _LARGEST_DELTA_U)  # half-way between n and n − 1
        return math.log(delta_u / (1 - delta_u))

    @property
    def first_rate(self) -> float:
        """Update rate of the gate before it learns; 1 where its weights are random."""
        if self.uniform_start is None and self.gate_init_scale > 0:
            return 1.0
        return self._rate_of(self.start_bias)

    def _rate_of(self, bias: float) -> float:
        """Update rate of a gate that is its bias alone: Δũ = σ(bias)."""
        return 1 / min(math.ceil(self.threshold * (1 + math.exp(-bias))), self.max_skip + 1)

    @property
    def ramp_share(self) -> float:
        """The ramp, or its default."""
        begins_elsewhere = self.uniform_start is not None and not self.init_as_periodic
        return self.ramp or (_START_RAMP if begins_elsewhere else 0.0)

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
    if recipe.learning_rate_schedule == "constant":
        return 1.0
    if progress < _WARM_UP:
        return max(0.01, progress / _WARM_UP)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - _WARM_UP) / (1 - _WARM_UP))))


__getattr__ = lazy_names(__name__, renamed={"Cadence": f"{__name__}.Schedule"})
