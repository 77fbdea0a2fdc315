"""A trained network → a bundle: its update step as ONNX, compared with torch before anything is written."""

import contextlib
import copy
import dataclasses
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skiprnn.channels import Feature
from skiprnn.constant_gate import period_of
from skiprnn.gate_limits import gate_kind
from skiprnn.network import NetworkConfig, SkipNetwork
from skiprnn.paths import StrPath
from skiprnn_export.bundle import Bundle, BundleInfo, pack, save
from skiprnn_export.parity import Parity, compare

OPSET = 20
FACTS = "training.json"  # what training writes beside the network,
SEQUENCES = "parity.npz"  # and real sequences, one array [T, F] each

_RANDOM_SEQUENCES, _RANDOM_SAMPLES = 8, 1000


class ExportError(RuntimeError):
    """ONNX does not do what the network does; no file was written."""


@dataclasses.dataclass(frozen=True)
class Report:
    """The bundle that was written, its parity with torch, and on how many sequences that was measured."""

    bundle: Bundle
    parity: Parity
    real_sequences: int
    random_sequences: int


def export(
    run: StrPath | SkipNetwork, out: StrPath, *, samples: Sequence[NDArray[np.float32]] | None = None
) -> Report:
    """Write the network of a training run as a bundle, once it is equal to torch.

    Args:
        run: a directory with network.safetensors and config.json; facts are taken from its training.json, real
            sequences from its parity.npz, where these exist. Or a network.
        out: the .onnx file, written atomically; its folder is created.
        samples: real sequences, [T, F] each in raw units, in place of parity.npz.

    Raises:
        FileNotFoundError, ValueError: `run` holds no network, or one that no bundle can describe.
        OSError: `out` cannot be written.
        ExportError: ONNX and torch differ by more than rounding.
    """
    trained = _of_network(run) if isinstance(run, SkipNetwork) else _of_run(Path(run))
    network, out = trained.network, Path(out)
    bundle = pack(export_step(network), describe(network, trained.facts), source=trained.source)
    real = list(trained.sequences if samples is None else samples)
    _check_sequences(real, network.config.input_size)
    random = _random_sequences(network)
    parity = compare(network, bundle, [*real, *random])
    if not parity.passed:
        raise ExportError(f"{trained.source}: expected ONNX to equal torch within rounding, got {parity}")
    out.parent.mkdir(parents=True, exist_ok=True)
    save(out, bundle)
    return Report(bundle, parity, len(real), len(random))


class _Trained(NamedTuple):
    network: SkipNetwork
    facts: Mapping[str, Any]
    sequences: Sequence[NDArray[np.float32]]
    source: str


def _of_run(run: Path) -> _Trained:
    network = SkipNetwork.load(run)
    facts = _of_served_gate(network, _facts(run / FACTS))
    return _Trained(network, facts, _real_sequences(run / SEQUENCES), str(run))


def _of_network(network: SkipNetwork) -> _Trained:
    """The caller's network stays where it is, and in training if it is."""
    return _Trained(copy.deepcopy(network).cpu().float().eval(), {}, (), network.config.name)


def _check_sequences(sequences: Sequence[NDArray[np.float32]], features: int) -> None:
    for index, x in enumerate(sequences):
        if x.ndim != 2 or x.shape[1] != features or not len(x) or not np.isfinite(x).all():
            got = (
                "values that are not finite"
                if x.ndim == 2 and x.shape[1] == features and len(x)
                else str(x.shape)
            )
            raise ValueError(
                f"samples: expected finite sequences [T, {features}], got {got} in sequence {index}"
            )


