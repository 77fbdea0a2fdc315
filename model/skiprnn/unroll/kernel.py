"""The unroll in C++ (kernel.cpp), through ctypes: LSTM and reset-after GRU, any number of layers, on a CPU.

Blocks of rows run in a pool of as many threads as torch uses; ctypes releases the GIL. A call unrolls a block's
sequences from end to end.

Glossary: G gates of a cell, Hp = H padded to whole vectors, S = L·Hp (GRU) or 2·L·Hp (LSTM) the width of a state row.
"""

import ctypes
import functools
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from torch import Tensor

from skiprnn.gate import GateState
from skiprnn.unroll.build import library
from skiprnn.unroll.contract import Gradients, Layer, Problem, ProblemGradients, Result, SkipState, Stack
from skiprnn.unroll.workspace import Lease, fresh

_PADDED_TO = 16  # H: two vectors of float32
_ROWS = 48  # of a block: its states stay in the cache; at most _MOST_ROWS
_SUMMED_TOGETHER = 96  # updates (SUMMED_TOGETHER in kernel.cpp)
_MOST_ROWS = 64  # MAX_ROWS in kernel.cpp
_CELLS = {"lstm": 4, "gru": 3}  # gates of each

_WEIGHTS = ("w_ih", "w_up", "w_up_t", "w_hh", "w_hh_t", "bias", "bias_n", "gate_weight")
_SUMS = ("dw_ih", "dbias", "dgate_weight", "dgate_bias", "dw_hh", "dw_up")

_T = TypeVar("_T")


def obstacle(cell: str, x: Tensor) -> str | None:
    """Why the kernel cannot unroll x [T, B, F]; None if it can."""
    if cell not in _CELLS:
        return "the reset-before GRU has another recurrent product at every sample"
    if x.device.type != "cpu":
        return f"it runs on the CPU, the input is on {x.device}"
    if x.dtype not in (torch.float32, torch.float64):
        return f"expected float32 or float64, got {x.dtype}"
    loaded = library()
    return loaded.reason if loaded.functions is None else None


