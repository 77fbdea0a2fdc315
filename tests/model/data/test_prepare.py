"""Recordings and targets → training data: honest parts, windows with their targets, and what is too little."""

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng

from skiprnn import Feature
from skiprnn.data.prepare import Division, divided, identities, long_enough, prepare
from skiprnn.data.targets import TargetKind, decode
from skiprnn.data.types import Data, Signal
from support.labelled import Made, made

BY_GROUP = Division("group", 0.3, seed=0, divide=False)


def recordings_of_classes(samples: int = 40, count: int = 8) -> list[Made]:
    return [made(n, f"p{n // 2}", y=["ab"[n % 2]] * samples) for n in range(count)]


def prepared(
    recordings: list[Made],
    *,
    columns: tuple[str, ...] = ("y",),
    kind: TargetKind = TargetKind.AUTO,
    how: Division = BY_GROUP,
    window: int = 16,
    ignore_missing: bool = False,
) -> Data:
    targets = decode(recordings, columns, kind, ignore_missing=ignore_missing)
    parts = divided(recordings, targets, how)
    return prepare(
        recordings,
        targets,
        parts,
        {"input_size": 1},
        window=window,
        joined=0.5,
        batch_size=4,
        by_time=how.split == "time",
    )


def test_whole_held_out_recordings_come_with_their_names_and_groups() -> None:
    data = prepared(recordings_of_classes())
    assert {held.group for held in data.held_out} == {"p2", "p3"} or len(
        {h.group for h in data.held_out}
    ) == 2
    assert [len(held.batch.x) for held in data.held_out] == [1] * 4
    assert all(held.batch.x.shape == (1, 40, 1) and held.batch.y.shape == (1,) for held in data.held_out)
    assert data.parts == {
        "trained on": {"recordings": 4, "groups": 2, "samples": 160},
        "held out": {"recordings": 4, "groups": 2, "samples": 160},
    }
    assert data.notes == [
        "'a' has 2 held-out recordings, 'b' has 2 held-out recordings: figures of so few are rough"
    ]


def test_a_recipe_that_selects_does_so_by_other_groups_than_those_reported() -> None:
    data = prepared(recordings_of_classes(count=12), how=Division("group", 0.5, seed=0, divide=True))
    assert data.test
    assert set(data.parts) == {"trained on", "selected by", "held out"}
    assert sum(part["groups"] for part in data.parts.values()) == 6


def test_by_time_windows_of_the_test_do_not_overlap_those_of_the_training() -> None:
    """The samples count up: every one says where it is from."""
    recordings = [Made({"y": ["ab"[n % 2]] * 100}, f"{n}.csv", "one") for n in range(2)]
    targets = decode(recordings, ("y",), TargetKind.AUTO, ignore_missing=False)
    parts = divided(recordings, targets, Division("time", 0.25, seed=0, divide=False))
    assert [(one.start, one.stop) for one in parts.train] == [(0, 75)] * 2
    assert [(one.start, one.stop) for one in parts.test] == [(75, 100)] * 2
    data = prepared(recordings, how=Division("time", 0.25, seed=0, divide=False), window=32)
    assert data.validation[0].x.shape[1] == 25, "what is held out is shorter than the window"
    assert next(data.epoch(default_rng(0))).x.shape[1] == 32
    assert "the figures say nothing of new people or machines" in data.notes[-1]


def test_a_column_says_the_part_of_every_recording() -> None:
    recordings = [
        made(n, y=["ab"[n % 2]] * 40, part=[part] * 40)
        for n, part in enumerate(["train"] * 4 + ["validation"] * 2 + ["test"] * 2)
    ]
    data = prepared(recordings, how=Division("part", 0.3, seed=0, divide=False))
    assert [held.name for held in data.held_out] == ["6.csv", "7.csv"]
    assert {name: part["recordings"] for name, part in data.parts.items()} == {
        "trained on": 4,
        "selected by": 2,
        "held out": 2,
    }


def test_a_recording_in_two_parts_is_named() -> None:
    recordings = [made(0, y=["a", "b"], part=["train", "test"])]
    with pytest.raises(
        ValueError, match=r"0.csv: expected the same part in every row of 'part', got 'test' and 'train'"
    ):
        prepared(recordings, how=Division("part", 0.3, seed=0, divide=False))


@pytest.mark.parametrize(
    ("split", "way_out"),
    [
        ("group", "try another --seed"),
        ("time", "split by group"),
        ("part", "change the parts in the column 'part'"),
    ],
)
def test_a_class_that_is_in_one_part_alone_is_named_with_the_way_out(split: str, way_out: str) -> None:
    recordings = [
        made(n, y=[label] * 30 + ["c"] * 10, part=[part] * 40)
        for n, (label, part) in enumerate([("a", "train"), ("c", "train"), ("c", "test")])
    ]
    with pytest.raises(ValueError, match=rf"expected every class in the training part.*\['a'\].*{way_out}"):
        prepared(recordings, how=Division(split, 0.25, seed=0, divide=False))


