"""Live sequences by tritonclient: the bits of the websocket and of the offline unroll; and clients that err or die."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from skiprnn_client import ClientError, ConnectionRejected, connect, connect_sync
from skiprnn_export import Bundle, read, unroll
from skiprnn_service.oip.sequences import SequenceRequest
from support.bundles import random_sequence, write_random_bundle
from support.servers import Running, serving

Samples = NDArray[np.float32]

NO_START = r"must specify the START flag on the first request of the sequence"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_random_bundle(folder / "watch.onnx", hidden=16)
    (folder / "two").mkdir()
    for version in (1, 2):
        write_random_bundle(folder / "two" / f"{version}.onnx", seed=version)
    return folder


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Running]:
    with serving(models) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as found:
        yield found


@pytest.fixture
async def aio(server: Running) -> AsyncIterator[triton_aio.InferenceServerClient]:
    async with triton_aio.InferenceServerClient(f"127.0.0.1:{server.port}") as found:
        yield found


@pytest.fixture(scope="module")
def bundle(models: Path) -> Bundle:
    return read(models / "watch.onnx")


@pytest.fixture(scope="module")
def x(bundle: Bundle) -> Samples:
    return random_sequence(bundle, 300)


def tensor(samples: Samples, *, binary: bool = True) -> triton.InferInput:
    made = triton.InferInput("x", list(samples.shape), "FP32")
    return made.set_data_from_numpy(samples, binary_data=binary)


def flags(sequence: int | str, *, start: bool = False, end: bool = False) -> dict[str, Any]:
    return {"sequence_id": sequence, "sequence_start": start, "sequence_end": end}


def live(server: Running) -> tuple[int, int]:
    """Streams of the engine, sequences in the table."""
    return server.state.models.get("watch").engine.live, len(server.state.sequences)


@settings(max_examples=25)
@given(data=st.data(), binary=st.booleans())
def test_chunks_have_the_bits_of_the_offline_unroll(
    client: triton.InferenceServerClient, bundle: Bundle, x: Samples, data: st.DataObject, binary: bool
) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(x) - 1), max_size=8)))
    bounds = list(zip([0, *cuts], [*cuts, len(x)], strict=True))
    outputs = [
        triton.InferRequestedOutput(name, binary)
        for name in ("y_steps", "update_mask", "update_t", "wake", "y")
    ]
    results = [
        client.infer(
            "watch",
            [tensor(x[np.newaxis, a:b], binary=binary)],
            outputs=outputs,
            **flags(17, start=a == 0, end=b == len(x)),
        )
        for a, b in bounds
    ]
    wanted = unroll(bundle, x)
    held = wanted.y[np.searchsorted(wanted.t, np.arange(len(x)), "right") - 1]
    steps = np.concatenate([result.as_numpy("y_steps")[0] for result in results])
    np.testing.assert_array_equal(steps, held, strict=True)
    mask = np.concatenate([result.as_numpy("update_mask")[0] for result in results])
    np.testing.assert_array_equal(np.flatnonzero(mask), wanted.t)
    np.testing.assert_array_equal(np.concatenate([r.as_numpy("update_t") for r in results]), wanted.t)
    np.testing.assert_array_equal(results[-1].as_numpy("y"), wanted.y[-1:])
    assert results[-1].as_numpy("wake").tolist() == [wanted.wake]
    assert live_after_end(client)


def live_after_end(client: triton.InferenceServerClient) -> bool:
    with pytest.raises(InferenceServerException, match=NO_START):
        client.infer("watch", [tensor(np.zeros((1, 3), np.float32))], **flags(17))
    return True


@pytest.mark.parametrize("sequence", [1, 2**64 - 1, "sensor-7.b~_"])
def test_single_samples_by_number_or_name_have_the_bits_of_the_websocket(
    server: Running, client: triton.InferenceServerClient, x: Samples, sequence: int | str
) -> None:
    with connect_sync(server.url()) as connection:
        replies = [connection.send(sample) for sample in x[:60]]
        connection.end()
    held: list[Any] = []
    for reply in replies:
        held.append(reply.updates[-1].y if reply.updates else held[-1])
    got = [
        client.infer("watch", [tensor(x[i : i + 1])], **flags(sequence, start=i == 0, end=i == 59)).as_numpy(
            "y"
        )
        for i in range(60)
    ]
    np.testing.assert_array_equal(np.concatenate(got), np.stack(held))
    assert live(server) == (0, 0)


async def test_many_sequences_at_once_by_the_asynchronous_client(
    server: Running, aio: triton_aio.InferenceServerClient, bundle: Bundle
) -> None:
    async def one(sequence: int) -> NDArray[Any]:
        samples = random_sequence(bundle, 40, seed=sequence)
        found = []
        for i in range(0, 40, 4):
            result = await aio.infer(
                "watch",
                [tensor(samples[np.newaxis, i : i + 4])],
                **flags(sequence, start=i == 0, end=i == 36),
            )
            found.append(result.as_numpy("update_y"))
        return np.concatenate(found)

    for sequence, found in enumerate(await asyncio.gather(*map(one, range(1, 31))), 1):
        wanted = unroll(bundle, random_sequence(bundle, 40, seed=sequence))
        np.testing.assert_array_equal(found, wanted.y)
    assert live(server) == (0, 0)


def test_requests_of_a_sequence_that_come_at_once_are_read_in_their_order(
    server: Running, bundle: Bundle, x: Samples
) -> None:
    sequences, one = server.state.sequences, SequenceRequest("watch", None, "", "at-once")

    async def all_at_once() -> list[Any]:
        first = sequences.infer(one._replace(start=True), x[:1])
        rest = [sequences.infer(one, x[i : i + 1]) for i in range(1, 40)]
        found = await asyncio.gather(first, *rest)
        await sequences.infer(one._replace(end=True), None)
        return [result for _, result in found]

    results = server.call(all_at_once())
    wanted = unroll(bundle, x[:40])
    np.testing.assert_array_equal(np.concatenate([result.t[0] for result in results]), wanted.t)
    np.testing.assert_array_equal(np.concatenate([result.y[0] for result in results]), wanted.y)


# -- sequences out of order


def test_a_sequence_must_be_started(
    client: triton.InferenceServerClient, server: Running, x: Samples
) -> None:
    for options in (flags(5), flags(5, end=True), flags("five")):
        with pytest.raises(InferenceServerException, match=NO_START) as raised:
            client.infer("watch", [tensor(x[:1])], **options)
        assert raised.value.status() == "400"
    assert live(server) == (0, 0)


def test_a_sequence_is_not_started_twice_unless_asked_for(
    client: triton.InferenceServerClient, bundle: Bundle, x: Samples
) -> None:
    client.infer("watch", [tensor(x[np.newaxis, :20])], **flags(6, start=True))
    with pytest.raises(InferenceServerException, match="in progress at sample 20: end it with sequence_end"):
        client.infer("watch", [tensor(x[:1])], **flags(6, start=True))
    on = client.infer("watch", [tensor(x[np.newaxis, 20:50])], **flags(6))  # as if nothing had happened
    np.testing.assert_array_equal(on.as_numpy("y"), unroll(bundle, x[:50]).y[-1:])
    again = client.infer(
        "watch", [tensor(x[np.newaxis, 7:30])], parameters={"restart": True}, **flags(6, start=True, end=True)
    )
    wanted = unroll(bundle, x[7:30])
    np.testing.assert_array_equal(again.as_numpy("update_t"), wanted.t)
    np.testing.assert_array_equal(again.as_numpy("update_y"), wanted.y)


def test_a_first_request_that_was_refused_may_be_sent_again(
    client: triton.InferenceServerClient, x: Samples
) -> None:
    for wrong in (
        np.zeros((1, 2), np.float32),
        np.full((1, 3), np.nan, np.float32),
        np.zeros((2, 3), np.float32),
    ):
        with pytest.raises(InferenceServerException, match=r"x: expected|sample 0, feature 0"):
            client.infer("watch", [tensor(wrong)], **flags(8, start=True))
    assert client.infer("watch", [tensor(x[:1])], **flags(8, start=True, end=True)).as_numpy("wake")[0] > 0


def test_a_first_request_that_was_refused_opens_no_sequence(models: Path, x: Samples) -> None:
    wrong = {
        "shape": np.zeros((1, 2), np.float32),
        "not-finite": np.full((1, 3), np.inf, np.float32),
        "too-many": np.zeros((1, 4097, 3), np.float32),
    }
    with (
        serving(models, max_streams=1) as server,
        triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client,
    ):
        for name, samples in wrong.items():
            with pytest.raises(InferenceServerException):
                client.infer("watch", [tensor(samples)], **flags(name, start=True))
            with pytest.raises(InferenceServerException, match=NO_START):
                client.infer("watch", [tensor(x[:1])], **flags(name))
        with pytest.raises(InferenceServerException, match="inputs: expected x, got none"):
            client.infer("watch", [], **flags(8, start=True, end=True))
        assert live(server) == (0, 0)
        assert client.infer("watch", [tensor(x[:1])], **flags(8, start=True, end=True))


def test_a_restart_that_was_refused_for_its_shape_leaves_the_sequence_where_it_was(
    client: triton.InferenceServerClient, bundle: Bundle, x: Samples
) -> None:
    client.infer("watch", [tensor(x[np.newaxis, :20])], **flags(16, start=True))
    with pytest.raises(InferenceServerException, match="x: expected"):
        client.infer(
            "watch",
            [tensor(np.zeros((1, 2), np.float32))],
            parameters={"restart": True},
            **flags(16, start=True),
        )
    last = client.infer("watch", [tensor(x[np.newaxis, 20:60])], **flags(16, end=True))
    np.testing.assert_array_equal(last.as_numpy("y"), unroll(bundle, x[:60]).y[-1:])


def test_a_refused_request_leaves_the_sequence_where_it_was_even_at_its_end(
    client: triton.InferenceServerClient, bundle: Bundle, x: Samples
) -> None:
    client.infer("watch", [tensor(x[np.newaxis, :20])], **flags(9, start=True))
    bad = x[np.newaxis, 20:60].copy()
    bad[:] = np.nan
    with pytest.raises(InferenceServerException, match="expected a finite number"):
        client.infer("watch", [tensor(bad)], **flags(9, end=True))
    last = client.infer("watch", [tensor(x[np.newaxis, 20:60])], **flags(9, end=True))
    np.testing.assert_array_equal(last.as_numpy("y"), unroll(bundle, x[:60]).y[-1:])


def test_an_end_without_samples_ends(
    client: triton.InferenceServerClient, server: Running, x: Samples
) -> None:
    y = client.infer("watch", [tensor(x[:1])], **flags(10, start=True)).as_numpy("y")
    with pytest.raises(InferenceServerException, match="inputs: expected x, got none"):
        client.infer("watch", [], **flags(10))
    last = client.infer("watch", [], **flags(10, end=True))
    np.testing.assert_array_equal(last.as_numpy("y"), y)
    assert last.as_numpy("update_mask").shape == (1, 0)
    assert live(server) == (0, 0)


def test_a_sequence_stays_on_its_version(client: triton.InferenceServerClient, x: Samples) -> None:
    client.infer("two", [tensor(x[:1])], model_version="1", **flags(11, start=True))
    with pytest.raises(InferenceServerException, match="runs on version 1, not on '2'"):
        client.infer("two", [tensor(x[1:2])], model_version="2", **flags(11))
    last = client.infer("two", [tensor(x[1:2])], **flags(11, end=True))
    assert last.get_response()["model_version"] == "1"


def test_lengths_and_long_chunks_are_refused(client: triton.InferenceServerClient) -> None:
    lengths = triton.InferInput("lengths", [1], "INT64").set_data_from_numpy(np.array([1]))
    with pytest.raises(InferenceServerException, match="expected x alone in a sequence"):
        client.infer("watch", [tensor(np.zeros((1, 3), np.float32)), lengths], **flags(12, start=True))
    with pytest.raises(InferenceServerException, match="x: expected 4096 samples at most, got 4097"):
        client.infer("watch", [tensor(np.zeros((1, 4097, 3), np.float32))], **flags(12, start=True, end=True))
    assert client.infer("watch", [tensor(np.zeros((1, 3), np.float32))], **flags(12, start=True, end=True))


# -- sequences and streams


async def test_the_websocket_takes_up_a_sequence_and_the_other_way_round(
    server: Running, aio: triton_aio.InferenceServerClient, bundle: Bundle, x: Samples
) -> None:
    first = await aio.infer("watch", [tensor(x[np.newaxis, :100])], **flags("both", start=True))
    async with connect(server.url(), stream_id="both") as connection:
        assert connection.ready.resumed
        reply = await connection.send(x[100:200])
    while server.state.models.get("watch").engine.live:
        await asyncio.sleep(0.01)  # until the socket's end is noticed, and the stream parked
    last = await aio.infer("watch", [tensor(x[np.newaxis, 200:])], **flags("both", end=True))
    wanted = unroll(bundle, x)
    found = [
        first.as_numpy("update_y"),
        *[update.y[np.newaxis] for update in reply.updates],
        last.as_numpy("update_y"),
    ]
    np.testing.assert_array_equal(np.concatenate(found), wanted.y)


async def test_whoever_waits_for_a_sequence_that_another_took_over_is_told(
    server: Running, aio: triton_aio.InferenceServerClient, x: Samples
) -> None:
    await aio.infer("watch", [tensor(x[:1])], **flags("stolen", start=True))
    async with connect(server.url(), stream_id="stolen") as connection:
        assert live(server) == (1, 0)
        await connection.end()
    with pytest.raises(InferenceServerException, match=NO_START):
        await aio.infer("watch", [tensor(x[1:2])], **flags("stolen"))


def test_a_client_that_died_leaves_nothing_behind_but_a_parked_stream(
    models: Path, bundle: Bundle, x: Samples
) -> None:
    with serving(models, idle_timeout_seconds=0.2, stream_ttl_seconds=30) as server:
        with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as dying:
            dying.infer("watch", [tensor(x[np.newaxis, :50])], **flags(13, start=True))
        while live(server) != (0, 0):
            time.sleep(0.02)
        with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
            late = client.infer("watch", [tensor(x[np.newaxis, 50:])], **flags(13, end=True))
        np.testing.assert_array_equal(late.as_numpy("y"), unroll(bundle, x).y[-1:])


def test_an_expired_sequence_must_be_started_again(models: Path, x: Samples) -> None:
    with (
        serving(models, idle_timeout_seconds=0.1, stream_ttl_seconds=0.1) as server,
        triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client,
    ):
        client.infer("watch", [tensor(x[:1])], **flags(14, start=True))
        while live(server) != (0, 0) or server.call(server.state.store.count()):
            time.sleep(0.02)
        with pytest.raises(InferenceServerException, match=NO_START):
            client.infer("watch", [tensor(x[1:2])], **flags(14))
        assert client.infer("watch", [tensor(x[:1])], **flags(14, start=True, end=True))


def test_a_parked_sequence_that_is_started_begins_anew(models: Path, bundle: Bundle, x: Samples) -> None:
    with (
        serving(models, idle_timeout_seconds=0.1) as server,
        triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client,
    ):
        client.infer("watch", [tensor(x[np.newaxis, :50])], **flags(15, start=True))
        while live(server) != (0, 0):
            time.sleep(0.02)
        anew = client.infer("watch", [tensor(x[np.newaxis, 50:90])], **flags(15, start=True, end=True))
        np.testing.assert_array_equal(anew.as_numpy("update_y"), unroll(bundle, x[50:90]).y)


async def test_a_request_whose_client_went_away_counts_once_and_hurts_nobody(
    aio: triton_aio.InferenceServerClient, bundle: Bundle, x: Samples
) -> None:
    await aio.infer("watch", [tensor(x[np.newaxis, :10])], **flags("gone", start=True))
    asked = asyncio.create_task(aio.infer("watch", [tensor(x[np.newaxis, 10:200])], **flags("gone")))
    await asyncio.sleep(0.001)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    last = await aio.infer("watch", [], **flags("gone", end=True))
    assert last.as_numpy("wake")[0] in (unroll(bundle, x[:10]).wake, unroll(bundle, x[:200]).wake)


def test_streams_beyond_the_capacity_are_refused_with_503(models: Path, x: Samples) -> None:
    with (
        serving(models, max_streams=2) as server,
        triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client,
    ):
        for sequence in (1, 2):
            client.infer("watch", [tensor(x[:1])], **flags(sequence, start=True))
        with pytest.raises(InferenceServerException, match="all 2 streams are in use") as raised:
            client.infer("watch", [tensor(x[:1])], **flags(3, start=True))
        assert raised.value.status() == "503"
        with pytest.raises((ConnectionRejected, ClientError)):
            connect_sync(server.url()).__enter__()
