"""Fixed schedules, trained, exported and streamed: the server skips n − 1 samples after each update, to the bit."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from skiprnn_client import stream_sync
from skiprnn_export import Bundle, read, unroll
from skiprnn_export.step import export
from support.bundles import random_sequence
from support.servers import Running, serving
from support.training import train

RATES = {"every_sample": ("uniform", 1.0, 1), "uniform": ("uniform", 0.1, 10), "random": ("random", 0.3, 3)}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("constant")
    for name, (schedule, rate, _) in RATES.items():
        train(folder / "runs" / name, schedule=schedule, target_rate=rate, epochs=1)
        export(folder / "runs" / name, folder / "models" / f"{name}.onnx")
    return folder / "models"


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Running]:
    with serving(models) as running:
        yield running


@pytest.mark.parametrize("wake", [True, False])
@pytest.mark.parametrize("name", RATES)
def test_a_stream_updates_at_every_nth_sample_with_the_bits_of_the_unroll(
    server: Running, models: Path, name: str, wake: bool
) -> None:
    bundle: Bundle = read(models / f"{name}.onnx")
    x = random_sequence(bundle, 205)
    updates, expected = list(stream_sync(server.url(name), x, wake=wake)), unroll(bundle, x)
    assert [update.t for update in updates] == list(range(0, 205, RATES[name][2]))
    assert np.array([update.y for update in updates], np.float32).tobytes() == expected.y.tobytes()


def test_a_server_says_which_kind_of_gate_a_model_has(server: Running) -> None:
    listed = httpx.get(f"{server.http}/v1/models").json()["models"]
    assert {model["name"]: (model["gate"], model["period"]) for model in listed} == {
        "every_sample": ("every sample", 1),
        "uniform": ("uniform, every 10 samples", 10),
        "random": ("uniform, every 3 samples", 3),
    }
