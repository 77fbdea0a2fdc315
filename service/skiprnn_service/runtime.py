"""ONNX Runtime: sessions on a provider, and one prepared run for every batch size.

On the CPU a run reads and writes the caller's arrays themselves. On a GPU (and wherever `staged`) it has memory of its
own: arrays are copied to it, the step runs, the results are copied back. Each prepared run keeps its addresses, so the
CUDA provider can record it once as a CUDA graph and replay it, known by the number of the run.
"""

import itertools
import logging
import os
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skiprnn_service.errors import ModelError

CPU = ("CPUExecutionProvider",)
CUDA = ("CUDAExecutionProvider",)
PROVIDERS = {"cpu": CPU, "cuda": CUDA, "auto": CUDA + CPU}  # by the setting `device`
INPUTS, OUTPUTS = ("x", "state"), ("new_state", "update_prob", "y")

Arrays = Mapping[str, NDArray[np.float32]]

_log = logging.getLogger(__name__)
_numbers = itertools.count(1)  # of CUDA graphs: never the same for two sets of addresses


class Runtime:
    """One bundle's graph on a provider; prepared runs of several threads may share it.

    Args:
        model: the bundle's file.
        threads: of one step.
        providers: the one to run on; each further one is a fallback that is allowed, and logged when it is taken.
        staged: keep memory apart from the caller's arrays also on the CPU, as a GPU must.

    Attributes:
        provider: that it runs on.

    Raises:
        ModelError: no such provider here, or it did not start, or ONNX Runtime refuses the graph.
    """

    def __init__(self, model: bytes, *, threads: int, providers: Sequence[str], staged: bool = False) -> None:
        self.session = _open(model, threads, providers)
        self.provider: str = self.session.get_providers()[0]
        self.device = "cuda" if self.provider in CUDA else "cpu"
        self.staged = staged or self.device != "cpu"
        self.lock = Lock()  # a session that records or replays CUDA graphs is for one thread at a time

    def prepare(self, arrays: Arrays, size: int) -> "Run":
        """The step on the first `size` rows of these arrays."""
        return StagedRun(self, arrays, size) if self.staged else Run(self, arrays, size)


class Run:
    """The step, bound to the caller's memory."""

    def __init__(self, runtime: Runtime, arrays: Arrays, size: int) -> None:
        from onnxruntime import OrtValue

        self._run, self._binding = runtime.session.run_with_iobinding, runtime.session.io_binding()
        for name in INPUTS:
            self._binding.bind_ortvalue_input(name, OrtValue.ortvalue_from_numpy(arrays[name][:size]))
        for name in OUTPUTS:
            self._binding.bind_ortvalue_output(name, OrtValue.ortvalue_from_numpy(arrays[name][:size]))

    def __call__(self) -> None:
        self._run(self._binding)


class StagedRun(Run):
    """The step, bound to memory of its own on the provider's device."""

    def __init__(self, runtime: Runtime, arrays: Arrays, size: int) -> None:
        from onnxruntime import OrtValue, RunOptions

        def beside(name: str) -> tuple[Any, NDArray[np.float32]]:
            rows = arrays[name][:size]
            return OrtValue.ortvalue_from_shape_and_type(rows.shape, np.float32, runtime.device, 0), rows

        self._run, self._binding, self._lock = (
            runtime.session.run_with_iobinding,
            runtime.session.io_binding(),
            runtime.lock,
        )
        self._inputs = {name: beside(name) for name in INPUTS}
        self._outputs = {name: beside(name) for name in OUTPUTS}
        for name, (value, _) in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        for name, (value, _) in self._outputs.items():
            self._binding.bind_ortvalue_output(name, value)
        self._options = RunOptions()
        self._options.add_run_config_entry("gpu_graph_id", str(next(_numbers)))

    def __call__(self) -> None:
        with self._lock:
            for value, rows in self._inputs.values():
                value.update_inplace(rows)
            self._run(self._binding, self._options)
            for value, rows in self._outputs.values():
                rows[...] = value.numpy()


def check_device(device: str) -> None:
    """Raise ModelError where none of a setting's providers is installed. Importing the runtime takes a moment."""
    import onnxruntime

    available = onnxruntime.get_available_providers()
    if not set(PROVIDERS[device]) & set(available):
        raise ModelError(_missing(PROVIDERS[device], available))


def _open(model: bytes, threads: int, providers: Sequence[str]) -> Any:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # on by default, and read at import
    import onnxruntime

    available = onnxruntime.get_available_providers()
    here = [provider for provider in providers if provider in available]
    if not here:
        raise ModelError(_missing(providers, available))
    if here[0] in CUDA:
        onnxruntime.preload_dlls()  # CUDA and cuDNN from their wheels: no installation of them is needed
    try:
        session = onnxruntime.InferenceSession(
            model, _options(onnxruntime, threads), providers=[_with_options(provider) for provider in here]
        )
    except Exception as error:  # ONNX Runtime's exceptions have no base of their own
        raise ModelError(f"ONNX Runtime refuses the graph: {error}") from error
    _check(session.get_providers()[0], providers, available)
    return session


def _options(onnxruntime: Any, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _with_options(provider: str) -> Any:
    return (provider, {"enable_cuda_graph": "1"}) if provider in CUDA else provider


def _check(provider: str, wanted: Sequence[str], available: Sequence[str]) -> None:
    """ONNX Runtime falls back to the CPU by itself, with a line in its log."""
    if provider not in wanted:
        raise ModelError(_missing(wanted, available, got=provider))
    if provider != wanted[0]:
        _log.warning("update steps run on %s: %s is not to be had here", provider, wanted[0])


def _missing(wanted: Sequence[str], available: Sequence[str], *, got: str = "") -> str:
    said = f"providers: expected {' or '.join(wanted)}, " + (
        f"which did not start (ONNX Runtime's log says why), got {got}" if got else f"got {list(available)}"
    )
    if set(wanted) & set(CUDA):
        said += "; install skiprnn[gpu] in place of skiprnn[serve], or say device auto or cpu"
    return said
