"""The update step on rows of an arena writes to those rows alone."""

import os
from pathlib import Path

import numpy as np
import pytest
from onnxruntime import OrtValue

from skiprnn_export import Bundle, open_session
from skiprnn_service.engine import step_graph
from support.bundles import write_random_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_random_bundle(tmp_path / "m.onnx", hidden=24, layers=2)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("replayable", [False, True])
def test_the_graph_writes_to_the_arena_itself(bundle: Bundle, replayable: bool) -> None:
    """A runtime that copied all of it would be as slow as the arena is large: 2 GB here, of which two rows are used."""
    size = bundle.info.state_size
    graph = step_graph.on_rows(bundle.model, state_size=size, replayable=replayable)
    runner = open_session(graph)
    arena = np.zeros((2**31 // (4 * size), size), np.float32)
    before = resident_bytes()
    binding, value = runner.io_binding(), OrtValue.ortvalue_from_numpy(arena)
    binding.bind_cpu_input(step_graph.X, np.zeros((1, bundle.info.input_size), np.float32))
    binding.bind_cpu_input(step_graph.SOURCE, np.array([len(arena) - 1]))
    binding.bind_cpu_input(step_graph.TARGET, np.array([[len(arena) - 2]]))
    binding.bind_ortvalue_input(step_graph.ARENA, value)
    binding.bind_ortvalue_output(step_graph.NEXT_ARENA, value)
    for name in (step_graph.UPDATE_PROB, step_graph.Y):
        binding.bind_output(name)
    runner.run_with_iobinding(binding)
    assert arena[-2].any()
    assert not arena[-1].any()
    assert resident_bytes() - before < 2**28
