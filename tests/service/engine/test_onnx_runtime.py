"""Where steps run: what a GPU needs is tried on the CPU, with memory apart and copies to and from it.

What is not run here for want of a GPU: the CUDA provider itself, and CUDA graphs.
"""

import asyncio
import logging
import threading
from pathlib import Path

import numpy as np
import pytest

from skiprnn_export import Bundle, unroll
from skiprnn_service.engine.engine import Engine
from skiprnn_service.engine.onnx_runtime import CPU, PROVIDERS, Runtime
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.errors import ModelError
from support.bundles import random_sequence, write_random_bundle
from support.engines import Client
from support.steps import random_input, step


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_random_bundle(tmp_path / "m.onnx", hidden=24, layers=2)


def test_memory_apart_gives_the_same_bits_in_every_batch_size(bundle: Bundle) -> None:
    plain, apart = StepRunner(bundle, max_batch=20), StepRunner(bundle, max_batch=20, apart=True)
    for n in range(1, 21):
        x, state = random_input(plain, n, seed=n)
        for got, expected in zip(step(apart, x, state), step(plain, x, state), strict=True):
            assert got.tobytes() == expected.tobytes()


def test_memory_apart_is_really_apart(bundle: Bundle) -> None:
    """Else the copies would go untested."""
    apart = StepRunner(bundle, max_batch=4, apart=True)
    kept = step(apart, *random_input(apart, 4)).y
    run = apart._plans[4].run
    assert run is not None
    apart.y[:] = 0
    run._run(run._binding)
    assert not apart.y.any()
    apart.run(4)
    assert (apart.y == kept).all()


@pytest.mark.parametrize("apart", [False, True])
def test_a_memory_gives_back_what_was_put_into_its_rows(bundle: Bundle, apart: bool) -> None:
    size = bundle.info.state_size
    runtime = Runtime(bundle.model, state_size=size, threads=1, providers=CPU, apart=apart)
    memory, states = runtime.memory(9), np.random.default_rng(0).normal(size=(9, size)).astype(np.float32)
    memory.write(np.arange(9), states)
    memory.write(np.array([7, 2]), states[:2])
    states[[7, 2]] = states[:2]
    order = np.array([2, 8, 7, 2, 0])
    assert (memory.read(order) == states[order]).all()
    copy = memory.read(np.array([3]))
    memory.write(np.array([3]), states[4:5])
    assert (copy == states[3]).all()


def test_forks_share_a_session_from_two_threads(bundle: Bundle) -> None:
    runner = StepRunner(bundle, max_batch=8, apart=True)
    runners = [runner, runner.fork()]
    expected = [step(each, *random_input(each, 8, seed=seed)).y for seed, each in enumerate(runners)]

    def run(each: StepRunner) -> None:
        for _ in range(200):
            each.run(8)

    threads = [threading.Thread(target=run, args=(each,)) for each in runners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((each.y == y).all() for each, y in zip(runners, expected, strict=True))


def test_no_two_recorded_runs_have_the_same_number(bundle: Bundle) -> None:
    """A CUDA graph is replayed with the addresses it was recorded with: a fork's would be another's."""
    runner = StepRunner(bundle, max_batch=8, apart=True)
    runners = [runner, runner.fork()]
    for each in runners:
        for n in range(1, 9):
            each.run(n)
    runs = {plan.run for each in runners for plan in each._plans[1:]}
    numbers = {run._options.get_run_config_entry("gpu_graph_id") for run in runs}  # type: ignore[union-attr]
    assert len(numbers) == len(runs) == 16


async def test_streams_get_the_bits_of_the_offline_unroll(bundle: Bundle) -> None:
    """Parked and resumed on the way: their states are read from memory apart, and written to it."""
    engine = Engine(StepRunner(bundle, max_batch=8, apart=True), model="m", version="1")
    clients = [Client(engine, f"s{i}") for i in range(12)]
    sequences = [random_sequence(bundle, 80, seed=i) for i in range(12)]
    await asyncio.gather(*(client.ask(x[:50]) for client, x in zip(clients, sequences, strict=True)))
    for client in clients[:6]:
        client.drop()
    await asyncio.gather(*(client.ask(x[50:]) for client, x in zip(clients, sequences, strict=True)))
    assert all(client.equals(unroll(bundle, x)) for client, x in zip(clients, sequences, strict=True))
    engine.close()


def test_asking_for_cuda_without_it_says_what_to_do(bundle: Bundle) -> None:
    with pytest.raises(
        ModelError, match=r"expected CUDAExecutionProvider, .*install the extra gpu.*device to auto or cpu"
    ):
        Runtime(bundle.model, state_size=1, threads=1, providers=PROVIDERS["cuda"])


def test_a_fallback_that_is_allowed_is_taken_and_logged(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        size = bundle.info.state_size
        runtime = Runtime(bundle.model, state_size=size, threads=1, providers=PROVIDERS["auto"])
    assert (runtime.provider, runtime.device, runtime.apart) == (CPU[0], "cpu", False)
    assert "run on CPUExecutionProvider: CUDAExecutionProvider is not available" in caplog.text


@pytest.mark.filterwarnings("ignore:Specified provider 'CUDAExecutionProvider'")
def test_where_cuda_is_installed_and_does_not_start_the_cpu_runs_as_ever(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not with memory apart, which only a GPU is worth."""
    monkeypatch.setattr("skiprnn_service.engine.onnx_runtime._here", list)
    size = bundle.info.state_size
    runtime = Runtime(bundle.model, state_size=size, threads=1, providers=PROVIDERS["auto"])
    assert (runtime.provider, runtime.device, runtime.apart) == (CPU[0], "cpu", False)
    with pytest.raises(ModelError, match=r"which did not start .*got CPUExecutionProvider"):
        Runtime(bundle.model, state_size=size, threads=1, providers=PROVIDERS["cuda"])


def test_a_file_that_is_no_graph_is_refused() -> None:
    with pytest.raises(ModelError, match="not an ONNX file"):
        Runtime(b"no graph", state_size=1, threads=1, providers=CPU)
