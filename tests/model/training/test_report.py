"""The report of a run: its figures by hand, and what it says about too little data."""

from pathlib import Path
from typing import Any

import pytest
import torch

from skiprnn import NetworkConfig, SkipNetwork
from skiprnn.data.types import Batch, Data, HeldOut
from skiprnn.metrics import Metric, accuracy, r_squared
from skiprnn.training.report import report_of
from skiprnn.training.run_folder import RunFolder
from support.training import short_experiment, train


def network() -> SkipNetwork:
    """Untrained, the same at every call."""
    torch.manual_seed(0)
    return SkipNetwork(NetworkConfig("made", "gru", 2, 8, 2, classes=("no", "yes"), gate_bias=-1.0)).eval()


def held_out(groups: str, *, samples: int = 12) -> list[HeldOut]:
    generator = torch.Generator().manual_seed(0)
    return [
        HeldOut(
            f"{number}.csv",
            group,
            Batch(torch.randn(1, samples + number, 2, generator=generator), torch.tensor([number % 2])),
        )
        for number, group in enumerate(groups)
    ]


def report(held: list[HeldOut], **changes: Any) -> dict[str, Any]:
    experiment = short_experiment(**changes)
    loaded = experiment.load()
    data = Data(loaded.network, loaded.epoch, 1, [one.batch for one in held], held_out=held, notes=["little"])
    return report_of(experiment, data, network(), {"accuracy": 0.25})


def test_figures_are_those_of_whole_recordings_and_of_each_group() -> None:
    made, held = network(), held_out("aabbb")
    right = [int(made(one.batch.x).logits.argmax()) == int(one.batch.y) for one in held]
    found = report(held)
    assert found["recordings"] == {"count": 5, "accuracy": sum(right) / 5}
    assert found["windows"] == {"accuracy": 0.25}
    assert [group["accuracy"] for group in found["groups"]] == pytest.approx(
        [sum(right[:2]) / 2, sum(right[2:]) / 3]
    )
    assert [sum(row) for row in found["confusion"]] == [3, 2]
    assert sum(found["confusion"][k][k] for k in range(2)) == sum(right)


def test_the_update_rate_is_told_of_every_recording() -> None:
    made, held = network(), held_out("abc")
    gates = [made(one.batch.x).gates.detach() for one in held]
    rates = sorted(float(one.mean()) for one in gates)
    found = report(held)["update_rate"]
    assert found["mean"] == pytest.approx(
        float(sum(one.sum() for one in gates)) / sum(one.numel() for one in gates)
    )
    assert [found["quartiles"][index] for index in (0, 2, 4)] == pytest.approx(rates)
    assert found["lowest"]["update_rate"] == pytest.approx(rates[0])
    assert found["highest"]["name"] in {one.name for one in held}


def test_how_much_the_groups_matter_is_said() -> None:
    alone = report(held_out("aaa"))["notes"]
    assert alone[:2] == ["little", "1 group is held out: nothing says how much accuracy moves with the split"]
    several = report(held_out("aabb"))
    low, high = sorted(group["accuracy"] for group in several["groups"])
    said = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
    assert several["notes"][-1].endswith(f"with one of them left out, accuracy is {said}")


@pytest.mark.parametrize(("changes", "said"), [({}, 0), ({"keep": "best"}, 1), ({"patience": 3}, 1)])
def test_a_network_that_was_selected_on_what_is_reported_is_said_to_be(
    changes: dict[str, Any], said: int
) -> None:
    notes = report(held_out("ab"), **changes)["notes"]
    assert sum("selected on the recordings that it is reported on" in note for note in notes) == said


def test_a_task_without_recordings_is_reported_on_its_test_sequences(tmp_path: Path) -> None:
    results = train(tmp_path / "run")
    found = RunFolder(tmp_path / "run").read_report()
    assert found["recordings"]["accuracy"] == pytest.approx(results["accuracy"])
    assert found["update_rate"]["mean"] == pytest.approx(results["update_rate"])
    assert sum(row["count"] for row in found["outputs"]) == found["recordings"]["count"] == 2000
    assert "windows" not in found


def test_a_run_without_a_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected a finished run with a report\.json, found none$"):
        RunFolder(tmp_path).read_report()


def test_the_metric_of_the_data_is_the_one_that_is_reported() -> None:
    held = held_out("ab")
    experiment = short_experiment()
    loaded = experiment.load()
    other = Metric("share", accuracy, is_share=True)
    data = Data(loaded.network, loaded.epoch, 1, [one.batch for one in held], held_out=held, metric=other)
    assert report_of(experiment, data, network(), {"share": 1.0})["metric"] == "share"


def values(*targets: tuple[float, float]) -> dict[str, Any]:
    """The report of a regression of recordings with these targets."""
    experiment = short_experiment()
    loaded = experiment.load()
    held = [
        HeldOut(f"{n}.csv", str(n), Batch(torch.randn(1, 9, 2), torch.tensor([target])))
        for n, target in enumerate(targets)
    ]
    data = Data(
        loaded.network,
        loaded.epoch,
        1,
        [one.batch for one in held],
        held_out=held,
        metric=Metric("r2", r_squared),
    )
    made = SkipNetwork(NetworkConfig("made", "gru", 2, 8, 2, task="sequence_regression")).eval()
    return report_of(experiment, data, made, {"r2": 0.5})


def test_a_target_that_never_changes_has_no_r_squared_and_is_said() -> None:
    constant = "is 7 wherever it is reported: R² cannot say"
    found = values((7.0, 7.0), (7.0, 7.0))
    assert (found["windows"], found["recordings"]["r2"]) == ({"r2": None}, None)
    assert [constant in note for note in found["notes"]] == [True, True, False]
    found = values((7.0, 1.0), (7.0, 2.0))
    assert found["windows"] == {"r2": 0.5}
    assert [note for note in found["notes"] if constant in note] == [
        f"the target 'y0' {constant} how well it is predicted; hold out recordings with other values"
    ]


def test_r_squared_of_one_recording_is_not_made_up() -> None:
    found = values((0.0, 1.0), (1.0, 1.0))
    assert [group["r2"] for group in found["groups"]] == [None, None]
    assert found["notes"][1:] == ["2 groups are held out: too few to say how much R² moves with the split"]
    assert [row["r2"] is None for row in found["outputs"]] == [False, True]
