"""Export of trained networks: every kind equals torch, the file says what the run says, failures leave no file."""

import contextlib
import io
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from skiprnn import Feature, NetworkConfig, SkipNetwork
from skiprnn.events import EventRule
from skiprnn_export import Bundle, open_session, read, unroll
from skiprnn_export import Feature as BundleFeature
from skiprnn_export.step import ExportError, export, export_step
from support.bundles import random_sequence
from support.networks import small_network
from support.training import train

KINDS: dict[str, dict[str, Any]] = {
    "lstm": {"cell": "lstm", "classes": ("a", "b")},
    "stacked lstm, per step, multi-label": {
        "cell": "lstm",
        "num_layers": 2,
        "task": "step_classification",
        "multi_label": True,
    },
    "gru, regression": {"cell": "gru", "task": "sequence_regression", "threshold": 0.75, "max_skip": 31},
    "lstm, values a sample": {
        "cell": "lstm",
        "task": "step_regression",
        "targets": (Feature("speed", "m/s"), Feature("load")),
    },
    "gru, events": {"cell": "gru", "classes": ("none", "fall"), "events": EventRule("none", 0.3, 150)},
    "stacked gru as in the paper": {"cell": "gru", "num_layers": 3, "reset_after": False},
}


def network(**changes: Any) -> SkipNetwork:
    """With units: a step must normalise."""
    made = small_network(**changes)
    made.input_mean.copy_(torch.tensor([1.0, -2.0, 300.0]))
    made.input_std.copy_(torch.tensor([2.0, 0.1, 50.0]))
    if made.config.is_regression:
        made.output_std.fill_(20.0)
    return made


@pytest.fixture(scope="module", params=KINDS)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[SkipNetwork, Bundle]:
    run = tmp_path_factory.mktemp("run")
    made = network(**KINDS[request.param])
    made.save(run)
    report = export(run, run / "model.onnx")
    assert report.parity.passed
    assert report.parity.decisions > 100
    assert read(run / "model.onnx").sha256 == report.bundle.sha256
    return made, report.bundle


def raw(bundle: Bundle, samples: int) -> torch.Tensor:
    """[1, T, F] on the scale of the input."""
    return torch.tensor(random_sequence(bundle, samples)).unsqueeze(0) * torch.tensor([2, 0.1, 50])


def test_older_runtimes_load_the_file(exported: tuple[SkipNetwork, Bundle]) -> None:
    """onnxruntime 1.17 knows IR versions up to 9."""
    assert onnx.load_model_from_string(exported[1].model).ir_version == 9


def test_a_whole_sequence_gives_what_torch_gives(exported: tuple[SkipNetwork, Bundle]) -> None:
    made, bundle = exported
    x = raw(bundle, 60)
    with torch.no_grad():
        result = made(x, every_step=True)
        y = made.activate(result.logits)[0].numpy()
    done = unroll(bundle, x[0].numpy())
    assert np.array_equal(np.flatnonzero(result.gates[0].numpy()), done.t)
    np.testing.assert_allclose(done.y, y[done.t], atol=1e-5, rtol=1e-5)


def test_a_row_does_not_depend_on_its_batch(exported: tuple[SkipNetwork, Bundle]) -> None:
    _, bundle = exported
    x, session = raw(bundle, 37)[0].numpy(), open_session(bundle.model)
    state = np.random.default_rng(0).normal(size=(37, bundle.info.state_size)).astype(np.float32)
    together = session.run(None, {"x": x, "state": state})
    for row in range(37):
        alone = session.run(None, {"x": x[row : row + 1], "state": state[row : row + 1]})
        assert all(np.array_equal(a[0], b[row]) for a, b in zip(alone, together, strict=True))


