"""The fast unroll: a C++ kernel (unroll.cpp): compiled on first use where a compiler is, called through ctypes.

It serves what training on a CPU is made of: one layer, an LSTM or a reset-after GRU, few features, float32 or
float64, no gradient towards the input. Everything else runs the reference in skip_rnn.py; `supports` says which.

Blocks of rows run in a pool of as many threads as torch uses; ctypes releases the GIL.
"""

import ctypes
import functools
import hashlib
import itertools
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from skiprnn.gate import GateState

_SOURCE = Path(__file__).with_name("unroll.cpp")
_FLAGS = ("-O3", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC", "-std=c++17")
_PADDED_TO = 16  # H: two vectors of float32
_ROWS = 48  # of a block: its states stay in the cache (MAX_ROWS in unroll.cpp)
_MOST_FEATURES = 64  # x·W_ih is computed row by row; above, one matrix product is faster

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Layer(NamedTuple):
    """Parameters of a layer and its gate, torch's shapes: [G·H, F], [G·H, H], [G·H], [G·H], [H], []."""

    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor
    b_hh: Tensor
    gate_weight: Tensor
    gate_bias: Tensor


class Settings(NamedTuple):
    """What does not take part in gradients."""

    cell: str  # "lstm" or "gru"
    threshold: float
    max_skip: int
    lengths: Tensor  # [B] int64
    forced: Tensor | None  # [T, B]


def available() -> bool:
    """Is there a compiled kernel for this machine, or a compiler to make one?"""
    return _library() is not None


def supports(x: Tensor, *, num_layers: int, hidden_size: int) -> bool:
    """Can the kernel unroll this? x is [T, B, F]."""
    fits = num_layers == 1 and x.shape[2] <= _MOST_FEATURES and hidden_size <= 1024
    plain = x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64) and not x.requires_grad
    return fits and plain and available()


def unroll(
    x: Tensor, layer: Layer, settings: Settings, h: Tensor, c: Tensor | None, gate: GateState
) -> tuple[Tensor, Tensor, Tensor, Tensor | None, GateState]:
    """Read sequences: x [T, B, F], h and c [B, H] → outputs [T, B, H], gates [T, B], final h, c, gate.

    Equal to the reference in outputs, final state and gradients, up to rounding.
    """
    start = (h, h if c is None else c, gate.delta_u, gate.cum)
    result = _Unroll.apply(x, gate.skipped, settings, *layer, *start)  # type: ignore[no-untyped-call]
    outputs, gates, last_h, last_c, delta_u, cum, skipped = result
    return outputs, gates, last_h, None if c is None else last_c, GateState(delta_u, cum, skipped)


