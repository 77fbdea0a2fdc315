"""ONNX Runtime: sessions on a provider, the memory of states, and one prepared run for every batch size.

States stay where steps run, in a memory of rows that the graph itself gathers from and scatters to (`step_graph.py`).
On the CPU a run reads and writes the caller's arrays. On a GPU (and wherever it is `apart`) it has memory of its own:
samples and row numbers are copied to it, the step runs, Δũ and outputs are copied back; states never move. Each
prepared run has fixed addresses, so the CUDA provider can record it once as a CUDA graph and replay it, known by the
number of the run.
"""

import itertools
import logging
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skiprnn_service.engine import step_graph
from skiprnn_service.engine.step_graph import ARENA, NEXT_ARENA, SOURCE, TARGET, UPDATE_PROB, X, Y
from skiprnn_service.errors import ModelError

CPU = ("CPUExecutionProvider",)
CUDA = ("CUDAExecutionProvider",)
PROVIDERS = {"cpu": CPU, "cuda": CUDA, "auto": CUDA + CPU}  # by the setting `device`
INPUTS, OUTPUTS = (X, SOURCE, TARGET), (UPDATE_PROB, Y)

Arrays = Mapping[str, NDArray[Any]]
Rows = NDArray[np.int64]
States = NDArray[np.float32]

_log = logging.getLogger(__name__)
_numbers = itertools.count(1)  # of CUDA graphs: never the same for two sets of addresses
_device = Lock()  # while one thread records a CUDA graph no other may allocate or copy, whatever its session


class Runtime:
    """One bundle's step on a provider; memories and prepared runs of several threads may share it.

    Args:
        model: the bundle's file.
        state_size: S.
        threads: of one step.
        providers: the one to run on; each further one is a fallback that is allowed, and logged when it is taken.
        apart: use memory apart from the caller's arrays also on the CPU, as a GPU must.

    Attributes:
        provider: that it runs on.

    Raises:
        ModelError: no such provider here, or it did not start, or ONNX Runtime rejects the graph.
    """

    def __init__(
        self, model: bytes, *, state_size: int, threads: int, providers: Sequence[str], apart: bool = False
    ) -> None:
        here = _here(providers)
        self.state_size, self.apart = state_size, apart or here[0] in CUDA
        self._start(model, threads, here)
        _check(self.provider, providers)
        if self.apart and not apart and self.provider not in CUDA:  # CUDA is installed, and did not start
            self.apart = False
            self._start(model, threads, [self.provider])
        self.device = "cuda" if self.provider in CUDA else "cpu"

    def _start(self, model: bytes, threads: int, providers: Sequence[str]) -> None:
        try:
            graph = step_graph.on_rows(model, state_size=self.state_size, replayable=self.apart)
        except ValueError as error:
            raise ModelError(str(error)) from error
        self.session = _open(graph, threads, providers, replay=True)
        self.provider: str = self.session.get_providers()[0]

    def memory(self, rows: int) -> "Memory":
        """Memory for that many states. What it holds is undefined."""
        return DeviceMemory(self, rows) if self.apart else HostMemory(self, rows)

    def prepare(self, arrays: Arrays, memory: "Memory", size: int) -> "Run":
        """The step on the first `size` rows of these arrays: x, source, target, update_prob and y by their names in
        the graph."""
        return DeviceRun(self, arrays, memory, size) if self.apart else Run(self, arrays, memory, size)

    @cached_property
    def reader(self) -> Any:
        """A session of `step_graph.reader`."""
        return _open(step_graph.reader(self.state_size), 1, [self.provider], replay=False)

    @cached_property
    def writer(self) -> Any:
        """A session of `step_graph.writer`."""
        return _open(step_graph.writer(self.state_size), 1, [self.provider], replay=False)


class Memory(Protocol):
    """float32 [R, S]: states, one a row, where steps run.

    Attributes:
        value: what runs are bound to.
    """

    value: Any

    def read(self, rows: Rows) -> States:
        """Copies of rows [M] that no run is writing to: [M, S]."""

    def write(self, rows: Rows, states: States) -> None:
        """Put states [M, S] into rows [M] that no run reads or writes."""


class HostMemory:
    """An array. Rows that were never written take address space, not memory."""

    def __init__(self, runtime: Runtime, rows: int) -> None:
        from onnxruntime import OrtValue

        self._array = np.empty((rows, runtime.state_size), np.float32)
        self.value = OrtValue.ortvalue_from_numpy(self._array)

    def read(self, rows: Rows) -> States:
        return self._array[rows]

    def write(self, rows: Rows, states: States) -> None:
        self._array[rows] = states