def test_the_bundle_says_what_the_network_is(exported: tuple[SkipNetwork, Bundle]) -> None:
    config, info = exported[0].config, exported[1].info
    for field in (
        "name",
        "cell",
        "task",
        "threshold",
        "max_skip",
        "classes",
        "multi_label",
        "sample_rate",
        "events",
    ):
        assert getattr(info, field) == getattr(config, field)
    assert (info.layers, info.hidden, info.outputs) == (
        config.num_layers,
        config.hidden_size,
        config.output_size,
    )
    assert info.features == (BundleFeature("x0"), BundleFeature("x1"), BundleFeature("x2"))
    assert np.array_equal(info.initial_state, exported[0].initial_state().numpy())


def test_the_graph_is_plain(exported: tuple[SkipNetwork, Bundle]) -> None:
    model = onnx.load_model_from_string(exported[1].model)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 20)]
    assert [entry.key for entry in model.metadata_props] == ["skiprnn"]
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)


def test_no_path_of_this_machine_is_in_the_file(exported: tuple[SkipNetwork, Bundle]) -> None:
    for trace in (b"site-packages", str(Path(__file__).parents[2]).encode()):
        assert trace not in exported[1].model


def test_facts_names_and_real_sequences_come_from_the_run(tmp_path: Path) -> None:
    features = (Feature("ax", "g"), Feature("ay", "g"), Feature("az", "g"))
    network(features=features, sample_rate=50.0).save(tmp_path)
    (tmp_path / "training.json").write_text(json.dumps({"seed": 7, "update_rate": 0.25}))
    np.savez(tmp_path / "parity.npz", first=np.ones((40, 3)), second=np.zeros((9, 3), np.float32))
    report = export(tmp_path, tmp_path / "model.onnx")
    assert (report.real_sequences, report.random_sequences) == (2, 8)
    assert report.bundle.info.training == {"seed": 7, "update_rate": 0.25}
    assert report.bundle.info.features[0] == BundleFeature("ax", "g")
    assert report.bundle.info.sample_rate == 50.0
    given = export(tmp_path, tmp_path / "model.onnx", samples=[np.ones((5, 3), np.float32)])
    assert given.real_sequences == 1
    assert given.bundle.sha256 == report.bundle.sha256  # the same network gives the same file


def test_a_step_that_differs_is_an_error_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network().save(tmp_path)
    other = network()
    bias = other.get_parameter("readout.bias")
    torch.nn.init.constant_(bias, 0.5)
    torch.nn.init.zeros_(bias[:1])
    model = export_step(other)
    monkeypatch.setattr("skiprnn_export.step.export_step", lambda _: model)
    with pytest.raises(ExportError, match=r"expected ONNX to equal torch within rounding, got Parity\("):
        export(tmp_path, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_a_folder_without_a_network_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected a network directory"):
        export(tmp_path, tmp_path / "model.onnx")


def test_a_cap_that_no_server_could_tabulate_is_rejected(tmp_path: Path) -> None:
    network().save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"max_skip": 10**6}))
    with pytest.raises(ValueError, match=r"config\.json: .*max_skip: expected 1 to 16383"):
        export(tmp_path, tmp_path / "model.onnx")


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("period", [1, 2, 10, 1024])
def test_a_constant_gate_is_exported_and_keeps_its_period_exactly(
    tmp_path: Path, period: int, cell: str
) -> None:
    made = network(cell=cell)
    made.update_every(period)
    made.save(tmp_path)
    report = export(tmp_path, tmp_path / "model.onnx")
    x = raw(report.bundle, 2 * period + 3)[0].numpy()
    assert unroll(report.bundle, x).t.tolist() == list(range(0, len(x), period))
    assert report.parity.differing == 0
    assert read(tmp_path / "model.onnx").info.period == period


def test_a_period_is_exact_beyond_the_precision_of_the_runtimes_sigmoid(tmp_path: Path) -> None:
    made = network(max_skip=16_383)
    made.update_every(5000)
    made.save(tmp_path)
    bundle = export(tmp_path, tmp_path / "model.onnx").bundle
    assert unroll(bundle, raw(bundle, 10_001)[0].numpy()).t.tolist() == [0, 5000, 10_000]


