"""Training: it learns, repeats itself, resumes to the same bits, and says when the gate collapsed."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from skiprnn import SkipNetwork
from skiprnn.training import build, fit
from skiprnn.training.baselines import cadence_gates
from skiprnn.training.evaluation import evaluate
from skiprnn.training.run_folder import RunFolder
from support.training import short_plan


def train(out: Path, *, resume: bool = False, **changes: Any) -> dict[str, Any]:
    return fit(short_plan(**changes), out, resume=resume, progress_bar=False)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return SkipNetwork.load(run).state_dict()


def same_weights(run: Path, other: Path) -> bool:
    pairs = zip(weights(run).values(), weights(other).values(), strict=True)
    return all(torch.equal(one, another) for one, another in pairs)


def test_it_learns_what_it_is_shown(tmp_path: Path) -> None:
    figures = train(tmp_path / "run", epochs=4)
    assert figures["accuracy"] > 0.95
    assert figures["solved"] is True
    assert figures["warning"] is None


def test_the_figures_are_those_of_the_saved_network(tmp_path: Path) -> None:
    figures = train(tmp_path)
    plan = short_plan()
    judged = evaluate(SkipNetwork.load(tmp_path), plan.load().test, plan.task.metric, plan.recipe)
    assert figures["accuracy"] == pytest.approx(judged.metric)
    assert figures["update_rate"] == pytest.approx(judged.rate)
    assert json.loads((tmp_path / "training.json").read_text()) == figures


def test_a_run_repeats_itself_and_another_seed_does_not(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        train(tmp_path / name, seed=seed, dropout=0.2, epochs=1)
    assert same_weights(tmp_path / "one", tmp_path / "same")
    assert not same_weights(tmp_path / "one", tmp_path / "other")


def test_a_resumed_run_ends_as_one_that_was_never_interrupted(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"dropout": 0.2, "clip_ratio": 0.5}
    train(tmp_path / "whole", epochs=3, **changes)
    train(tmp_path / "halted", epochs=1, **changes)
    train(tmp_path / "halted", epochs=3, resume=True, **changes)
    assert same_weights(tmp_path / "whole", tmp_path / "halted")
    history = RunFolder(tmp_path / "halted").read_history()
    assert history == RunFolder(tmp_path / "whole").read_history()
    assert [line["epoch"] for line in history] == [0, 1, 2]


def test_an_interruption_while_the_history_is_written_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path)
    folder.log({"epoch": 0})
    write = Path.write_text

    def cut_short(path: Path, text: str, **options: Any) -> int:
        write(path, text[:-3], **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", cut_short)
    with pytest.raises(KeyboardInterrupt):
        folder.log({"epoch": 1})
    assert folder.read_history() == [{"epoch": 0}]


def test_a_finished_run_resumes_to_itself(tmp_path: Path) -> None:
    first = train(tmp_path)
    again = train(tmp_path, resume=True)
    assert first == again


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    train(tmp_path, epochs=1)
    with pytest.raises(FileExistsError, match="--resume"):
        train(tmp_path, epochs=1)


def test_a_run_is_not_resumed_as_another_one(tmp_path: Path) -> None:
    train(tmp_path, epochs=1)
    with pytest.raises(ValueError, match=r"hidden_size: was 8, now 9; seed: was 0, now 1"):
        train(tmp_path, epochs=1, hidden_size=9, seed=1, resume=True)


def test_the_best_network_is_kept_where_the_recipe_says_so(tmp_path: Path) -> None:
    # A learning rate that spoils what the first epoch learned.
    train(tmp_path, keep="best", epochs=2, learning_rate=0.2)
    history = RunFolder(tmp_path).read_history()
    best = min(history, key=lambda line: line["objective"])
    plan = short_plan()
    judged = evaluate(SkipNetwork.load(tmp_path), plan.load().validation, plan.task.metric, plan.recipe)
    assert judged.loss == pytest.approx(best["loss"])
    assert best["epoch"] < history[-1]["epoch"]


def test_it_stops_when_nothing_gets_better(tmp_path: Path) -> None:
    figures = train(tmp_path, epochs=9, patience=1, learning_rate=1e-12)
    assert figures["epochs"] < 9


def test_a_target_rate_is_met_within_three_points(tmp_path: Path) -> None:
    figures = train(tmp_path, epochs=8, rate=0.4, ramp=0.5)
    assert figures["update_rate"] == pytest.approx(0.4, abs=0.03)
    assert figures["accuracy"] > 0.95


def test_a_price_makes_it_read_less(tmp_path: Path) -> None:
    free, dear = (train(tmp_path / str(price), epochs=3, budget=price) for price in (0.0, 0.05))
    assert dear["updates"] < free["updates"]


@pytest.mark.parametrize("cadence", ["uniform", "random"])
def test_a_baseline_reads_at_its_rate(tmp_path: Path, cadence: str) -> None:
    figures = train(tmp_path, cadence=cadence, rate=0.5, epochs=1)
    assert figures["update_rate"] == pytest.approx(0.5, abs=0.06)  # the first sample is always read
    assert "thresholds" not in figures


def test_collapse_is_reported_with_a_remedy_and_ends_the_run(tmp_path: Path) -> None:
    figures = train(tmp_path, budget=100.0, epochs=20)
    assert figures["epochs"] < 20
    assert "collapsed" in figures["warning"]
    assert "--ramp" in figures["warning"]


def test_a_gate_that_reads_everything_is_reported(tmp_path: Path) -> None:
    figures = train(tmp_path, budget=1e-9, gate_bias=5.0, epochs=1)
    assert "reads everything" in figures["warning"]


def test_a_higher_threshold_reads_less_without_training(tmp_path: Path) -> None:
    judged = train(tmp_path)["thresholds"]
    assert judged[0]["threshold"] == 0.5
    assert judged[-1]["update_rate"] < judged[0]["update_rate"]


def test_a_warm_start_begins_where_another_run_ended(tmp_path: Path) -> None:
    train(tmp_path / "cold")
    train(tmp_path / "warm", warm_start=tmp_path / "cold", learning_rate=1e-12, epochs=1)
    for one, other in zip(
        weights(tmp_path / "cold").values(), weights(tmp_path / "warm").values(), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="expected a network of the recipe's shape"):
        train(tmp_path / "larger", warm_start=tmp_path / "cold", hidden_size=9)


def test_an_option_that_the_task_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected options among \['unused'\], got \['fold'\]"):
        train(tmp_path, options={"fold": 1})
    assert not list(tmp_path.iterdir())


def test_only_the_gate_moves_faster_with_its_own_learning_rate(tmp_path: Path) -> None:
    train(tmp_path / "slow", epochs=1, learning_rate=1e-9)
    train(tmp_path / "gate", epochs=1, learning_rate=1e-9, gate_learning_rate=1e6)
    slow, gate = weights(tmp_path / "slow"), weights(tmp_path / "gate")
    moved = {name for name in slow if not torch.allclose(slow[name], gate[name], atol=1e-5)}
    assert moved == {"rnn.gate.weight", "rnn.gate.bias"}


def test_a_gate_starts_as_a_clock_where_the_recipe_says_so() -> None:
    for n in (1, 2, 5, 9):
        plan = short_plan(rate=1 / n, clock_start=True)
        network = build(plan, plan.load())
        gates = network(torch.randn(3, 40, 2)).gates
        assert torch.equal(gates, cadence_gates("uniform", 1 / n + 1e-6, 3, 40))


def test_a_gate_of_no_scale_starts_as_a_clock_of_its_bias() -> None:
    plan = short_plan(gate_scale=0.0, gate_bias=-1.0)  # σ(−1) = 0.27: every second sample
    gates = build(plan, plan.load())(torch.randn(3, 40, 2)).gates
    assert torch.equal(gates, cadence_gates("uniform", 1 / 2, 3, 40))
