"""`skiprnn bench` against real servers."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from skiprnn_cli import app
from support.bundles import write_random_bundle
from support.servers import Running, serving

SHORT = ("--seconds", "0.4", "--warm-up", "0.1")


@pytest.fixture(autouse=True)
def _no_streams_left(server: Running) -> None:
    """The streams of the test before are gone: the server takes few."""
    engines = [model.engine for model in server.state.models]
    while any(engine.live for engine in engines):
        time.sleep(0.01)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models = tmp_path_factory.mktemp("models")
    write_random_bundle(models / "some.onnx", gate_bias=-1.0)
    write_random_bundle(models / "all.onnx", gate_bias=30.0)
    with serving(models, max_streams=8) as running:
        yield running


def bench(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["bench", *arguments, *SHORT])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.parametrize("encoding", ["f32", "json"])
def test_reports_rates_latencies_and_the_update_rate(server: Running, encoding: str) -> None:
    before = server.state.models.get("some").engine.stats.samples
    found = bench(server.url("some"), "--streams", "3", "--samples", "5", "--encoding", encoding)
    consumed = server.state.models.get("some").engine.stats.samples - before
    assert 0 < found["messages_per_second"] * found["seconds"] * 5 <= consumed
    assert found["samples_per_second"] == pytest.approx(found["messages_per_second"] * 5, rel=1e-3)
    assert 0.05 < found["update_rate"] < 0.95
    assert 0 < found["p50_ms"] <= found["p90_ms"] <= found["p99_ms"]
    assert found["client_cpu"] > 0


def test_a_network_that_updates_at_every_sample_has_update_rate_1(server: Running) -> None:
    assert bench(server.url("all"), "--streams", "1")["update_rate"] == 1.0


def test_sends_at_the_sample_rate_that_was_asked_for(server: Running) -> None:
    found = bench(server.url("all"), "--streams", "2", "--sample-rate", "250", "--samples", "5")
    assert found["messages_per_second"] * found["seconds"] <= 2 * (50 * found["seconds"] + 1)


def test_the_old_rate_counts_messages_and_warns(server: Running) -> None:
    result = CliRunner().invoke(
        app, ["bench", server.url("all"), "--streams=2", "--rate=50", "--samples=5", *SHORT]
    )
    found = json.loads(result.stdout)
    assert (found["rate"], found["sample_rate"]) == (50, 250)
    assert found["read"] == found["update_rate"]
    assert "warning: --rate (messages a second) is now --sample-rate (samples a second)" in result.stderr


@pytest.mark.parametrize(
    ("model", "flags", "reason"),
    [
        ("none", (), "404"),
        ("all", ("--streams", "9"), "503"),
        ("all", ("--streams", "1", "--samples", "5000"), "4096 samples at most"),
    ],
)
def test_what_the_server_rejects_ends_it_with_the_reason(
    server: Running, model: str, flags: tuple[str, ...], reason: str
) -> None:
    result = CliRunner().invoke(app, ["bench", server.url(model), *flags, *SHORT])
    assert result.exit_code != 0
    assert reason in result.output


def test_no_server_is_an_error() -> None:
    result = CliRunner().invoke(app, ["bench", "ws://127.0.0.1:9/v1/models/m/stream", *SHORT])
    assert result.exit_code == 1
    assert "127.0.0.1:9" in result.output
    assert "is the server running?" in result.output
