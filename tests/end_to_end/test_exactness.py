"""The trained watch bundle over real sockets: every stream's bits are those of the offline unroll, and torch agrees."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from skiprnn import NetworkConfig, SkipNetwork
from skiprnn_client import Update, stream, stream_sync
from skiprnn_export import Bundle, Unrolled, read, skip_table, unroll
from skiprnn_service.settings import SHIPPED_MODELS
from support.alarms import RULE, events_of, offline_events
from support.bundles import random_sequence, write_random_bundle
from support.servers import Running, serving

Samples = NDArray[np.float32]

CLIENTS = 12
RECORDING = SHIPPED_MODELS.parent / "page" / "exercise.csv"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return read(SHIPPED_MODELS / "watch.onnx")


@pytest.fixture(scope="module")
def recordings() -> list[Samples]:
    """The shipped recording from different starting points, as different people on different days."""
    recording = np.loadtxt(RECORDING, np.float32, delimiter=",", skiprows=1)
    rng = np.random.default_rng(0)
    rolled = [np.roll(recording, 97 * client, axis=0)[: 600 + 10 * client] for client in range(CLIENTS)]
    return [(x * rng.uniform(0.8, 1.2)).astype(np.float32) for x in rolled]


@pytest.fixture(scope="module", params=["fast", "asgi"])
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    with serving(SHIPPED_MODELS, websocket_impl=request.param) as running:
        yield running


def same(updates: list[Update], expected: Unrolled) -> bool:
    """Bit for bit: which samples were read, and what came out."""
    outputs = np.array([update.y for update in updates], np.float32)
    return [
        update.t for update in updates
    ] == expected.t.tolist() and outputs.tobytes() == expected.y.tobytes()


async def in_random_chunks(x: Samples, seed: int) -> AsyncIterator[Samples]:
    rng = np.random.default_rng(seed)
    start = 0
    while start < len(x):
        n = int(rng.choice([1, 2, 7, 64, 300]))
        yield x[start : start + n]
        start += n
        if rng.random() < 0.2:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("encoding", ["f32", "json"])
@pytest.mark.parametrize("wake", [True, False])
async def test_many_clients_at_once_each_get_the_bits_of_the_offline_unroll(
    server: Running, bundle: Bundle, recordings: list[Samples], encoding: Any, wake: bool
) -> None:
    """One sample at a time and in random chunks, with and without leaving out what will not be read."""

    async def client(number: int, x: Samples) -> list[Update]:
        one_by_one = number % 2
        samples = x if one_by_one else in_random_chunks(x, number)
        options = {"wake": wake, "encoding": encoding, "window": 1 + number % 5}
        return [update async for update in stream(server.url(), samples, **options)]

    done = await asyncio.gather(*[client(number, x) for number, x in enumerate(recordings)])
    for x, updates in zip(recordings, done, strict=True):
        assert same(updates, unroll(bundle, x))


@pytest.mark.parametrize("encoding", ["f32", "json"])
@pytest.mark.parametrize("wake", [True, False])
async def test_streams_with_missed_samples_get_the_bits_of_the_offline_unroll(
    server: Running, bundle: Bundle, recordings: list[Samples], encoding: Any, wake: bool
) -> None:
    rng = np.random.default_rng(1)
    masks = [rng.random(len(x)) < rng.choice([0.05, 0.5]) for x in recordings]

    async def client(number: int, x: Samples, missed: NDArray[np.bool_]) -> list[Update]:
        samples = [None if gone else sample for sample, gone in zip(x, missed, strict=True)]
        options = {"wake": wake, "encoding": encoding, "window": 1 + number % 5, "chunk": 1 + number % 3}
        return [update async for update in stream(server.url(), samples, **options)]

    done = await asyncio.gather(
        *[client(number, *given) for number, given in enumerate(zip(recordings, masks, strict=True))]
    )
    for x, missed, updates in zip(recordings, masks, done, strict=True):
        assert same(updates, unroll(bundle, x, missed=missed))


@pytest.mark.parametrize("encoding", ["f32", "json"])
async def test_the_events_of_many_clients_are_those_of_the_rule_over_the_offline_unroll(
    tmp_path: Path, encoding: Any
) -> None:
    """However their samples are divided into messages, and whatever else is in the batch."""
    bundle = write_random_bundle(tmp_path / "watch.onnx", features=3, outputs=4, **RULE)
    inputs = [random_sequence(bundle, 500 + 7 * client, seed=client) for client in range(CLIENTS)]

    async def client(url: str, number: int, x: Samples) -> list[Update]:
        samples = x if number % 2 else in_random_chunks(x, number)
        options = {"wake": number % 3 > 0, "encoding": encoding, "window": 1 + number % 5}
        return [update async for update in stream(url, samples, **options)]

    with serving(tmp_path) as server:
        done = await asyncio.gather(*[client(server.url(), number, x) for number, x in enumerate(inputs)])
    for x, updates in zip(inputs, done, strict=True):
        expected = unroll(bundle, x)
        assert same(updates, expected)
        assert events_of(updates) == offline_events(bundle, expected) != {}


def test_the_updates_that_the_server_counts_are_the_gates_that_opened(
    server: Running, bundle: Bundle, recordings: list[Samples]
) -> None:
    engine = server.state.models.get("watch").engine
    before, rows_before = engine.stats.updates, engine.stats.batch_size.total
    for x in recordings[:3]:
        list(stream_sync(server.url(), x))
    opened = sum(len(unroll(bundle, x).t) for x in recordings[:3])
    assert engine.stats.updates - before == opened
    assert engine.stats.batch_size.total - rows_before == opened, "skipped samples cause no inference"


def network_of(bundle: Bundle) -> SkipNetwork:
    """The torch network whose weights the bundle holds."""
    info = bundle.info
    config = NetworkConfig(
        name=info.name,
        cell="lstm" if info.cell == "lstm" else "gru",
        input_size=info.input_size,
        hidden_size=info.hidden,
        output_size=info.outputs,
        num_layers=info.layers,
        max_skip=info.max_skip,
    )
    network = SkipNetwork(config).eval()
    graph = onnx.load_model_from_string(bundle.model).graph
    weights = {tensor.name.removeprefix("network."): tensor for tensor in graph.initializer}
    own = network.state_dict()
    found = {name: torch.tensor(numpy_helper.to_array(weights[name])) for name in own if name in weights}
    start = info.initial_state.reshape(info.layers, -1, info.hidden).transpose(1, 0, 2)
    initial = {"rnn.h0": torch.tensor(start[0])} | (
        {"rnn.c0": torch.tensor(start[1])} if len(start) > 1 else {}
    )
    missing, unexpected = network.load_state_dict(found | initial, strict=False)
    assert not unexpected
    assert set(missing) <= {"output_mean", "output_std"}, missing  # of a regression alone
    return network


def test_torch_gives_the_same_outputs_and_opens_the_same_gates(
    server: Running, bundle: Bundle, recordings: list[Samples]
) -> None:
    """A decision may differ only where Δũ lies within rounding of a boundary of the skip table."""
    network, table = network_of(bundle), skip_table(bundle.info.threshold, bundle.info.max_skip)
    for x in recordings[:4]:
        updates = list(stream_sync(server.url(), x))
        expected = unroll(bundle, x)
        state = network.initial_state().unsqueeze(0)
        with torch.no_grad():
            for update, ours in zip(updates, expected.update_prob, strict=True):
                state, theirs, y = network.step(torch.tensor(x[update.t]).unsqueeze(0), state)
                np.testing.assert_allclose(update.y, y[0].numpy(), atol=1e-5)
                if table.one(float(theirs[0])) != table.one(float(ours)):
                    assert np.isclose(theirs[0].item(), ours, rtol=1e-5, atol=1e-6)
                    low, high = sorted((theirs[0].item(), float(ours)))
                    assert table.one(low) > table.one(high), "a boundary lies between the two"


def test_torch_unrolls_whole_sequences_to_the_same_gates(bundle: Bundle, recordings: list[Samples]) -> None:
    network = network_of(bundle)
    for x in recordings[:4]:
        expected = unroll(bundle, x)
        gates = np.zeros(len(x), np.float32)
        gates[expected.t] = 1
        with torch.no_grad():
            output = network(torch.tensor(x).unsqueeze(0), every_step=True)
        differing = np.flatnonzero(output.gates[0].numpy() != gates)
        agreed = len(x) if differing.size == 0 else int(differing[0])
        assert agreed > 0.5 * len(x), "a decision within rounding is rare"
        y = network.activate(output.logits[0]).numpy()
        read_before = expected.t[expected.t < agreed]
        np.testing.assert_allclose(y[read_before], expected.y[: len(read_before)], atol=1e-5)