def test_a_learned_gate_has_no_period(exported: tuple[SkipNetwork, Bundle]) -> None:
    info = exported[1].info
    assert (info.period, info.gate) == (None, "learned")
    assert "period" not in info.to_json()


def test_a_random_schedule_is_exported_with_the_figures_of_the_gate_that_is_served(tmp_path: Path) -> None:
    results = train(tmp_path, schedule="random", target_rate=0.3)
    facts = export(tmp_path, tmp_path / "model.onnx").bundle.info.training
    assert facts["measured_with"] == "uniform, every 3 samples"
    assert facts["accuracy"] == results["served"]["accuracy"]
    assert facts["update_rate"] == pytest.approx(1 / 3)
    assert facts["on_random_schedule"]["accuracy"] == results["accuracy"]
    assert "served" not in facts


@pytest.mark.parametrize(
    "rate", [{"schedule": "uniform", "target_rate": 0.4}, {"cadence": "uniform", "rate_target": 0.4}]
)
def test_a_baseline_of_an_earlier_release_gets_its_gate_when_it_is_exported(
    tmp_path: Path, rate: dict[str, Any]
) -> None:
    network().save(tmp_path)
    (tmp_path / "training.json").write_text(json.dumps({"accuracy": 0.9, **rate}))
    info = export(tmp_path, tmp_path / "model.onnx").bundle.info
    assert (info.period, info.gate) == (3, "uniform, every 3 samples")
    assert info.training["measured_with"] == "uniform schedule of an earlier release"


def test_folders_of_the_file_are_created_once_there_is_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        export(tmp_path, tmp_path / "new" / "model.onnx")
    assert not (tmp_path / "new").exists()
    network().save(tmp_path)
    report = export(tmp_path, tmp_path / "new" / "models" / "model.onnx")
    assert read(tmp_path / "new" / "models" / "model.onnx").sha256 == report.bundle.sha256


def test_facts_that_are_no_object_are_rejected(tmp_path: Path) -> None:
    network().save(tmp_path)
    (tmp_path / "training.json").write_text("[]")
    with pytest.raises(ValueError, match=r"training\.json: expected a JSON object, got list"):
        export(tmp_path, tmp_path / "model.onnx")


def test_the_exporter_says_nothing() -> None:
    said, logger = io.StringIO(), logging.getLogger("torch.onnx")
    level = logger.level
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        export_step(network())
    assert said.getvalue() == ""
    assert logger.level == level


def test_names_and_units_of_values_are_in_the_file(tmp_path: Path) -> None:
    network(task="step_regression", targets=(Feature("speed", "m/s"), Feature("load"))).save(tmp_path)
    info = export(tmp_path, tmp_path / "model.onnx").bundle.info
    assert info.targets == (BundleFeature("speed", "m/s"), BundleFeature("load"))
    assert info.output_names == ("speed [m/s]", "load")
    assert info.is_regression


def test_a_network_in_training_is_exported_and_left_as_it_is(tmp_path: Path) -> None:
    network = SkipNetwork(NetworkConfig("mine", "gru", 3, 5, 2, dropout=0.5, readout_hidden=(4, 3)))
    real = np.random.default_rng(0).standard_normal((2, 40, 3)).astype(np.float32)
    report = export(network, str(tmp_path / "mine.onnx"), samples=list(real))
    assert network.training
    assert (report.real_sequences, report.parity.differing) == (2, 0)
    assert read(str(tmp_path / "mine.onnx")).info.name == "mine"


def test_samples_that_do_not_fit_are_rejected(tmp_path: Path) -> None:
    network = SkipNetwork(NetworkConfig("mine", "gru", 3, 5, 2))
    for x, got in (
        (np.ones((4, 2)), r"got \(4, 2\)"),
        (np.full((4, 3), np.nan), "got values that are not finite"),
    ):
        with pytest.raises(ValueError, match=f"{got} in sequence 0"):
            export(network, tmp_path / "mine.onnx", samples=[x.astype(np.float32)])