class DeviceMemory:
    """Memory of the provider, read and written by small graphs of their own."""

    def __init__(self, runtime: Runtime, rows: int) -> None:
        self._runtime = runtime
        self.value = _on(runtime.device, (rows, runtime.state_size), np.float32)

    def read(self, rows: Rows) -> States:
        reader = self._runtime.reader
        with _device:
            binding = reader.io_binding()
            binding.bind_ortvalue_input("arena", self.value)
            binding.bind_cpu_input("rows", rows)
            binding.bind_output("states")
            reader.run_with_iobinding(binding)
            states: States = binding.copy_outputs_to_cpu()[0]
        return states

    def write(self, rows: Rows, states: States) -> None:
        writer = self._runtime.writer
        with _device:
            binding = writer.io_binding()
            binding.bind_ortvalue_input("arena", self.value)
            binding.bind_cpu_input("rows", rows[:, np.newaxis])
            binding.bind_cpu_input("states", np.ascontiguousarray(states, np.float32))
            binding.bind_ortvalue_output("next_arena", self.value)
            writer.run_with_iobinding(binding)


class Run:
    """The step, bound to the caller's arrays."""

    def __init__(self, runtime: Runtime, arrays: Arrays, memory: Memory, size: int) -> None:
        self._run, self._binding = runtime.session.run_with_iobinding, runtime.session.io_binding()
        values = {name: self._value(runtime.device, arrays[name][:size]) for name in (*INPUTS, *OUTPUTS)}
        for name in INPUTS:
            self._binding.bind_ortvalue_input(name, values[name])
        for name in OUTPUTS:
            self._binding.bind_ortvalue_output(name, values[name])
        self._binding.bind_ortvalue_input(ARENA, memory.value)
        self._binding.bind_ortvalue_output(NEXT_ARENA, memory.value)

    def _value(self, _device: str, rows: NDArray[Any]) -> Any:
        from onnxruntime import OrtValue

        return OrtValue.ortvalue_from_numpy(rows)

    def __call__(self) -> None:
        self._run(self._binding)


class DeviceRun(Run):
    """The step, bound to the provider's memory; the caller's arrays are copied to and from it."""

    def __init__(self, runtime: Runtime, arrays: Arrays, memory: Memory, size: int) -> None:
        from onnxruntime import RunOptions

        self._values: list[tuple[Any, NDArray[Any]]] = []  # of the device, and of the caller
        super().__init__(runtime, arrays, memory, size)
        self._options = RunOptions()
        self._options.add_run_config_entry("gpu_graph_id", str(next(_numbers)))

    def _value(self, device: str, rows: NDArray[Any]) -> Any:
        value = _on(device, rows.shape, rows.dtype)
        self._values.append((value, rows))
        return value

    def __call__(self) -> None:
        inputs, outputs = self._values[: len(INPUTS)], self._values[len(INPUTS) :]
        with _device:
            for value, rows in inputs:
                value.update_inplace(rows)
            self._run(self._binding, self._options)
            for value, rows in outputs:
                rows[...] = value.numpy()


def check_device(device: str) -> None:
    """Raise ModelError where none of a setting's providers is installed. Importing the runtime takes a moment."""
    import onnxruntime

    available = onnxruntime.get_available_providers()
    if not set(PROVIDERS[device]) & set(available):
        raise ModelError(_missing(PROVIDERS[device], available))


def _here(providers: Sequence[str]) -> list[str]:
    """Those of the providers that are installed; ModelError where none is."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # on by default, and read at import
    import onnxruntime

    available = onnxruntime.get_available_providers()
    here = [provider for provider in providers if provider in available]
    if not here:
        raise ModelError(_missing(providers, available))
    if here[0] in CUDA:
        onnxruntime.preload_dlls()  # CUDA and cuDNN from their wheels: no installation of them is needed
    return here


def _open(model: bytes, threads: int, providers: Sequence[str], *, replay: bool) -> Any:
    """A session. `replay`: record its runs as CUDA graphs."""
    import onnxruntime

    with_options = [(p, {"enable_cuda_graph": "1"}) if replay and p in CUDA else p for p in providers]
    try:
        with _device:
            return onnxruntime.InferenceSession(model, _options(onnxruntime, threads), providers=with_options)
    except Exception as error:  # ONNX Runtime's exceptions have no base of their own
        raise ModelError(f"ONNX Runtime rejects the graph: {error}") from error


def _on(device: str, shape: tuple[int, ...], dtype: Any) -> Any:
    from onnxruntime import OrtValue

    with _device:
        return OrtValue.ortvalue_from_shape_and_type(shape, dtype, device, 0)


def _options(onnxruntime: Any, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _check(provider: str, requested: Sequence[str]) -> None:
    """ONNX Runtime falls back to the CPU by itself, with a line in its log."""
    if provider not in requested:
        raise ModelError(_missing(requested, (), got=provider))
    if provider != requested[0]:
        _log.warning("update steps run on %s: %s is not available", provider, requested[0])


def _missing(requested: Sequence[str], available: Sequence[str], *, got: str = "") -> str:
    text = f"providers: expected {' or '.join(requested)}, " + (
        f"which did not start (see ONNX Runtime's log), got {got}" if got else f"got {list(available)}"
    )
    if set(requested) & set(CUDA):
        text += "; install the extra gpu in place of serve, or set device to auto or cpu"
    return text
