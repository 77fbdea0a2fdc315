"""The forward pass in torch operations: any cell, any number of layers, any device and floating dtype.

The states of all layers are one row of S numbers: [h of layer 0, (c of layer 0,) h of layer 1, …]. At every sample the
rows that are due are gathered, stepped and scattered; the others cost nothing but their gate. For the backward pass
(torch_backward.py) the state before each update and its activations are saved. Updates are numbered in the order of
time; after the last one come the B final states, so `before` holds every state that a row was ever in.

On a GPU the gathering waits for the device once a sample. It is written for any device, and was run on CPUs alone.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from skiprnn.gate import GateState, opens
from skiprnn.unroll.cells import CELLS
from skiprnn.unroll.contract import Problem, Result, SkipState
from skiprnn.unroll.workspace import Lease, fresh


class Trace(NamedTuple):
    """The gate at every sample, all [T, B], and the rows that were due at each: None for all of them."""

    opened: Tensor
    u_tilde: Tensor
    delta_u: Tensor  # before the sample
    cum: Tensor  # before the sample
    rows: list[Tensor | None]
    ends: list[int]  # updates up to and with each sample


class TorchForward:
    """One forward pass, and what it saves for a backward pass."""

    def __init__(self, problem: Problem) -> None:
        self.x, self.stack, self.settings, start, self.save, self.needs_dx = problem
        cell = CELLS[self.settings.cell]
        self.cells = [cell(layer) for layer in self.stack.layers]
        self.T, self.B, self.F = self.x.shape
        self.H = self.stack.gate_weight.shape[0]
        width = cell.parts * self.H
        self.parts = [slice(index * width, (index + 1) * width) for index in range(len(self.cells))]
        self.hidden = [slice(part.start, part.start + self.H) for part in self.parts]
        self.S = self.parts[-1].stop
        self.drive = slice(self.S - self.H, self.S)  # c~ or h~ of the top layer drives the gate
        self.state, self.gate = self._packed(start), start.gate
        lengths = self.settings.lengths
        steps = torch.arange(self.T, device=self.x.device).unsqueeze(1)
        self.inside = None if lengths is None else steps < lengths.to(self.x.device)  # (T, B)
        self._allocate(cell.saved * self.H)

    def _packed(self, start: SkipState) -> Tensor:
        """Layers' states [L, B, H] → rows [B, S]."""
        vectors = [start.h] if start.c is None else [start.h, start.c]
        return torch.stack(vectors, 1).permute(2, 0, 1, 3).flatten(1).contiguous()

    def _allocate(self, saved: int) -> None:
        """For the worst case, every sample an update: memory that is not touched costs nothing."""
        updates = self.T * self.B if self.save else self.B
        shapes = [(updates + self.B, self.S), *((updates, saved) for _ in self.cells)]
        wide = (
            self.save and self.F > self.H
        )  # one product for all samples, saved; else each is cheap to repeat
        if wide:
            shapes.append((updates, self.cells[0].gates * self.H))
        self.lease = Lease(shapes, self.x.dtype, self.x.device)
        self.before, *self.acts = self.lease.tensors
        self.projected = self.acts.pop() if wide else None
        self.outputs = fresh(self.T, self.B, self.H, dtype=self.x.dtype, device=self.x.device)

    def forward(self) -> Result:
        self.flat = self.x.reshape(self.T * self.B, self.F)
        if self.projected is not None:
            self.cells[0].project(self.flat, self.projected)
        rows: list[Tensor | None] = []
        ends: list[int] = []
        gates = [self._sample(t, rows, ends) for t in range(self.T)]
        opened, u_tilde, delta_u, cum = (torch.stack(each) for each in zip(*gates, strict=True))
        self.trace = Trace(opened, u_tilde, delta_u, cum, rows, ends)
        if self.save:
            self.before[ends[-1] : ends[-1] + self.B] = self.state
        return Result(self.outputs, self.trace.opened.to(self.x.dtype), self._final())

    def _final(self) -> SkipState:
        L, parts = len(self.cells), self.cells[0].parts
        states = self.state.view(self.B, L, parts, self.H).permute(2, 1, 0, 3).contiguous()  # (1|2, L, B, H)
        gate = GateState(*(tensor.clone() for tensor in self.gate))  # the backward pass still uses its own
        return SkipState(states[0], states[1].clone() if parts == 2 else None, gate)

    def _sample(self, t: int, rows: list[Tensor | None], ends: list[int]) -> tuple[Tensor, ...]:
        """Sample t: which rows update, their steps, and the gate's state after it."""
        threshold, max_skip, forced = self.settings.threshold, self.settings.max_skip, self.settings.forced
        delta_u, cum, skipped = self.gate
        opened, u_tilde = opens(self.gate, threshold=threshold, max_skip=max_skip)
        if forced is not None:
            opened = forced[t] > 0
        if self.inside is not None:
            opened = opened & self.inside[t]
        due = opened.nonzero().squeeze(1)
        start, count = (ends[-1] if ends else 0), due.shape[0]
        rows.append(None if count == self.B else due)
        ends.append(start + count)
        new_delta_u = self._update(t, rows[-1], start if self.save else 0, count) if count else delta_u
        new_cum, new_skipped = u_tilde.masked_fill(opened, 0), (skipped + 1).masked_fill(opened, 0)
        if self.inside is not None:
            new_cum = torch.where(self.inside[t], new_cum, cum)
            new_skipped = torch.where(self.inside[t], new_skipped, skipped)
        self.gate = GateState(new_delta_u, new_cum, new_skipped)
        self.outputs[t] = self.state[:, self.hidden[-1]]
        return opened, u_tilde, delta_u, cum

    def _update(self, t: int, rows: Tensor | None, first: int, count: int) -> Tensor:
        """Step `rows`, which become the updates from number `first` on. Returns Δũ of all rows."""
        old = self.before[first : first + count]
        acts = [saved[first : first + count] for saved in self.acts]
        if rows is None:
            old.copy_(self.state)
        else:
            torch.index_select(self.state, 0, rows, out=old)
        new = torch.empty_like(old)
        delta_u = self.candidates(lambda out: self._project(t, rows, out), acts, None, old, new)
        if rows is None:
            self.state = new
            return delta_u
        self.state.index_copy_(0, rows, new)
        return self.gate.delta_u.index_copy(0, rows, delta_u)

    def _project(self, t: int, rows: Tensor | None, out: Tensor) -> None:
        """x·W_ih of some rows of sample t."""
        x = self.x[t] if self.projected is None else self.projected[t * self.B : (t + 1) * self.B]
        x = x if rows is None else x.index_select(0, rows)
        self.project(x, out)

    def project(self, x: Tensor, out: Tensor) -> None:
        """Samples [k, F], or what is saved of them, → their part of layer 0's pre-activations."""
        if self.projected is None:
            self.cells[0].project(x, out)
        else:
            out.copy_(x)

    def candidates(
        self,
        project: Callable[[Tensor], None],
        acts: list[Tensor],
        products: list[Tensor] | None,
        old: Tensor,
        new: Tensor,
    ) -> Tensor:
        """One step of all layers: states `old` [k, S] → `new`; fills `acts`. Returns Δũ [k].

        `products`: each layer's, where they are known."""
        for index, (cell, part, h) in enumerate(zip(self.cells, self.parts, self.hidden, strict=True)):
            projected = cell.projected(acts[index])
            if index == 0:
                project(projected)
            else:
                cell.project(new[:, self.hidden[index - 1]], projected)
            if products is None:
                cell.step(acts[index], old[:, h])
            else:
                cell.activate(acts[index], products[index], old[:, h])
            cell.candidate(acts[index], old[:, part], new[:, part])
        logit = torch.addmv(self.stack.gate_bias, new[:, self.drive], self.stack.gate_weight)
        return logit.sigmoid_()