class _Unroll(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, skipped: Tensor, settings: Settings, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        layer, start = Layer(*tensors[:6]), tensors[6:]
        run = _Run(x, layer, settings, start, skipped, save=any(ctx.needs_input_grad))
        run.forward()
        ctx.set_materialize_grads(False)
        ctx.run = run
        ctx.mark_non_differentiable(run.skipped)
        H = layer.w_hh.shape[1]
        h, c = run.h[:, :H].clone(), run.c[:, :H].clone() if run.lstm else run.h.new_empty(0)
        return run.out[..., :H], run.gates, h, c, run.d.clone(), run.cum.clone(), run.skipped

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        run: _Run = ctx.run
        del ctx.run  # buffers are large, and used up
        return None, None, None, *run.backward(*grads[:6])


class _Run:
    """One forward pass and, at most once, its backward pass: buffers and the calls on blocks of rows."""

    def __init__(
        self,
        x: Tensor,
        layer: Layer,
        settings: Settings,
        start: tuple[Tensor, ...],
        skipped: Tensor,
        *,
        save: bool,
    ) -> None:
        self.lstm, self.settings, self.save = settings.cell == "lstm", settings, save
        self.x, self.dtype = x.contiguous(), x.dtype
        self.T, self.B, self.F = x.shape
        self.H = layer.w_hh.shape[1]
        self.Hp = -(-self.H // _PADDED_TO) * _PADDED_TO
        self.G = 4 if self.lstm else 3
        self._pack(layer)
        self.h, self.c = self._wide(start[0]), self._wide(start[1])
        self.d, self.cum, self.skipped = start[2].clone(), start[3].clone(), skipped.clone()
        self._allocate()

    def _pack(self, layer: Layer) -> None:
        """Weights as the kernel reads them: rows of every gate padded from H to Hp, products in panels."""
        w_ih, b_ih, b_hh = (self._tall(tensor.detach()) for tensor in (layer.w_ih, layer.b_ih, layer.b_hh))
        w_hh = self._wide(self._tall(layer.w_hh.detach()))  # (G·Hp, Hp)
        self.w_ih = w_ih.t().contiguous()  # (F, G·Hp)
        self.bias, self.bias_n = b_ih + b_hh, b_hh[2 * self.Hp : 3 * self.Hp].contiguous()
        if not self.lstm:  # the GRU's third gate keeps its two biases apart
            self.bias[2 * self.Hp :] = b_ih[2 * self.Hp :]
        self.w_hh, self.w_hh_t = self._panels(w_hh.t()[: self.H]), self._panels(w_hh)
        self.gate_weight = self._wide(layer.gate_weight.detach().reshape(1, -1))[0]
        self.gate_bias = float(layer.gate_bias.detach())

    def _tall(self, rows: Tensor) -> Tensor:
        """[G·H, …] → [G·Hp, …]"""
        out = rows.new_zeros(self.G, self.Hp, *rows.shape[1:])
        out[:, : self.H] = rows.reshape(self.G, self.H, *rows.shape[1:])
        return out.flatten(0, 1)

    def _wide(self, columns: Tensor) -> Tensor:
        """[n, H] → [n, Hp]"""
        return torch.nn.functional.pad(columns.detach(), (0, self.Hp - self.H)).contiguous()

    def _panels(self, matrix: Tensor) -> Tensor:
        """[K, N] → [N / panel][K][panel]"""
        panel = 16 if self.dtype == torch.float32 else 8
        return matrix.reshape(matrix.shape[0], -1, panel).transpose(0, 1).contiguous()

    def _allocate(self) -> None:
        """Buffers for the worst case, every sample an update; pages that are not touched cost nothing."""
        T, B, Hp = self.T, self.B, self.Hp
        kept = T * B if self.save else 1
        self.out, self.gates = self._new(T, B, Hp), self._new(T, B)
        if self.settings.forced is not None:
            self.gates.copy_(self.settings.forced)
        self.acts = self._new(kept * 4 * Hp if self.save else B * 4 * Hp)
        self.h_before, self.d_after = self._new(kept * Hp), self._new(kept)
        self.c_before = self._new(kept * Hp if self.lstm else 1)
        self.update = torch.empty(T * B, dtype=torch.int32)
        self.ut, self.d_before, self.cum_before = (self._new(T * B) for _ in range(3))
        self.blocks = _blocks(B)
        self.updates = [0] * len(self.blocks)

    def _new(self, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=self.dtype)

    def forward(self) -> None:
        call = _function(self.settings.cell, "forward", self.dtype)
        self.updates = _parallel(lambda index: int(call(self._pass(index))), len(self.blocks))

    def backward(self, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """Gradients of outputs, gates, h, c, Δũ, cum → those of the layer's six tensors and of the start."""
        out, gates, h, c, d, cum = grads
        self.grad_out = None if out is None else out.contiguous()
        self.grad_gates = None if gates is None else gates.contiguous()
        self.dh = torch.zeros_like(self.h) if h is None else self._wide(h)
        self.dc = torch.zeros_like(self.h) if c is None or not c.numel() else self._wide(c)
        self.dd, self.dcum = (torch.zeros_like(self.d) if g is None else g.clone() for g in (d, cum))
        call = _function(self.settings.cell, "backward", self.dtype)
        sums = _parallel(lambda index: self._backward_block(call, index), len(self.blocks))
        start = self.dh[:, : self.H], self.dc[:, : self.H] if self.lstm else None, self.dd, self.dcum
        return *self._layer_gradients(torch.stack(sums).sum(0)), *start

    def _backward_block(self, call: Callable[[Any], int], index: int) -> Tensor:
        """One block's sums: [F·G·Hp] w_ih, [4·Hp] biases, [Hp] gate weight, [1] gate bias."""
        sums = torch.zeros(self._sizes()[-1], dtype=self.dtype)
        call(self._pass(index, sums))
        return sums

    def _sizes(self) -> list[int]:
        """Where each part of a block's sums ends."""
        w_ih = self.F * self.G * self.Hp
        return [w_ih, w_ih + 4 * self.Hp, w_ih + 5 * self.Hp, w_ih + 5 * self.Hp + 1]

    def _layer_gradients(self, sums: Tensor) -> tuple[Tensor, ...]:
        H, Hp, G, ends = self.H, self.Hp, self.G, self._sizes()
        w_ih = sums[: ends[0]].view(self.F, G, Hp)[..., :H].flatten(1).t()
        bias = sums[ends[0] : ends[1]].view(4, Hp)[:, :H]
        inner, outer = (bias, bias) if self.lstm else (bias[[0, 1, 2]], bias[[0, 1, 3]])
        gate_weight, gate_bias = sums[ends[1] : ends[2]][:H], sums[ends[2]]
        return w_ih, self._recurrent_gradient(), outer.flatten(), inner.flatten(), gate_weight, gate_bias

    def _recurrent_gradient(self) -> Tensor:
        """Σ over updates of (pre-activation gradient) ⊗ (h before it): one product a block."""
        H, Hp, G = self.H, self.Hp, self.G
        total = self._new(G * Hp, Hp).zero_()
        for (first, _), n in zip(self.blocks, self.updates, strict=True):
            start = self.T * first
            acts = self.acts[start * 4 * Hp :][: n * 4 * Hp].view(n, 4 * Hp)[:, : G * Hp]
            total.addmm_(acts.t(), self.h_before[start * Hp :][: n * Hp].view(n, Hp))
        return total.view(G, Hp, Hp)[:, :H, :H].reshape(G * H, H)

    def _pass(self, index: int, sums: Tensor | None = None) -> Any:
        """The arguments of one call (`Pass` in unroll.cpp); `sums` makes it a backward one."""
        first, last = self.blocks[index]
        m, start, Hp, B = last - first, self.T * first, self.Hp, self.B
        kept = start if self.save else 0
        p = _pass_type(self.dtype)()
        p.T, p.m, p.F, p.H, p.Hp = self.T, m, self.F, self.H, Hp
        p.max_skip, p.save, p.forced = self.settings.max_skip, self.save, self.settings.forced is not None
        p.threshold, p.gate_bias = self.settings.threshold, self.gate_bias
        p.x, p.x_stride = _at(self.x, first * self.F), B * self.F
        for name in ("w_ih", "bias", "bias_n", "w_hh", "w_hh_t", "gate_weight"):
            setattr(p, name, _at(getattr(self, name)))
        p.h, p.d, p.cum, p.skipped = (
            _at(self.h, first * Hp),
            *(_at(t, first) for t in (self.d, self.cum, self.skipped)),
        )
        p.lengths = _at(self.settings.lengths, first)
        p.out, p.out_stride, p.gates, p.gates_stride = (
            _at(self.out, first * Hp),
            B * Hp,
            _at(self.gates, first),
            B,
        )
        p.acts = _at(self.acts, (kept if self.save else first) * 4 * Hp)
        p.h_before, p.d_after = _at(self.h_before, kept * Hp), _at(self.d_after, kept)
        if self.lstm:
            p.c, p.c_before = _at(self.c, first * Hp), _at(self.c_before, kept * Hp)
        for name in ("update", "ut", "d_before", "cum_before"):
            setattr(p, name, _at(getattr(self, name), start))
        scratch = self._new(m * self.G * Hp + 4 * Hp + m * Hp)
        p.products, p.scratch = _at(scratch), _at(scratch, m * self.G * Hp)
        p.keep_alive = (scratch, sums)
        return p if sums is None else self._with_gradients(p, first, sums)

    def _with_gradients(self, p: Any, first: int, sums: Tensor) -> Any:
        p.dh, p.dd, p.dcum = _at(self.dh, first * self.Hp), _at(self.dd, first), _at(self.dcum, first)
        if self.lstm:
            p.dc = _at(self.dc, first * self.Hp)
        if self.grad_out is not None:
            p.grad_out, p.grad_out_stride = _at(self.grad_out, first * self.H), self.B * self.H
        if self.grad_gates is not None:
            p.grad_gates, p.grad_gates_stride = _at(self.grad_gates, first), self.B
        bias, gate_weight, gate_bias, _ = self._sizes()
        p.dw_ih, p.dbias, p.dgate_weight, p.dgate_bias = (
            _at(sums, at) for at in (0, bias, gate_weight, gate_bias)
        )
        return p


# -- the library -------------------------------------------------------------------------------------------------------


@functools.cache
def _library() -> ctypes.CDLL | None:
    """The compiled kernel, from the user's cache directory; None where it cannot be had, with the reason in the log."""
    target = _target()
    compiler = shutil.which("g++") or shutil.which("clang++")
    if target is None:
        _log.info("no kernel: expected an x86-64 CPU with AVX2 and FMA")
        return None
    digest = hashlib.sha256(_SOURCE.read_bytes() + " ".join((*_FLAGS, target)).encode()).hexdigest()[:16]
    library = _cache() / f"unroll-{digest}.so"
    if not library.is_file() and not (compiler and _compile(compiler, target, library)):
        _log.info("no kernel: found no C++ compiler (g++ or clang++) that builds it")
        return None
    return ctypes.CDLL(str(library))


def _target() -> str | None:
    if platform.machine() not in (
        "x86_64",
        "AMD64",
    ) or not torch.backends.cpu.get_cpu_capability().startswith("AVX"):
        return None
    return "-march=x86-64-v3"


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "skiprnn"


def _compile(compiler: str, target: str, library: Path) -> bool:
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        made = Path(folder) / library.name
        done = subprocess.run(
            [compiler, *_FLAGS, target, "-o", made, _SOURCE], capture_output=True, check=False
        )
        if done.returncode:
            _log.warning("no kernel: %s", done.stderr.decode(errors="replace")[:500])
            return False
        made.replace(library)
    return True


def _function(cell: str, direction: str, dtype: torch.dtype) -> Callable[[Any], int]:
    library = _library()
    if library is None:
        raise RuntimeError("the kernel was asked for, but there is none: see `available`")
    function = getattr(library, f"{cell}_{direction}_{'f32' if dtype == torch.float32 else 'f64'}")
    function.restype = ctypes.c_int64
    return lambda p: int(function(ctypes.byref(p)))


@functools.cache
def _pass_type(dtype: torch.dtype) -> Any:
    """`Pass` in unroll.cpp, field by field."""
    number = ctypes.c_float if dtype == torch.float32 else ctypes.c_double
    integers = ("T", "m", "F", "H", "Hp", "max_skip", "save", "forced")
    layout = "x *x w_ih bias bias_n w_hh w_hh_t gate_weight h c d cum skipped lengths out *out gates *gates"
    layout += " acts h_before c_before d_after update ut d_before cum_before products"
    layout += (
        " dh dc dd dcum grad_out *grad_out grad_gates *grad_gates dw_ih dbias dgate_weight dgate_bias scratch"
    )
    fields: list[tuple[str, Any]] = [(name, ctypes.c_int64) for name in integers]
    fields += [("threshold", number), ("gate_bias", number)]
    fields += [_field(name) for name in layout.split()]
    return type("Pass", (ctypes.Structure,), {"_fields_": fields})


def _field(name: str) -> tuple[str, Any]:
    """`*x` is the stride of `x`; everything else a pointer."""
    return (f"{name[1:]}_stride", ctypes.c_int64) if name.startswith("*") else (name, ctypes.c_void_p)


def _at(tensor: Tensor, offset: int = 0) -> int:
    return tensor.data_ptr() + offset * tensor.element_size()


def _blocks(B: int) -> list[tuple[int, int]]:
    """Rows in blocks of at most _ROWS, of equal size, as many as the threads divide."""
    threads = torch.get_num_threads()
    count = -(-B // _ROWS)
    if threads <= B:
        count = -(-count // threads) * threads
    edges = [B * index // count for index in range(count + 1)]
    return list(itertools.pairwise(edges))


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="skiprnn-unroll")


def _parallel(work: Callable[[int], _T], count: int) -> list[_T]:
    threads = min(torch.get_num_threads(), count)
    if threads == 1:
        return [work(index) for index in range(count)]
    return list(_pool(threads).map(work, range(count)))