def test_a_class_that_no_held_out_window_holds_is_named() -> None:
    recordings = [made(n, y=["b"] * 41 + ["a"] * 6) for n in range(4)]
    with pytest.raises(ValueError, match=r"got none of \['a'\]; try a smaller window"):
        prepared(recordings)


def test_channels_that_may_be_labels_are_said() -> None:
    features = [Feature("ax", "g"), Feature("fault")]
    recordings = [FlagToo(one.columns, one.name, one.group) for one in recordings_of_classes()]
    targets = decode(recordings, ("y",), TargetKind.AUTO, ignore_missing=False)
    parts = divided(recordings, targets, BY_GROUP)
    network = {"input_size": 2, "features": features}
    data = prepare(recordings, targets, parts, network, window=16, joined=0.5, batch_size=4)
    assert data.notes[0].startswith("of the channels, fault hold 0 and 1 alone: if they are labels")


class FlagToo(Made):
    """With a second channel of 0 and 1."""

    @property
    def x(self) -> Signal:
        signal = super().x
        return np.concatenate([signal, (signal > 0).astype(np.float32)], axis=1)


def test_values_keep_their_size_and_speed() -> None:
    """With another gain or tempo, the value that is to be predicted would be another."""
    recordings = [made(n, y=[str(n + 0.5)] * 40) for n in range(4)]
    data = prepared(recordings, kind=TargetKind.REGRESSION)
    batches = list(data.epoch(default_rng(0)))
    x = np.concatenate([batch.x.numpy() for batch in batches])[..., 0]
    assert abs(x).max() <= 1 + 1e-5, "no larger"
    before, now, after = x[:, 0], x[:, 1], x[:, 2]  # sin(t): within the first of two joined recordings
    np.testing.assert_allclose(before + after, 2 * np.cos(1) * now, atol=1e-4, err_msg="no faster")
    batch = batches[0]
    assert batch.y.shape == (4, 16, 1)
    assert data.metric is not None
    assert data.metric.name == "r2"
    assert data.target_mean is not None
    assert data.validation[0].y.shape[1:] == (1,)


def test_samples_without_a_label_do_not_count_in_any_window() -> None:
    cells = ["a"] * 10 + [""] * 10 + ["b"] * 20
    recordings = [made(n, y=cells) for n in range(4)]
    data = prepared(recordings, ignore_missing=True)
    for batch in (*data.validation, data.held_out[0].batch):
        assert batch.weights is not None
    whole = data.held_out[0].batch
    assert whole.weights is not None
    assert whole.weights[0].tolist() == [1] * 10 + [0] * 10 + [1] * 20


def test_recordings_without_any_label_are_not_trained_on() -> None:
    recordings = [*recordings_of_classes(), made(8, "p0", y=[""] * 40), made(9, "p1", y=[""] * 40)]
    data = prepared(recordings, ignore_missing=True)
    assert len(data.held_out) == 4
    batch = next(data.epoch(default_rng(0)))
    assert batch.weights is not None
    assert (batch.weights[:, -1] == 1).all()


@given(st.lists(st.integers(2, 400), min_size=1, max_size=20), st.integers(2, 300))
def test_what_is_left_out_is_shorter_than_half_of_the_usual(lengths: list[int], window: int) -> None:
    chosen = long_enough([made(n, y=["a"] * length) for n, length in enumerate(lengths)], window)
    usual = min(window, int(np.median(lengths)))
    assert [n for n, length in enumerate(lengths) if 2 * length >= usual] == chosen


def test_recordings_are_noted_with_their_part_and_digest(tmp_path: Path) -> None:
    for name in ("a", "side"):
        (tmp_path / name).write_text(name)
    paths = [tmp_path / "a", tmp_path / "side"]
    recordings = [Made({"y": ["ab"[n % 2]] * 100}, f"{n}.csv", f"{n}", paths) for n in range(4)]
    targets = decode(recordings, ("y",), TargetKind.AUTO, ignore_missing=False)
    by_group = identities(recordings, divided(recordings, targets, BY_GROUP))
    by_time = identities(
        recordings, divided(recordings, targets, Division("time", 0.3, seed=0, divide=False))
    )
    assert set(by_group) == {"0.csv", "1.csv", "2.csv", "3.csv", "side"}
    assert {said.rpartition(" ")[0] for name, said in by_group.items() if name != "side"} == {
        "trained on",
        "held out",
    }
    assert by_time["0.csv"].startswith("trained on, held out ")
    assert by_group["side"].startswith("side table ")


def test_the_summary_says_how_many_are_held_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="skiprnn"):
        prepared(recordings_of_classes())
    assert "4 recordings to train on, 4 held out; windows of 16 samples" in caplog.text
