"""SkipNetwork: normalise → Skip RNN → readout, with one config for all that a server needs.

Glossary: B batch, T time, F features (input_size), H hidden, L layers, K outputs (output_size),
S packed state: layer 0 h, (layer 0 c,) layer 1 h, … = L·H (GRU) or 2·L·H (LSTM).

A network directory holds `network.safetensors` and `config.json`; nothing is pickled.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, get_args

import numpy as np
import safetensors.torch
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from skiprnn.channels import Feature
from skiprnn.constant_gate import check_period, set_constant_gate
from skiprnn.events import EventRule
from skiprnn.gate_limits import DEFAULT_MAX_SKIP, check_gate
from skiprnn.paths import StrPath
from skiprnn.readout import (
    Activation,
    check_readout,
    input_size_of,
    load_readout,
    make_readout,
    output_size_of,
    shape_of,
)
from skiprnn.skip_rnn import SkipGRU, SkipLSTM, SkipState

Cell = Literal["lstm", "gru"]
Task = Literal["sequence_classification", "step_classification", "sequence_regression", "step_regression"]

_WEIGHTS, _CONFIG = "network.safetensors", "config.json"


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """All of a network but its weights.

    Raises:
        ValueError: fields that contradict each other; the message names them.
    """

    name: str
    cell: Cell
    input_size: int
    hidden_size: int
    output_size: int
    num_layers: int = 1
    task: Task = "sequence_classification"
    multi_label: bool = False
    reset_after: bool = True
    threshold: float = 0.5
    max_skip: int = DEFAULT_MAX_SKIP
    dropout: float = 0.0  # before the readout, in training alone
    gate_bias: float = 1.0  # the paper's start: updates at nearly every sample until it learns better
    features: tuple[Feature, ...] = ()
    classes: tuple[str, ...] = ()
    targets: tuple[Feature, ...] = ()  # of a regression: name and unit of each output
    sample_rate: float | None = None  # Hz
    events: EventRule | None = None  # of a network whose classes are events; None: its outputs give no alarms
    readout_hidden: tuple[int, ...] = ()  # widths of the readout's hidden layers; none: it is linear
    readout_activation: Activation = "relu"
    # Of a constant gate, which updates at every period-th sample; None: the gate is learned.
    period: int | None = None

    def __post_init__(self) -> None:
        check_gate(self.threshold, self.max_skip)
        check_readout(self.readout_hidden, self.readout_activation)
        if self.period is not None:
            check_period(self.period, self.max_skip)
        if self.cell not in get_args(Cell):
            raise ValueError(f"cell: expected one of {get_args(Cell)}, got {self.cell!r}")
        if self.task not in get_args(Task):
            raise ValueError(f"task: expected one of {get_args(Task)}, got {self.task!r}")
        for field in ("input_size", "hidden_size", "output_size", "num_layers"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field}: expected at least 1, got {getattr(self, field)!r}")
        if self.features and len(self.features) != self.input_size:
            raise ValueError(f"features: expected {self.input_size} (input_size), got {len(self.features)}")
        if self.classes and len(self.classes) != self.output_size:
            raise ValueError(f"classes: expected {self.output_size} (output_size), got {len(self.classes)}")
        if self.targets and (len(self.targets) != self.output_size or not self.is_regression):
            expected = f"{self.output_size} (output_size)" if self.is_regression else f"none with {self.task}"
            raise ValueError(f"targets: expected {expected}, got {len(self.targets)}")
        if self.multi_label and self.is_regression:
            raise ValueError(f"multi_label: expected a classification, got {self.task!r}")
        if self.events is not None:
            self.events.check(self.classes)

    @property
    def is_regression(self) -> bool:
        """Outputs are values in raw units, not probabilities."""
        return self.task.endswith("regression")

    @property
    def is_per_step(self) -> bool:
        """Every sample has an answer of its own, not only the sequence."""
        return self.task.startswith("step")

    @property
    def is_one_class(self) -> bool:
        """Targets are numbers of classes; else they are vectors [K]: values, or labels of which any may hold."""
        return not (self.is_regression or self.multi_label)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the K outputs: its classes, its targets with their units, or y0, y1, …"""
        named = self.classes or tuple(map(str, self.targets))
        return named or tuple(f"y{index}" for index in range(self.output_size))

    @property
    def state_size(self) -> int:
        """S, the width of the packed state."""
        return self.num_layers * self.hidden_size * (2 if self.cell == "lstm" else 1)


class NetworkOutput(NamedTuple):
    """The result for a batch: logits [B, K] (or [B, T, K]), gates [B, T], final state."""

    logits: Tensor
    gates: Tensor
    state: SkipState