def export_step(network: SkipNetwork) -> onnx.ModelProto:
    """`network.step` as an ONNX model with a free batch dimension; names and shapes as in docs/reference/bundle.md."""
    config = network.config
    example = (torch.zeros(2, config.input_size), torch.zeros(2, config.state_size))
    rows = {0: torch.export.Dim("batch", min=1)}
    with _quiet_exporter():
        program = torch.onnx.export(
            _Step(network).eval(),
            example,
            input_names=["x", "state"],
            output_names=["new_state", "update_prob", "y"],
            dynamic_shapes=(rows, rows),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise ExportError("torch.onnx.export: expected a program, got None")
    return _bare(program.model_proto)


class _Step(nn.Module):
    """The exporter takes a module with a forward, not a method.

    A constant gate's Δũ becomes a constant of the graph: ONNX Runtime's sigmoid is not exact enough for long periods.
    """

    def __init__(self, network: SkipNetwork) -> None:
        super().__init__()
        self.network = network
        self._delta_u = (
            None if network.config.period is None else float(torch.sigmoid(network.rnn.gate.bias.detach()))
        )

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        new_state, delta_u, y = self.network.step(x, state)
        return new_state, delta_u if self._delta_u is None else 0 * delta_u + self._delta_u, y


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Without the exporter's warnings about itself, on which no user can act."""
    logger = logging.getLogger("torch.onnx")  # "torchvision is not installed"
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".*isinstance\(treespec, LeafSpec\)", FutureWarning)
            # x and state share one batch dimension on purpose.
            warnings.filterwarnings("ignore", r"# The axis name: batch will not be used", UserWarning)
            yield
    finally:
        logger.setLevel(level)


def _bare(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the exporter's notes: they name files of this machine and outweigh a small network.

    The IR version is the oldest that has the opset: older runtimes load the file, with the same results.
    """
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
    for node in graph.node:
        node.ClearField("doc_string")
    graph.ClearField("value_info")
    model.ir_version = onnx.helper.find_min_ir_version_for(model.opset_import)
    return model


def describe(network: SkipNetwork, facts: Mapping[str, Any]) -> BundleInfo:
    """The description of a network for its bundle; `facts` of its training are for people to read."""
    config = network.config
    return BundleInfo(
        name=config.name,
        cell=config.cell,
        layers=config.num_layers,
        hidden=config.hidden_size,
        features=features_of(config),
        outputs=config.output_size,
        classes=config.classes,
        targets=tuple(Feature(target.name, target.unit) for target in config.targets),
        task=config.task,
        multi_label=config.multi_label,
        threshold=config.threshold,
        max_skip=config.max_skip,
        period=config.period,
        initial_state=network.initial_state().numpy(),
        sample_rate=config.sample_rate,
        events=config.events,
        training=facts,
    )


def features_of(config: NetworkConfig) -> tuple[Feature, ...]:
    """The channels of a network, in order; without names they are x0, x1, …"""
    return config.features or tuple(Feature(f"x{index}") for index in range(config.input_size))


def _facts(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    facts = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(facts, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(facts).__name__}")
    return facts


def _of_served_gate(network: SkipNetwork, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Facts of a fixed schedule, with the figures of the gate that is served where training has them.

    Runs of earlier releases have an untrained gate, which becomes the constant one of their rate.
    """
    schedule = facts.get("schedule") or facts.get("cadence")
    if not schedule:
        return facts
    if network.config.period is None:
        network.update_every(period_of(facts.get("target_rate") or facts["rate_target"]))
    if schedule == "uniform" and "period" not in facts:
        return {**facts, "measured_with": "uniform schedule of an earlier release"}
    if "served" not in facts:
        return {
            **facts,
            "measured_with": schedule if schedule == "random" else gate_kind(network.config.period),
        }
    served = {name: value for name, value in facts.items() if name != "served"} | facts["served"]
    trained = {name: facts[name] for name in facts["served"]}
    return {**served, "measured_with": gate_kind(network.config.period), "on_random_schedule": trained}


def _real_sequences(path: Path) -> list[NDArray[np.float32]]:
    if not path.is_file():
        return []
    with np.load(path, allow_pickle=False) as archive:
        return [np.asarray(archive[name], np.float32) for name in archive.files]


def _random_sequences(network: SkipNetwork) -> list[NDArray[np.float32]]:
    """Noise on the scale of the training data; the same at every export."""
    shape = (_RANDOM_SEQUENCES, _RANDOM_SAMPLES, network.config.input_size)
    noise = np.random.default_rng(0).standard_normal(shape)
    scaled = noise * network.input_std.numpy() + network.input_mean.numpy()
    return list(scaled.astype(np.float32))
