"""SkipNetwork: one step equals the unroll, raw units in and out, saved and loaded without pickle."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from skiprnn import Feature, NetworkConfig, SkipNetwork
from skiprnn.events import EventRule
from support.networks import small_network

CONFIG = NetworkConfig(
    name="made",
    cell="lstm",
    input_size=3,
    hidden_size=5,
    output_size=2,
    features=(Feature("x", "g"), Feature("y", "g"), Feature("z", "g")),
    classes=("rest", "walk"),
    sample_rate=50.0,
)


def make(**changes: object) -> SkipNetwork:
    torch.manual_seed(0)
    network = SkipNetwork(dataclasses.replace(CONFIG, **changes)).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        network.rnn.gate.bias.fill_(-0.5)
        network.input_mean.copy_(torch.tensor([1.0, -2.0, 0.5]))
        network.input_std.copy_(torch.tensor([2.0, 0.5, 1.0]))
    return network


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_one_packed_step_after_another_equals_the_unroll(cell: str, reset_after: bool, layers: int) -> None:
    network = make(cell=cell, num_layers=layers, reset_after=reset_after)
    x = torch.randn(1, 25, 3)
    with torch.no_grad():
        logits, gates, final = network(x, every_step=True)
        state = network.initial_state().unsqueeze(0)
        for t in gates[0].nonzero().flatten().tolist():
            state, _, y = network.step(x[:, t], state)
            torch.testing.assert_close(y, network.activate(logits[:, t]))
    assert state.shape == (1, network.config.state_size)
    torch.testing.assert_close(state[0, : network.config.hidden_size], final.h[0, 0])


def test_clients_send_raw_units() -> None:
    network, x = make(), torch.randn(2, 9, 3)
    raw = network(x)
    normalised = make()
    normalised.input_mean.zero_()
    normalised.input_std.fill_(1)
    assert torch.equal(raw.logits, normalised((x - network.input_mean) / network.input_std).logits)


def test_a_regression_answers_in_raw_units() -> None:
    network = make(task="sequence_regression", classes=())
    network.output_mean.fill_(10)
    network.output_std.fill_(4)
    x, state = torch.randn(1, 3), network.initial_state().unsqueeze(0)
    new_state, _, y = network.step(x, state)
    torch.testing.assert_close(y, network.readout(new_state[:, :5]) * 4 + 10)


def test_classes_are_probabilities_and_labels_are_each_one() -> None:
    x, state = torch.randn(4, 3), make().initial_state().expand(4, -1)
    torch.testing.assert_close(make().step(x, state)[2].sum(1), torch.ones(4))
    several = make(multi_label=True).step(x, state)[2]
    assert ((several > 0) & (several < 1)).all()
    assert (several.sum(1) - 1).abs().min() > 1e-3


def test_logits_come_for_the_last_real_sample_or_for_every_one() -> None:
    network, x, lengths = make(), torch.randn(2, 9, 3), torch.tensor([9, 4])
    last = network(x, lengths).logits
    every = network(x, lengths, every_step=True).logits
    assert every.shape == (2, 9, 2)
    torch.testing.assert_close(last, torch.stack([every[0, 8], every[1, 3]]))
    assert make(task="step_classification")(x).logits.shape == (2, 9, 2)


def test_it_is_saved_and_loaded_as_it_was(tmp_path: Path) -> None:
    network, x = make(cell="gru"), torch.randn(2, 9, 3)
    network.save(tmp_path / "run")
    loaded = SkipNetwork.load(tmp_path / "run")
    assert loaded.config == network.config
    assert torch.equal(loaded(x).logits, network(x).logits)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "config.json",
        "network.safetensors",
    ]


def test_its_event_rule_is_saved_with_it(tmp_path: Path) -> None:
    rule = EventRule("none", 0.3, 150)
    make(classes=("none", "fall"), events=rule).save(tmp_path)
    assert SkipNetwork.load(tmp_path).config.events == rule


def test_what_is_not_a_network_raises_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        SkipNetwork.load(tmp_path)
    make().save(tmp_path)
    (tmp_path / "network.safetensors").write_bytes(b"\x00" * 10)
    with pytest.raises(ValueError, match="not the weights"):
        SkipNetwork.load(tmp_path)
    make().save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"hidden_size": 6}))
    with pytest.raises(ValueError, match="not the weights"):
        SkipNetwork.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config | {"cell": "elman"}))
    with pytest.raises(ValueError, match="cell: expected one of"):
        SkipNetwork.load(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="not a network config"):
        SkipNetwork.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 0}, "hidden_size: expected at least 1"),
        ({"features": (Feature("x"),)}, "features: expected 3"),
        ({"classes": ("one",)}, "classes: expected 2"),
        ({"task": "guess"}, "task: expected one of"),
        ({"events": EventRule("none", 0.5, 1)}, "events.background: expected one of two classes or more"),
    ],
)
def test_a_config_that_contradicts_itself_raises_an_error(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**changes)


def test_a_value_a_sample_is_answered_in_raw_units_at_every_sample() -> None:
    network = make(
        task="step_regression", classes=(), targets=(Feature("speed", "m/s"), Feature("load", "kg"))
    )
    network.output_mean.copy_(torch.tensor([10.0, -3.0]))
    network.output_std.copy_(torch.tensor([4.0, 0.5]))
    x = torch.randn(1, 25, 3)
    with torch.no_grad():
        logits, gates, _ = network(x)
        assert logits.shape == (1, 25, 2)
        state = network.initial_state().unsqueeze(0)
        for t in gates[0].nonzero().flatten().tolist():
            state, _, y = network.step(x[:, t], state)
            torch.testing.assert_close(y, logits[:, t] * network.output_std + network.output_mean)


def test_names_and_units_of_values_are_saved(tmp_path: Path) -> None:
    targets = (Feature("speed", "m/s"), Feature("load"))
    make(task="sequence_regression", classes=(), targets=targets).save(tmp_path)
    assert SkipNetwork.load(tmp_path).config.targets == targets


def test_outputs_are_named_by_classes_by_targets_or_by_their_places() -> None:
    values = small_network(task="sequence_regression", targets=(Feature("p", "W"), Feature("q")))
    assert values.config.output_names == ("p [W]", "q")
    assert small_network(classes=("a", "b")).config.output_names == ("a", "b")
    assert small_network().config.output_names == ("y0", "y1")


def test_a_network_of_an_earlier_release_has_no_targets(tmp_path: Path) -> None:
    make().save(tmp_path)
    fields = json.loads((tmp_path / "config.json").read_text())
    del fields["targets"]
    (tmp_path / "config.json").write_text(json.dumps(fields))
    assert SkipNetwork.load(tmp_path).config == CONFIG


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"task": "step_regression", "targets": (Feature("speed"),)},
            r"targets: expected 2 \(output_size\), got 1",
        ),
        (
            {"targets": (Feature("speed"), Feature("load"))},
            "targets: expected none with sequence_classification, got 2",
        ),
        (
            {"task": "step_regression", "multi_label": True},
            "multi_label: expected a classification, got 'step_regression'",
        ),
    ],
)
def test_targets_that_do_not_fit_the_task_are_rejected(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**({"classes": ()} | changes))


def trained_torch(kind: str, x: Tensor) -> tuple[nn.LSTM | nn.GRU, nn.Module, Tensor]:
    """A torch network, its readout, and what they give for raw samples after every one."""
    rnn = (nn.LSTM if kind == "lstm" else nn.GRU)(3, 6, 2, batch_first=True)
    readout = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
    with torch.no_grad():
        return rnn, readout, readout(rnn((x - 100) / 3)[0])


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_from_torch_gives_the_outputs_of_the_trained_network(kind: str, tmp_path: Path) -> None:
    x = 100 + 3 * torch.randn(4, 30, 3)
    rnn, readout, expected = trained_torch(kind, x)
    made = SkipNetwork.from_torch(
        rnn, readout, name="mine", input_mean=[100] * 3, input_std=np.full(3, 3), classes=tuple("abcd")
    )
    made.save(str(tmp_path / "made"))
    for network in (made, SkipNetwork.load(str(tmp_path / "made"))):
        logits, gates, _ = network(x, every_step=True)
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
        assert gates.min() == 1
        torch.testing.assert_close(network(x).logits, expected[:, -1], atol=1e-5, rtol=1e-5)
    assert made.config.classes == ("a", "b", "c", "d")


def test_from_torch_takes_the_scale_of_a_regressions_outputs() -> None:
    x = 100 + 3 * torch.randn(4, 30, 3)
    rnn, readout, expected = trained_torch("gru", x)
    made = SkipNetwork.from_torch(
        rnn,
        readout,
        name="mine",
        task="sequence_regression",
        input_mean=[100] * 3,
        input_std=[3] * 3,
        output_mean=[1, 2, 3, 4],
        output_std=[5] * 4,
    )
    raw = made.activate(made(x).logits)
    torch.testing.assert_close(raw, expected[:, -1] * 5 + torch.tensor([1.0, 2, 3, 4]), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_mean": [1, 2]}, "input_mean: expected 3 finite numbers"),
        ({"input_std": [1, 0, 1]}, "input_std: expected 3 finite positive numbers"),
        ({"classes": ("a",)}, r"classes: expected 4 \(output_size\)"),
        ({"readout": nn.Linear(5, 4)}, r"readout: expected 6 inputs \(hidden_size\), got 5"),
        ({"rnn": nn.GRU(3, 6, bidirectional=True)}, "one-directional"),
        ({"rnn": nn.RNN(3, 6)}, "expected one of"),
    ],
    ids=["mean", "std", "classes", "readout", "bidirectional", "rnn"],
)
def test_from_torch_rejects_what_has_no_counterpart(changes: dict[str, Any], message: str) -> None:
    parts: dict[str, Any] = {"rnn": nn.GRU(3, 6), "readout": nn.Linear(6, 4), "name": "mine"} | changes
    with pytest.raises(ValueError, match=message):
        SkipNetwork.from_torch(**parts)
