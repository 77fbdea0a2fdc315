"""What to answer at every sample of a stream with events, and the chunks to train on."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.data.event_stream import EventStream
from skiprnn.data.events import EventChunks, EventTargets, LabelledStream
from skiprnn.data.types import Batch, ContinuedBatch, Signal
from skiprnn.tasks.task import Source
from support.events import bumps, event_task

TARGETS = EventTargets(before=2, delay=1, hold=3, after=5, weights=(1.0, 4.0, 8.0))


def stream(*events: tuple[int, int, int], samples: int = 20) -> EventStream:
    labels, starts, ends = (np.array(part, np.int64) for part in zip(*events, strict=True))
    return EventStream("ann", np.zeros((samples, 1), np.float32), labels, starts, ends)


@pytest.mark.parametrize(
    ("events", "y", "weights"),
    [
        ([(1, 6, 8)], "00000001111000000000", "11110004444001111111"),
        ([(1, 6, 7)], "00000001110000000000", "11110004440011111111"),  # an event without a length
        ([(1, 0, 1)], "01110000000000000000", "04440011111111111111"),  # at the beginning
        ([(2, 17, 20)], "00000000000000000022", "11111111111111100088"),  # at the end
        ([(1, 3, 4), (2, 8, 9)], "00001110022200000000", "10004440088800111111"),  # what is free for one…
    ],
)
def test_answers_around_an_event(events: list[tuple[int, int, int]], y: str, weights: str) -> None:
    answers, counts = TARGETS.of(stream(*events), background=0)
    assert "".join(map(str, answers)) == y
    assert "".join(str(int(count)) for count in counts) == weights


@given(
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 9),
    st.lists(st.tuples(st.integers(1, 2), st.integers(0, 79), st.integers(1, 20)), min_size=1, max_size=5),
)
def test_every_sample_near_an_event_is_its_class_or_free(
    before: int, delay: int, hold: int, after: int, drawn: list[tuple[int, int, int]]
) -> None:
    targets = EventTargets(before, delay, hold, after, weights=(1, 1, 1))
    events = sorted(((label, start, start + length) for label, start, length in drawn), key=lambda e: e[1])
    y, weights = targets.of(stream(*events, samples=120), background=0)
    for t in range(120):
        classes = {
            label for label, start, end in events if start + delay <= t < max(start + delay + 1, end + hold)
        }
        near = any(start - before <= t < end + after for _, start, end in events)
        assert (y[t] in classes) if classes else (y[t] == 0)
        assert weights[t] == (1 if classes or not near else 0)


def labelled(length: int) -> LabelledStream:
    """Samples that count up, so that they say where they come from."""
    x = np.arange(length, dtype=np.float32)[:, np.newaxis]
    return LabelledStream(x, np.arange(length), np.ones(length, np.float32))


def same(x: Signal, _: np.random.Generator) -> Signal:
    return x


def test_a_batch_continues_where_the_one_before_ended() -> None:
    chunks = EventChunks(length=10, carried=3, warm_up=4, batches=6)
    batches = list(chunks.epoch([labelled(500), labelled(90)], 5, same, np.random.default_rng(0)))
    assert [isinstance(batch, ContinuedBatch) for batch in batches] == [False, True, True] * 2
    for first in (0, 3):
        x = torch.cat([batch.x for batch in batches[first : first + 3]], dim=1)[..., 0]  # (B, 30)
        assert torch.equal(x, x[:, :1] + torch.arange(30))
    counted = torch.stack([batch.weights.sum(1) for batch in batches if batch.weights is not None])
    assert counted[:3].tolist() == [[6] * 5, [10] * 5, [10] * 5]  # the warm-up is that of the stretch


def test_random_windows_do_not_continue() -> None:
    chunks = EventChunks(length=10, warm_up=4, batches=3)
    batches = list(chunks.epoch([labelled(500)], 5, same, np.random.default_rng(0)))
    assert [type(batch) for batch in batches] == [Batch] * 3
    assert {batch.x.shape for batch in batches} == {(5, 10, 1)}


def test_the_repeated_end_of_a_short_stream_does_not_count() -> None:
    batch = next(iter(EventChunks(length=10).epoch([labelled(7)], 1, same, np.random.default_rng(0))))
    assert batch.x[0, :, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 6, 6, 6]
    assert batch.weights is not None
    assert batch.weights[0].tolist() == [1] * 7 + [0] * 3


def test_streams_are_drawn_by_their_length() -> None:
    long, short = labelled(10_000), labelled(10)
    long.y[:] = 7
    batch = next(iter(EventChunks(length=10).epoch([long, short], 200, same, np.random.default_rng(0))))
    assert (batch.y[:, 0] == 7).double().mean() > 0.95


def test_an_epoch_depends_on_the_generator_alone() -> None:
    task = event_task(carried=2)
    data = task.load(Source(None, task.recipe, 0, {}))
    first, again, other = (
        torch.cat([batch.x for batch in data.epoch(np.random.default_rng(seed))]) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_data_of_events() -> None:
    task = event_task(carried=3)
    data = task.load(Source(None, task.recipe, 0, {}))
    assert data.batches == len(list(data.epoch(np.random.default_rng(0)))) == 18
    assert data.network["task"] == "step_classification"
    assert data.parts["held out"] == {"recordings": 2, "events": 23, "samples": 3500}
    assert data.events is not None
    assert [part.name for part in (*data.events.validation, *data.events.test)] == [
        "bumps 4",
        "bumps 5",
        "bumps 6",
    ]
    assert {type(batch) for batch in data.validation} == {Batch}
    trained = np.concatenate([bumps(seed).x for seed in range(4)])
    assert data.mean is not None
    np.testing.assert_allclose(data.mean.numpy(), trained.mean(0), rtol=1e-5)


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ({"length": 1}, "window: expected 2 samples at least, got 1"),
        ({"length": 9, "carried": 0}, "carried: expected 1 to 50 chunks, got 0"),
        ({"length": 9, "carried": 51}, "carried: expected 1 to 50 chunks, got 51"),
    ],
)
def test_chunks_out_of_range_are_rejected(sizes: dict[str, int], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        EventChunks(**sizes)
