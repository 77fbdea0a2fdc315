"""Where steps run: what a GPU needs is tried on the CPU, with memory apart and copies to and from it.

What is not run here for want of a GPU: the CUDA provider itself, and CUDA graphs.
"""

import asyncio
import logging
import math
import threading
from pathlib import Path

import numpy as np
import pytest

from skiprnn_export import Bundle, unroll
from skiprnn_service.engine import Engine
from skiprnn_service.errors import ModelError
from skiprnn_service.runtime import CPU, PROVIDERS, Runtime
from skiprnn_service.service import _inline_below_us
from skiprnn_service.session import StepSession
from skiprnn_service.settings import load
from support.bundles import random_sequence, write_random_bundle
from support.engines import Client

OUTPUTS = ("new_state", "update_prob", "y")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_random_bundle(tmp_path / "m.onnx", hidden=24, layers=2)


def fill(session: StepSession, seed: int) -> None:
    rng = np.random.default_rng(seed)
    session.x[:] = rng.normal(size=session.x.shape)
    session.state[:] = rng.normal(size=session.state.shape)


def test_memory_apart_gives_the_same_bits_in_every_batch_size(bundle: Bundle) -> None:
    plain, staged = StepSession(bundle, max_batch=20), StepSession(bundle, max_batch=20, staged=True)
    for n in range(1, 21):
        for session in (plain, staged):
            fill(session, n)
            session.run(n)
        for name in OUTPUTS:
            assert getattr(staged, name)[:n].tobytes() == getattr(plain, name)[:n].tobytes()


def test_memory_apart_is_really_apart(bundle: Bundle) -> None:
    """Else the copies would go untested."""
    staged = StepSession(bundle, max_batch=4, staged=True)
    fill(staged, 0)
    staged.run(4)
    kept = staged.y.copy()
    staged.y[:] = 0
    staged._plans[4].run._run(staged._plans[4].run._binding)
    assert not staged.y.any()
    staged.run(4)
    assert (staged.y == kept).all()


def test_forks_share_a_session_from_two_threads(bundle: Bundle) -> None:
    session = StepSession(bundle, max_batch=8, staged=True)
    sessions = [session, session.fork()]
    expected = []
    for seed, each in enumerate(sessions):
        fill(each, seed)
        each.run(8)
        expected.append(each.y.copy())

    def run(each: StepSession) -> None:
        for _ in range(200):
            each.run(8)

    threads = [threading.Thread(target=run, args=(each,)) for each in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((each.y == y).all() for each, y in zip(sessions, expected, strict=True))


def test_no_two_recorded_runs_have_the_same_number(bundle: Bundle) -> None:
    """A CUDA graph is replayed with the addresses it was recorded with: a fork's would be another's."""
    session = StepSession(bundle, max_batch=8, staged=True)
    runs = {plan.run for each in (session, session.fork()) for plan in each._plans[1:]}
    numbers = {run._options.get_run_config_entry("gpu_graph_id") for run in runs}  # type: ignore[attr-defined]
    assert len(numbers) == len(runs) == 16


async def test_streams_get_the_bits_of_the_offline_unroll(bundle: Bundle) -> None:
    engine = Engine(StepSession(bundle, max_batch=8, staged=True), model="m", version="1")
    clients = [Client(engine, f"s{i}") for i in range(12)]
    sequences = [random_sequence(bundle, 80, seed=i) for i in range(12)]
    await asyncio.gather(*(client.ask(x) for client, x in zip(clients, sequences, strict=True)))
    assert all(client.equals(unroll(bundle, x)) for client, x in zip(clients, sequences, strict=True))
    engine.close()


def test_asking_for_cuda_without_it_says_what_to_do(bundle: Bundle) -> None:
    with pytest.raises(
        ModelError, match=r"expected CUDAExecutionProvider, .*skiprnn\[gpu\].*device auto or cpu"
    ):
        Runtime(bundle.model, threads=1, providers=PROVIDERS["cuda"])


def test_a_fallback_that_is_allowed_is_taken_and_logged(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        runtime = Runtime(bundle.model, threads=1, providers=PROVIDERS["auto"])
    assert (runtime.provider, runtime.device, runtime.staged) == (CPU[0], "cpu", False)
    assert "run on CPUExecutionProvider: CUDAExecutionProvider is not to be had here" in caplog.text


def test_a_file_that_is_no_graph_is_refused() -> None:
    with pytest.raises(ModelError, match="refuses the graph"):
        Runtime(b"no graph", threads=1, providers=CPU)


@pytest.mark.parametrize(
    ("cores", "said", "expected"), [(1, None, math.inf), (2, None, 200.0), (1, 50.0, 50.0)]
)
def test_on_one_core_every_step_runs_on_the_loop_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, cores: int, said: float | None, expected: float
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    assert _inline_below_us(load(inline_below_us=said)) == expected