class SkipNetwork(nn.Module):
    """Normalise → Skip RNN → readout, linear or a small MLP.

    `input_mean`, `input_std` [F] and, for regression, `output_mean`, `output_std` [K] are buffers: they are saved
    with the weights, so that clients send and get raw units.
    """

    input_mean: Tensor
    input_std: Tensor
    output_mean: Tensor
    output_std: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.rnn = _skip_rnn(config)
        nn.init.constant_(self.rnn.gate.bias, config.gate_bias)
        self.dropout = nn.Dropout(config.dropout)
        self.readout = make_readout(
            config.hidden_size, config.readout_hidden, config.readout_activation, config.output_size
        )
        for name, size in (("input", config.input_size), ("output", config.output_size)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_std", torch.ones(size))

    def forward(
        self,
        x: Tensor,
        lengths: Tensor | None = None,
        *,
        state: SkipState | None = None,
        forced_gates: Tensor | None = None,
        every_step: bool = False,
    ) -> NetworkOutput:
        """Run over whole sequences.

        Args:
            x: [B, T, F], raw units.
            lengths: [B], samples of each padded sequence.
            state: what an earlier call returned, to continue from it.
            forced_gates: [B, T] of 0 and 1, a fixed schedule in place of the learned gate.
            every_step: give the readout after every sample also for a per-sequence task.

        Returns:
            logits [B, K] after the last sample, or [B, T, K]; gates [B, T]; the final state. Logits of a
            regression are in normalised units: `denormalise` gives raw ones.
        """
        normalised = (x - self.input_mean) / self.input_std
        output, final, gates = self.rnn(normalised, state, lengths, forced_gates=forced_gates)  # (B, T, H)
        if not every_step and not self.config.is_per_step:
            output = final.h[-1]  # (B, H): held since each sequence's last sample
        return NetworkOutput(self.readout(self.dropout(output)), gates, final)

    def denormalise(self, logits: Tensor) -> Tensor:
        """Regression: normalised outputs [..., K] → raw units."""
        return logits * self.output_std + self.output_mean

    def activate(self, logits: Tensor) -> Tensor:
        """Logits [..., K] → what clients get: probabilities, or raw units of a regression."""
        if self.config.is_regression:
            return self.denormalise(logits)
        return torch.sigmoid(logits) if self.config.multi_label else torch.softmax(logits, dim=-1)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """ONE update step, branch-free: what is exported and served.

        Args:
            x: [B, F], raw units.  state: [B, S], packed.

        Returns:
            new state [B, S], update probability Δũ [B], y [B, K] (see `activate`).
        """
        h, c = self._unpack(state)
        new = self.rnn.candidates((x - self.input_mean) / self.input_std, h, c)
        parts = [new.h] if new.c is None else [new.h, new.c]
        packed = torch.stack(parts, dim=1).permute(2, 0, 1, 3).flatten(1)  # (L, 1|2, B, H) → (B, S)
        return packed, new.delta_u, self.activate(self.readout(new.h[-1]))

    def _unpack(self, state: Tensor) -> tuple[Tensor, Tensor | None]:
        layers = state.reshape(
            state.shape[0], self.config.num_layers, -1, self.config.hidden_size
        )  # (B, L, 1|2, H)
        h = layers[:, :, 0].transpose(0, 1)  # (L, B, H)
        return h, layers[:, :, 1].transpose(0, 1) if self.config.cell == "lstm" else None

    def update_every(self, period: int) -> None:
        """Replace the gate, in place, by one that updates at every `period`-th sample: 1 is a plain LSTM or GRU.

        Raises:
            ValueError: period is not in [1, max_skip + 1].
        """
        config = self.config
        set_constant_gate(self.rnn.gate, period, threshold=config.threshold, max_skip=config.max_skip)
        self.config = dataclasses.replace(config, period=period)

    def initial_state(self) -> Tensor:
        """The learned initial state, packed: [S]."""
        start = self.rnn.initial_state(1)
        parts = [start.h] if start.c is None else [start.h, start.c]  # (L, 1, H) each
        return torch.stack(parts, dim=1).flatten().detach()

    @classmethod
    def from_torch(
        cls,
        rnn: nn.LSTM | nn.GRU,
        readout: nn.Module,
        *,
        name: str,
        input_mean: ArrayLike | None = None,
        input_std: ArrayLike | None = None,
        output_mean: ArrayLike | None = None,
        output_std: ArrayLike | None = None,
        **config: Any,
    ) -> Self:
        """A network that gives the outputs of a trained nn.LSTM or nn.GRU and its readout: its gate is always open.

        Fine-tune it to an update rate (docs/tutorials/your-trained-gru.md).

        Args:
            rnn: one-directional; its last layer's h is what the readout takes.
            readout: nn.Linear, or nn.Sequential of linear layers with one kind of activation between them (an MLP).
            input_mean, input_std: [F], what is subtracted from raw samples, and what they are divided by.
            output_mean, output_std: [K], of a regression: outputs are multiplied and shifted back.
            config: other fields of NetworkConfig: task, classes, features, sample_rate, threshold, …

        Raises:
            ValueError: a part that has no counterpart here; the message names it.
        """
        network = cls(NetworkConfig(name=name, **_sizes_of(rnn, readout) | config))
        network.rnn.load_torch(rnn)
        nn.init.zeros_(network.rnn.gate.weight)
        load_readout(network.readout, readout)
        network._set_scales(
            input_mean=input_mean, input_std=input_std, output_mean=output_mean, output_std=output_std
        )
        return network.eval()

    def _set_scales(self, **scales: ArrayLike | None) -> None:
        for buffer, values in scales.items():
            if values is not None:
                self.get_buffer(buffer).copy_(_scale(buffer, values, self.get_buffer(buffer)))

    def save(self, directory: StrPath) -> None:
        """Write `network.safetensors` and `config.json` into `directory`, made if it is missing."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        safetensors.torch.save_file(self.state_dict(), directory / _WEIGHTS)
        text = json.dumps(dataclasses.asdict(self.config), indent=2, ensure_ascii=False)
        (directory / _CONFIG).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: StrPath) -> "SkipNetwork":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: the directory holds no network.
            ValueError: the config is not one, or the weights are of another network.
        """
        directory = Path(directory)
        for name in (_CONFIG, _WEIGHTS):
            if not (directory / name).is_file():
                raise FileNotFoundError(f"{directory}: expected a network directory with {name}, found none")
        network = cls(_read_config(directory / _CONFIG))
        try:
            network.load_state_dict(safetensors.torch.load_file(directory / _WEIGHTS))
        except (RuntimeError, safetensors.SafetensorError) as error:
            raise ValueError(f"{directory / _WEIGHTS}: not the weights of {_CONFIG}: {error}") from error
        return network.eval()


def _skip_rnn(config: NetworkConfig) -> SkipLSTM | SkipGRU:
    sizes = (config.input_size, config.hidden_size, config.num_layers)
    if config.cell == "lstm":
        return SkipLSTM(*sizes, threshold=config.threshold, max_skip=config.max_skip)
    return SkipGRU(
        *sizes, threshold=config.threshold, max_skip=config.max_skip, reset_after=config.reset_after
    )


def _sizes_of(rnn: nn.LSTM | nn.GRU, readout: nn.Module) -> dict[str, Any]:
    """The fields of NetworkConfig that the two modules decide; `dropout` is the readout's."""
    shape = shape_of(readout)
    if input_size_of(readout) != rnn.hidden_size:
        raise ValueError(
            f"readout: expected {rnn.hidden_size} inputs (hidden_size), got {input_size_of(readout)}"
        )
    return {
        "cell": rnn.mode.lower(),
        "input_size": rnn.input_size,
        "hidden_size": rnn.hidden_size,
        "num_layers": rnn.num_layers,
        "output_size": output_size_of(readout),
        "readout_hidden": shape.hidden,
        "readout_activation": shape.activation,
        "dropout": shape.dropout,
    }


def _scale(name: str, values: ArrayLike, like: Tensor) -> Tensor:
    scale = torch.as_tensor(np.asarray(values, np.float64), dtype=like.dtype)
    if (
        scale.shape != like.shape
        or not scale.isfinite().all()
        or (name.endswith("_std") and not (scale > 0).all())
    ):
        kind = "positive numbers" if name.endswith("_std") else "numbers"
        raise ValueError(f"{name}: expected {len(like)} finite {kind}, got {values!r}")
    return scale


def _read_config(path: Path) -> NetworkConfig:
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        fields["features"] = tuple(Feature(**feature) for feature in fields["features"])
        fields["classes"] = tuple(fields["classes"])
        if fields.get("events") is not None:
            fields["events"] = EventRule(**fields["events"])
        fields["readout_hidden"] = tuple(fields.get("readout_hidden", ()))
        fields["targets"] = tuple(Feature(**target) for target in fields.get("targets", ()))
        return NetworkConfig(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a network config: {error}") from error
