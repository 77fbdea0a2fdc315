"""Whole streams from one state, the alarm threshold from the validation streams, results from the test streams."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from skiprnn import NetworkConfig, SkipNetwork
from skiprnn.data.types import EventStreams
from skiprnn.event_metric import EventMetric, EventScore, Updates
from skiprnn.events import EventDetector, EventRule
from skiprnn.recipe import Recipe
from skiprnn.training import Experiment, fit
from skiprnn.training.event_evaluation import EventTest, choose_threshold, run_streams
from skiprnn_export import read, unroll
from skiprnn_export.step import export
from support.events import METRIC, bumps, event_task


def network(**changes: Any) -> SkipNetwork:
    torch.manual_seed(0)
    config = NetworkConfig("made", "gru", 1, 8, 3, task="step_classification", gate_bias=-2.0, dropout=0.5)
    rule: dict[str, Any] = {"classes": ("none", "up", "down"), "events": EventRule("none", 0.5, 20)}
    return SkipNetwork(dataclasses.replace(config, **rule | changes)).train()


def test_streams_give_the_updates_that_each_gives_alone_at_once() -> None:
    """Longer than a chunk, of different lengths, with dropout in training."""
    made = network()
    streams = [bumps(seed, samples).x for seed, samples in ((0, 9000), (1, 50), (2, 4096))]
    found = run_streams(made, streams, Recipe())
    assert made.training
    made.eval()
    for ran, x in zip(found, streams, strict=True):
        with torch.no_grad():
            logits, gates, _ = made(torch.from_numpy(x).unsqueeze(0))
            y = made.activate(logits)
        t = torch.nonzero(gates[0]).flatten()
        assert ran.samples == len(x)
        assert ran.t.tolist() == t.tolist()
        np.testing.assert_allclose(ran.y, y[0, t].numpy(), atol=1e-6)


@pytest.mark.parametrize("schedule", ["uniform", "random"])
def test_a_fixed_schedule_is_that_of_the_whole_stream(schedule: str) -> None:
    recipe = Recipe(target_rate=0.03, schedule=schedule)  # type: ignore[arg-type]
    (ran,), (again,) = (run_streams(network(), [bumps(0, 9000).x], recipe) for _ in range(2))
    assert len(ran.t) == pytest.approx(270, rel=0.2)
    assert ran.t.tolist() == again.t.tolist()
    if schedule == "uniform":
        assert set(np.diff(ran.t)) == {33}


@pytest.mark.parametrize("carried", [1, 4])
def test_a_run_reports_the_alarms_of_the_test_streams(tmp_path: Path, carried: int) -> None:
    """… with the threshold that its config, its bundle and its results name."""
    task = event_task(carried=carried)
    results = fit(Experiment(task, task.recipe), tmp_path / "run", progress_bar=False)
    assert json.loads((tmp_path / "run" / "training.json").read_text()) == results
    assert results["metric"] == "f1"
    assert results["f1"] > 0.9
    assert "thresholds" not in results
    assert results["events"] == 13 + 10
    bundle = export(tmp_path / "run", tmp_path / "model.onnx").bundle
    rule = bundle.info.events
    assert (
        rule == read(tmp_path / "model.onnx").info.events == SkipNetwork.load(tmp_path / "run").config.events
    )
    assert rule is not None
    assert results["alarm_threshold"] == rule.threshold
    detector = EventDetector(rule, bundle.info.classes)
    streams = [bumps(5), bumps(6, 1500)]
    served = [unroll(bundle, stream.x) for stream in streams]
    updates = [Updates(len(stream.x), done.t, done.y) for stream, done in zip(streams, served, strict=True)]
    score = METRIC.score(detector, updates, streams)
    assert METRIC.results(score)["f1"] == pytest.approx(results["f1"])
    assert score.updates / score.samples == pytest.approx(results["update_rate"], rel=0.01)


def test_the_threshold_is_chosen_on_the_validation_streams_alone() -> None:
    made, streams = network(), EventStreams([bumps(4)], [bumps(5)], METRIC)
    choose_threshold(made, streams, Recipe())
    updates = run_streams(made, [bumps(4).x], Recipe())
    expected = METRIC.choose(EventRule("none", 0.5, 20), made.config.classes, updates, [bumps(4)])
    assert made.config.events == expected
    assert EventTest.of(made, streams, Recipe()).results()["alarm_threshold"] == expected.threshold


def test_the_report_has_figures_of_every_class_and_stream() -> None:
    """Their counts add up to those of the whole."""
    streams = EventStreams([], [bumps(5), bumps(6, 1500)], METRIC)
    made = network(events=EventRule("none", 0.3, 20))
    test = EventTest.of(made, streams, Recipe(target_rate=0.5, schedule="uniform"))
    report = test.report()
    assert [row["name"] for row in report["outputs"]] == ["up", "down"]
    assert [row["name"] for row in report["groups"]] == ["bumps 5", "bumps 6"]
    for rows in (report["outputs"], report["groups"]):
        for name in ("events", "false_alarms"):
            assert sum(row[name] for row in rows) == report["alarms"][name]
    assert report["recordings"] == {"count": 2, "f1": report["alarms"]["f1"]}
    assert report["update_rate"]["mean"] == pytest.approx(0.5)


class Alarms(EventMetric):
    """A metric of one's own."""

    @property
    def name(self) -> str:
        return "alarms"

    def results(self, score: EventScore) -> dict[str, Any]:
        return {"alarms": score.detected + score.false_alarms}


def test_another_metric_sees_whole_streams_too(tmp_path: Path) -> None:
    task = event_task(metric=Alarms(before=0, after=20))
    results = fit(Experiment(task, task.recipe.changed({"epochs": 1})), tmp_path, progress_bar=False)
    assert results["metric"] == "alarms"
    assert isinstance(results["alarms"], int)


def test_a_network_without_an_alarm_rule_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected a network with an alarm rule, got none"):
        EventTest.of(
            SkipNetwork(NetworkConfig("made", "gru", 1, 8, 3)), EventStreams([], [bumps(4)], METRIC), Recipe()
        )
