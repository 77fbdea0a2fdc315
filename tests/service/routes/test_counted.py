"""Requests of the score route and of inference, and what was scored for them, as `/metrics` counts them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from skiprnn_export import read, unroll
from skiprnn_service.scoring.scheduler import Lane
from support.bundles import random_sequence, write_random_bundle
from support.score_bodies import as_npz
from support.servers import Running, serving

LENGTHS = (40, 1, 90)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_random_bundle(folder / "watch.onnx", features=3)
    return folder


@pytest.fixture
def server(models: Path) -> Iterator[Running]:
    with serving(models, scoring_priority="normal", max_scoring=1, max_scoring_waiting=3) as running:
        yield running


@pytest.fixture(scope="module")
def sequences(models: Path) -> list[Any]:
    bundle = read(models / "watch.onnx")
    return [random_sequence(bundle, n, seed=n) for n in LENGTHS]


@pytest.fixture(scope="module")
def updates(models: Path, sequences: list[Any]) -> int:
    bundle = read(models / "watch.onnx")
    return sum(len(unroll(bundle, x).t) for x in sequences)


def scrape(server: Running) -> dict[tuple[str, ...], float]:
    """(name without skiprnn_, label values…) → value."""
    families = text_string_to_metric_families(httpx.get(f"{server.http}/metrics").text)
    return {
        (sample.name.removeprefix("skiprnn_"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def score_json(server: Running, sequences: list[Any]) -> httpx.Response:
    body = {"sequences": [x.tolist() for x in sequences]}
    return httpx.post(f"{server.http}/v1/models/watch/score", json=body)


def score_arrays(server: Running, sequences: list[Any], times: int = 1) -> httpx.Response:
    """In a process; from a mebibyte on in the lane of large requests."""
    parts = sequences * times
    arrays = {"x": np.concatenate(parts), "lengths": np.array([len(x) for x in parts])}
    headers = {"Content-Type": "application/x-npz"}
    url = f"{server.http}/v1/models/watch/score?updates=false"
    return httpx.post(url, content=as_npz(**arrays), headers=headers, timeout=60)


def infer(server: Running, x: Any, lengths: Any = None, **parameters: Any) -> httpx.Response:
    tensors = [{"name": "x", "datatype": "FP32", "shape": list(x.shape), "data": x.ravel().tolist()}]
    if lengths is not None:
        tensors.append({"name": "lengths", "datatype": "INT64", "shape": [len(lengths)], "data": lengths})
    body = {"inputs": tensors, "parameters": parameters}
    return httpx.post(f"{server.http}/v2/models/watch/infer", json=body)


def test_all_series_are_there_before_the_first_request(server: Running) -> None:
    """So that the rate of the first request is none of a series that has just begun."""
    counts = scrape(server)
    for route in ("score", "infer"):
        assert counts["requests_total", route, "200"] == 0
        assert counts["requests_in_flight", route] == 0
        assert counts["request_duration_seconds_count", route] == 0
    for lane in ("small", "large"):
        assert counts["scoring_queue_length", lane] == counts["scoring_running", lane] == 0
        assert counts["scoring_queue_capacity", lane] == 3
    assert counts["scored_samples_total", "watch", "1"] == 0


@pytest.mark.parametrize("times", [1, 700])
def test_scored_sequences_samples_and_updates_are_counted_on_every_way(
    server: Running, sequences: list[Any], updates: int, times: int
) -> None:
    assert score_json(server, sequences).status_code == 200
    assert score_arrays(server, sequences, times).status_code == 200
    padded = np.zeros((3, max(LENGTHS), 3), np.float32)
    for row, x in zip(padded, sequences, strict=True):
        row[: len(x)] = x
    assert infer(server, padded, list(LENGTHS)).status_code == 200
    counts, n = scrape(server), 2 + times
    assert counts["scored_sequences_total", "watch", "1"] == n * len(LENGTHS)
    assert counts["scored_samples_total", "watch", "1"] == n * sum(LENGTHS)
    assert counts["scored_updates_total", "watch", "1"] == n * updates
    assert counts["requests_total", "score", "200"] == counts["request_duration_seconds_count", "score"] == 2
    assert counts["requests_total", "infer", "200"] == 1
    assert counts["request_duration_seconds_sum", "score"] > 0
    assert counts["samples_total", "watch", "1"] == 0  # those of streams


def test_samples_of_a_live_sequence_are_those_of_a_stream(server: Running, sequences: list[Any]) -> None:
    assert infer(server, sequences[0][None], sequence_id=7, sequence_start=True).status_code == 200
    counts = scrape(server)
    assert counts["samples_total", "watch", "1"] == LENGTHS[0]
    assert counts["scored_samples_total", "watch", "1"] == 0
    assert counts["requests_total", "infer", "200"] == 1


def test_a_rejected_request_is_counted_by_its_status_and_scores_nothing(server: Running) -> None:
    assert httpx.post(f"{server.http}/v1/models/none/score", json={}).status_code == 404
    assert httpx.post(f"{server.http}/v1/models/watch/score", json={"sequences": [[[1]]]}).status_code == 400
    assert httpx.post(f"{server.http}/v2/models/watch/infer", json={}).status_code == 400
    assert httpx.get(f"{server.http}/v1/models/watch/score").status_code == 405
    counts = scrape(server)
    assert counts["requests_total", "score", "404"] == counts["requests_total", "score", "400"] == 1
    assert counts["requests_total", "infer", "400"] == 1
    assert ("requests_total", "score", "405") not in counts  # no request of the route
    assert counts["requests_in_flight", "score"] == counts["scored_samples_total", "watch", "1"] == 0


def test_a_failure_that_nobody_expected_counts_as_500(server: Running, monkeypatch: Any) -> None:
    monkeypatch.setattr("skiprnn_service.routes.score.run", lambda *_, **__: 1 // 0)
    assert score_json(server, [np.zeros((1, 3))]).status_code == 500
    counts = scrape(server)
    assert counts["requests_total", "score", "500"] == 1
    assert counts["requests_in_flight", "score"] == 0


@asynccontextmanager
async def its_turn(lane: Lane) -> AsyncIterator[None]:
    with lane.place():
        async with lane.turn():
            yield


def test_requests_that_wait_for_their_turn_are_in_flight_and_in_the_queue(
    server: Running, sequences: list[Any]
) -> None:
    lane = server.state.scoring.small
    held = its_turn(lane)
    server.call(held.__aenter__())
    with ThreadPoolExecutor(2) as clients:
        waiting = [clients.submit(score_json, server, sequences) for _ in range(2)]
        while lane.queued < 2:
            server.call(asyncio.sleep(0.01))
        counts = scrape(server)
        server.call(held.__aexit__(None, None, None))
        assert [request.result().status_code for request in waiting] == [200, 200]
    assert counts["requests_in_flight", "score"] == counts["scoring_queue_length", "small"] == 2
    assert counts["scoring_running", "small"] == 1
    counts = scrape(server)
    assert counts["requests_in_flight", "score"] == counts["scoring_queue_length", "small"] == 0
