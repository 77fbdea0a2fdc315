"""The tools of the benchmarks measure what they say, and the table says what was measured."""

import itertools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from benchmarks import machine, models, offline, results, servers
from support.bundles import write_random_bundle
from support.programs import need


@pytest.fixture
def echo() -> Iterator[servers.Floor]:
    need("cc")
    need("taskset")
    with servers.c_echo() as floor:
        yield floor


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_the_c_server_echoes(echo: servers.Floor, size: int) -> None:
    with connect(f"ws://127.0.0.1:{echo.server.port}/", compression=None, close_timeout=0.1) as socket:
        for _ in range(3):
            socket.send(b"*" * size)
            assert socket.recv() == b"*" * size


def test_the_generator_counts_answers_in_a_closed_loop(echo: servers.Floor) -> None:
    load = echo.load(1, connections=3, depth=2, seconds=0.3, warmup=0.1)
    assert load.raw["open"] == 3
    assert load.messages_per_s > 100
    assert 0 < load.p50_us <= load.p99_us
    assert load.server_cpu > 0
    assert load.resident > 0


def test_the_generator_keeps_a_rate(echo: servers.Floor) -> None:
    load = echo.load(1, connections=5, rate=500, seconds=0.5, warmup=0.1)
    assert load.messages_per_s == pytest.approx(500, rel=0.1)
    assert load.raw["overdue"] == 0


def test_the_generator_says_so_when_a_server_refuses(tmp_path: Path) -> None:
    need("cc")
    need("taskset")
    write_random_bundle(tmp_path / "m.onnx", features=models.FEATURES)
    with servers.ours(tmp_path) as ours, pytest.raises(RuntimeError, match=r"closed|404"):
        ours.load("another", 1, connections=2, seconds=0.1)


def test_ours_answers_the_generator_and_memory_at_rest_is_measured(tmp_path: Path) -> None:
    need("cc")
    need("taskset")
    write_random_bundle(tmp_path / "m.onnx", features=models.FEATURES)
    with servers.ours(tmp_path) as ours:
        load = ours.load("m", 4, connections=3, seconds=0.3, warmup=0.1)
        assert load.messages_per_s > 10
        opened, held = machine.resident_with_idle(ours.server, connections=5, path="/v1/models/m/stream")
        assert opened == 5
        assert held > 10_000_000


def test_a_server_that_does_not_start_is_reported_with_its_log() -> None:
    need("taskset")
    broken = [sys.executable, "-c", "raise SystemExit('broken on purpose')"]
    with pytest.raises(RuntimeError, match="broken on purpose"), machine.running("broken", broken, 1):
        pass


@pytest.mark.parametrize(
    ("skipped", "share"), [(0.0, (1.0, 1.0)), (0.5, (0.45, 0.55)), (0.95, (0.04, 0.065))]
)
def test_a_bundle_skips_what_it_was_asked_to(
    tmp_path: Path, skipped: float, share: tuple[float, float]
) -> None:
    bundle = models.make(tmp_path, "m", hidden=32, skipped=skipped)
    assert share[0] <= models.rate(bundle) <= share[1]
    assert models.state_bytes(tmp_path / "m.onnx") == 4 * 64


def test_floors_without_a_server_are_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline, "per_second", lambda work: (work(), 10.0)[1])
    bundle = models.make(tmp_path, "m", hidden=16, skipped=0)
    assert offline.step(bundle, 4) == offline.gemm(bundle, 4) == 40.0


def test_a_row_is_the_median_of_pairs_measured_in_turn(capsys: pytest.CaptureFixture[str]) -> None:
    order = list[str]()
    ours, theirs = itertools.cycle([10.0, 30.0, 20.0]), itertools.cycle([5.0, 10.0, 20.0])

    def measure(name: str, values: Iterator[float]) -> float:
        order.append(name)
        return next(values)

    row = results.compare(
        "speed", "a peer", "m/s", lambda: measure("a", ours), lambda: measure("b", theirs), at_least=2.5
    )
    assert order == ["a", "b"] * 3
    assert (row.ours, row.other, row.ratio, row.spread, row.met) == (20.0, 10.0, 2.0, (1.0, 3.0), False)
    assert "MISSED" in capsys.readouterr().out
    assert "| **2** (1–3) | ≥ 2.5 × **missed** |" in results.as_markdown([row])


def test_results_are_kept_part_by_part(tmp_path: Path) -> None:
    row = results.Row("a", "b", "c", 1.0, 2.0, 0.5, (0.5, 0.5))
    results.keep(tmp_path / "r.json", table=[row])
    results.keep(tmp_path / "r.json", machine="x")
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["machine"] == "x"
    assert found["table"][0]["ratio"] == 0.5


def test_the_machine_is_described() -> None:
    assert re.search(r"\d+ cores, Python 3\.\d+", machine.describe())