class KernelRun:
    """One forward pass and, at most once, its backward pass: buffers and the calls on blocks of rows."""

    def __init__(self, problem: Problem) -> None:
        x, self.stack, self.settings, start, self.save, self.needs_dx = problem
        self.x, self.dtype = x.contiguous(), x.dtype
        self.T, self.B, self.F = x.shape
        self.H, self.L = self.stack.gate_weight.shape[0], len(self.stack.layers)
        self.Hp = -(-self.H // _PADDED_TO) * _PADDED_TO
        self.G, self.parts = _CELLS[self.settings.cell], 1 if start.c is None else 2
        self.S = self.L * self.parts * self.Hp
        self.blocks = _blocks(self.B)
        self.updates = [0] * len(self.blocks)
        self._pack()
        self.state = self._rows([start.h] if start.c is None else [start.h, start.c])
        self.d, self.cum, self.skipped = (tensor.clone() for tensor in start.gate)
        ends = self.settings.lengths
        ends = torch.full((self.B,), self.T) if ends is None else ends
        self.lengths = ends.to("cpu", torch.int64).contiguous()
        self._allocate()

    def _rows(self, vectors: list[Tensor]) -> Tensor:
        """h, c of all layers [L, B, H] → states [B, S]"""
        padded = torch.nn.functional.pad(torch.stack(vectors, 1), (0, self.Hp - self.H))  # (L, 1|2, B, Hp)
        return padded.permute(2, 0, 1, 3).flatten(1).contiguous()

    def _vectors(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """States [B, S] → h, c [L, B, H]"""
        padded = rows.view(self.B, self.L, self.parts, self.Hp)
        vectors = padded[..., : self.H].permute(2, 1, 0, 3).contiguous()
        return vectors[0], vectors[1].clone() if self.parts == 2 else None

    def _pack(self) -> None:
        """Weights as the kernel takes them: rows of every gate padded from H to Hp, products in panels."""
        layers, H = self.stack.layers, self.H
        lower = self._tall(layers[0].w_ih)  # (G·Hp, F)
        upper = [self._wide(self._tall(layer.w_ih)) for layer in layers[1:]]  # (G·Hp, Hp) each
        w_hh = [self._wide(self._tall(layer.w_hh)) for layer in layers]
        self.w_ih, self.to_x = self._panels([lower.t()]), self._spread(lower)  # to_x: (4·Hp, F)
        self.w_hh, self.w_hh_t = self._panels([w.t()[:H] for w in w_hh]), self._panels(w_hh)
        self.w_up = self._panels([w.t()[:H] for w in upper])
        self.w_up_t = self._panels([self._spread(w) for w in upper])
        biases = [self._biases(layer) for layer in layers]
        self.bias, self.bias_n = (torch.stack(each) for each in zip(*biases, strict=True))
        self.gate_weight = self._wide(self.stack.gate_weight.unsqueeze(0))[0]
        self.gate_bias = float(self.stack.gate_bias)

    def _biases(self, layer: Layer) -> tuple[Tensor, Tensor]:
        """[G·Hp] of the pre-activations, [Hp] inside r∘(…): the GRU's third gate keeps its two apart."""
        b_ih, b_hh = self._tall(layer.b_ih), self._tall(layer.b_hh)
        third = slice(2 * self.Hp, 3 * self.Hp)
        bias = b_ih + b_hh
        if self.G == 3:
            bias[third] = b_ih[third]
        return bias, b_hh[third]

    def _tall(self, rows: Tensor) -> Tensor:
        """[G·H, …] → [G·Hp, …]"""
        out = rows.new_zeros(self.G, self.Hp, *rows.shape[1:])
        out[:, : self.H] = rows.reshape(self.G, self.H, *rows.shape[1:])
        return out.flatten(0, 1)

    def _wide(self, columns: Tensor) -> Tensor:
        """[n, H] → [n, Hp]"""
        return torch.nn.functional.pad(columns, (0, self.Hp - self.H)).contiguous()

    def _spread(self, rows: Tensor) -> Tensor:
        """[G·Hp, n] → [4·Hp, n] in the order of an update's gradients; the GRU's p has nothing from the input."""
        if self.G == 4:
            return rows
        r_z, n = rows[: 2 * self.Hp], rows[2 * self.Hp :]
        return torch.cat([r_z, torch.zeros_like(n), n])

    def _panels(self, matrices: list[Tensor]) -> Tensor:
        """[K, N] each → [N / panel][K][panel], one after another"""
        panel = 16 if self.dtype == torch.float32 else 8
        packed = [m.reshape(m.shape[0], -1, panel).transpose(0, 1).flatten() for m in matrices]
        return torch.cat(packed) if packed else self._new(0)

    def _allocate(self) -> None:
        """Buffers for the worst case, every sample an update; pages that are not touched cost nothing."""
        T, B, Hp, L = self.T, self.B, self.Hp, self.L
        saved = T * B if self.save else 0
        shapes = [(saved, L, 4 * Hp), (saved, self.S), (saved, L - 1, Hp)]
        self.lease = Lease(shapes, self.dtype, self.x.device)
        self.acts, self.before, self.below = self.lease.tensors
        self.out, self.gates = fresh(T, B, Hp, dtype=self.dtype, device=self.x.device), self._new(T, B)
        if self.settings.forced is not None:
            self.gates.copy_(self.settings.forced)
        self.update = torch.empty(T * B, dtype=torch.int32)
        self.d_after, self.ut, self.d_before, self.cum_before = (self._new(T * B) for _ in range(4))

    def _new(self, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=self.dtype)

    def forward(self) -> Result:
        call = _function(self.settings.cell, "forward", self.dtype)
        self.updates = _parallel(lambda index: int(call(self._pass(index))), len(self.blocks))
        h, c = self._vectors(self.state)
        gate = GateState(self.d.clone(), self.cum.clone(), self.skipped)
        return Result(self.out[..., : self.H], self.gates, SkipState(h, c, gate))

    def backward(self, gradients: Gradients) -> ProblemGradients:
        out, gates, h, c, d, cum = gradients
        self.grad_out = None if out is None else out.contiguous()
        self.grad_gates = None if gates is None else gates.contiguous()
        zero = self.state.new_zeros(self.L, self.B, self.H)
        self.grad = self._rows([zero if g is None else g for g in (h, c)[: self.parts]])
        self.dd, self.dcum = (torch.zeros_like(self.d) if g is None else g.clone() for g in (d, cum))
        call = _function(self.settings.cell, "backward", self.dtype)
        sums = _parallel(lambda index: self._backward_block(call, index), len(self.blocks))
        stack = self._stack_gradients(torch.stack(sums).sum(0))
        dx = self._input_gradient() if self.needs_dx else None
        return ProblemGradients(dx, stack, *self._vectors(self.grad), self.dd, self.dcum)

    def _backward_block(self, call: Callable[[Any], int], index: int) -> Tensor:
        """One block's sums, see `_sizes`."""
        sums = torch.zeros(sum(self._sizes()), dtype=self.dtype)
        call(self._pass(index, sums))
        return sums

    def _sizes(self) -> tuple[int, ...]:
        """Of the sums, in the order of `_SUMS`."""
        rows = self.G * self.Hp
        square = self.H * rows
        return self.F * rows, self.L * 4 * self.Hp, self.Hp, 1, self.L * square, (self.L - 1) * square

    def _input_gradient(self) -> Tensor:
        """dx [T, B, F]: a skipped sample gets none."""
        dx = self.x.new_zeros(self.T * self.B, self.F)
        for (first, last), n in zip(self.blocks, self.updates, strict=True):
            dz = self.acts[self.T * first : self.T * first + n, 0]
            dx.index_copy_(0, self._samples(first, last), dz @ self.to_x)
        return dx.view_as(self.x)

    def _samples(self, first: int, last: int) -> Tensor:
        """Indices into [T · B] of the updates of rows first … last, in their order."""
        m = last - first
        at = (self.update[self.T * first : self.T * last] >= 0).nonzero().squeeze(1)
        return at // m * self.B + first + at % m

    def _stack_gradients(self, sums: Tensor) -> Stack:
        w_ih, biases, gate_weight, gate_bias, w_hh, w_up = sums.split_with_sizes(self._sizes())
        rows = self.G * self.Hp
        inputs = [w_ih.view(self.F, rows), *w_up.view(self.L - 1, self.H, rows)]
        states, four = w_hh.view(self.L, self.H, rows), biases.view(self.L, 4, self.Hp)[..., : self.H]
        layers = []
        for w_input, w_state, bias in zip(inputs, states, four, strict=True):
            inner, outer = (bias, bias.clone()) if self.G == 4 else (bias[[0, 1, 2]], bias[[0, 1, 3]])
            layers.append(Layer(self._short(w_input), self._short(w_state), outer.flatten(), inner.flatten()))
        return Stack(tuple(layers), gate_weight[: self.H], gate_bias[0])

    def _short(self, transposed: Tensor) -> Tensor:
        """[n, G·Hp] → [G·H, n]"""
        return transposed.view(-1, self.G, self.Hp)[..., : self.H].flatten(1).t()

    def _pass(self, index: int, sums: Tensor | None = None) -> Any:
        """The arguments of one call (`Pass` in kernel_cells.h); `sums` makes it a backward one."""
        first, last = self.blocks[index]
        p = _pass_type(self.dtype)()
        p.T, p.m, p.F, p.H, p.Hp, p.L = self.T, last - first, self.F, self.H, self.Hp, self.L
        p.max_skip, p.save, p.forced = self.settings.max_skip, self.save, self.settings.forced is not None
        p.threshold, p.gate_bias = self.settings.threshold, self.gate_bias
        for name in _WEIGHTS:
            setattr(p, name, _at(getattr(self, name)))
        self._place_sequences(p, first)
        self._place_saved(p, index)
        if sums is not None:
            self._place_gradients(p, first, sums)
        return p

    def _place_sequences(self, p: Any, first: int) -> None:
        """What is a slice of whole-batch arrays: input, output, and the state of each row."""
        p.x, p.x_stride = _at(self.x, first * self.F), self.B * self.F
        p.out, p.out_stride = _at(self.out, first * self.Hp), self.B * self.Hp
        p.gates, p.gates_stride = _at(self.gates, first), self.B
        p.state, p.lengths = _at(self.state, first * self.S), _at(self.lengths, first)
        for name in ("d", "cum", "skipped"):
            setattr(p, name, _at(getattr(self, name), first))

    def _place_saved(self, p: Any, index: int) -> None:
        """What belongs to the block: memory for its updates, and scratch."""
        start, products = self.T * self.blocks[index][0], p.m * self.G * self.Hp
        if self.save:
            p.acts, p.before = _at(self.acts, start * self.L * 4 * self.Hp), _at(self.before, start * self.S)
            p.below = _at(self.below, start * (self.L - 1) * self.Hp)
        for name in ("update", "ut", "d_before", "cum_before", "d_after"):
            setattr(p, name, _at(getattr(self, name), start))
        sizes = self.L * products, products, (4 + p.m) * self.Hp, (_SUMMED_TOGETHER + _MOST_ROWS) * self.F
        p.own = self._new(sum(sizes))  # an attribute, to keep it alive
        starts = itertools.accumulate(sizes, initial=0)
        p.products, p.inputs, p.scratch, p.gathered = (
            _at(p.own, at) for at, _ in zip(starts, sizes, strict=False)
        )

    def _place_gradients(self, p: Any, first: int, sums: Tensor) -> None:
        p.grad, p.dd, p.dcum = _at(self.grad, first * self.S), _at(self.dd, first), _at(self.dcum, first)
        if self.grad_out is not None:
            p.grad_out, p.grad_out_stride = _at(self.grad_out, first * self.H), self.B * self.H
        if self.grad_gates is not None:
            p.grad_gates, p.grad_gates_stride = _at(self.grad_gates, first), self.B
        for name, start in zip(_SUMS, itertools.accumulate(self._sizes(), initial=0), strict=False):
            setattr(p, name, _at(sums, start))


def _function(cell: str, direction: str, dtype: torch.dtype) -> Callable[[Any], int]:
    loaded = library()
    if loaded.functions is None:
        raise RuntimeError(f"expected a kernel, got none: {loaded.reason}")
    function = getattr(loaded.functions, f"{cell}_{direction}_{'f32' if dtype == torch.float32 else 'f64'}")
    function.restype = ctypes.c_int64
    return lambda p: int(function(ctypes.byref(p)))


@functools.cache
def _pass_type(dtype: torch.dtype) -> Any:
    """`Pass` in kernel.cpp, field by field."""
    number = ctypes.c_float if dtype == torch.float32 else ctypes.c_double
    integers = ("T", "m", "F", "H", "Hp", "L", "max_skip", "save", "forced")
    layout = f"x *x {' '.join(_WEIGHTS)} state d cum skipped lengths out *out gates *gates"
    layout += " acts before below d_after update ut d_before cum_before products inputs"
    layout += f" grad dd dcum grad_out *grad_out grad_gates *grad_gates {' '.join(_SUMS)} scratch gathered"
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
    count = max(1, -(-B // _ROWS))
    if threads <= B:
        count = -(-count // threads) * threads
    edges = [B * index // count for index in range(count + 1)]
    return list(itertools.pairwise(edges))


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="skiprnn-unroll")


if hasattr(os, "register_at_fork"):  # where there is fork, a child has none of its parent's threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


def _parallel(work: Callable[[int], _T], count: int) -> list[_T]:
    threads = min(torch.get_num_threads(), count)
    if threads == 1:
        return [work(index) for index in range(count)]
    return list(_pool(threads).map(work, range(count)))
