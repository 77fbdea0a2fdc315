"""The backward pass of the torch unroll.

In blocks of time, the last one first. Whatever does not depend on the gradient comes at once for a whole block: the
derivatives of its updates, the candidates of its skipped samples. Then its samples are walked through, and at its end
the weights' gradients are summed, one product a matrix.

With u straight through, m = 1 where the clamp of ũ does not bind (½ at a tie, as in torch.minimum), D the gradient of
the state, dd that of Δũ, dc that of cum, a sample does:

    dũ  = (s~ − s)·D + (Δũ~ − Δũ)·dd − ũ·dc + du + (1 − u)·dc
    dd ← (1 − u)·dd + m·dũ,   dc ← m·dũ

With a fixed schedule u depends on nothing: dũ = (1 − u)·dc.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from skiprnn.unroll.cells import Slopes
from skiprnn.unroll.contract import Gradients, ProblemGradients, Stack
from skiprnn.unroll.torch_forward import TorchForward

# By measurement: smaller blocks repeat more products of runs, larger ones leave the cache.
_BLOCK_ROWS = {"cpu": 1536}
_BLOCK_ROWS_ELSEWHERE = 16384


class _Block(NamedTuple):
    """Samples t in [first, last) before their gradient comes; k updates."""

    first: int
    last: int
    due: Tensor  # [k], where in the block's samples · B the updates are
    old: Tensor  # [k, S]
    new: Tensor  # [k, S]
    slopes: list[Slopes]  # a layer each
    moved: Tensor | None  # [samples, B, S]: s~ − s


class Backward:
    """The gradients of one problem."""

    def __init__(self, run: TorchForward, gradients: Gradients) -> None:
        self.r, self.gradients, trace = run, gradients, run.trace
        self.learned = run.settings.forced is None
        self.samples = max(1, _BLOCK_ROWS.get(run.x.device.type, _BLOCK_ROWS_ELSEWHERE) // max(1, run.B))
        u = trace.opened.to(run.x.dtype)
        after = torch.cat([trace.delta_u[1:], run.gate.delta_u.unsqueeze(0)])
        room = 1 - trace.cum
        self.unclamped = 0.5 * ((trace.delta_u < room).to(u.dtype) + (trace.delta_u <= room).to(u.dtype))
        if run.inside is not None:
            self.unclamped *= run.inside
        self.keep = 1 - u
        self.slope = after * (1 - after) * u  # of the sigmoid that gives Δũ
        self.pull = (after - trace.delta_u) * u if self.learned else torch.zeros_like(u)
        self.carry = self.keep - trace.u_tilde if self.learned else self.keep
        self.dlogit = torch.zeros_like(u)
        self.next = self._next_updates()
        self.dgate_weight = torch.zeros_like(run.stack.gate_weight)
        self.dx = run.x.new_zeros(run.T * run.B, run.F) if run.needs_dx else None

    def _next_updates(self) -> Tensor:
        """For every sample the number of its row's first update after it, or of its final state. [T, B]"""
        opened, B = self.r.trace.opened, self.r.B
        total = self.r.trace.ends[-1]
        final = torch.arange(total, total + B, device=opened.device)
        numbers = opened.flatten().cumsum(0).view_as(opened) - 1
        numbers = torch.cat([torch.where(opened, numbers, final), final.unsqueeze(0)])
        return numbers.flip(0).cummin(0).values.flip(0)[1:]

    def run(self) -> ProblemGradients:
        state, gate = self._final_gradients()
        for last in range(self.r.T, 0, -self.samples):
            block = self._block(max(0, last - self.samples), last)
            gate = self._walk(block, state, gate)
            self._accumulate(block)
        return self._result(state, gate)

    def _final_gradients(self) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Of the final state, packed [B, S], and of its gate's Δũ and cum."""
        g, r = self.gradients, self.r
        state = torch.zeros_like(r.state)
        views = state.view(r.B, len(r.cells), r.cells[0].parts, r.H).permute(2, 1, 0, 3)  # (1|2, L, B, H)
        for view, gradient in zip(views, (g.h, g.c), strict=False):
            if gradient is not None:
                view.copy_(gradient)
        zero = torch.zeros_like(r.gate.cum)
        return state, (zero if g.delta_u is None else g.delta_u, zero if g.cum is None else g.cum)

    def _block(self, first: int, last: int) -> _Block:
        r, ends = self.r, self.r.trace.ends
        updates = slice(ends[first - 1] if first else 0, ends[last - 1])
        opened, states = r.trace.opened[first:last].flatten(), self.next[first:last].flatten()
        due = opened.nonzero().squeeze(1)
        old, new = r.before[updates], self._states(states.index_select(0, due))
        slopes = [
            cell.slopes(acts[updates], old[:, part], new[:, part])
            for cell, acts, part in zip(r.cells, r.acts, r.parts, strict=True)
        ]
        moved = self._moved(first, last, due, new - old) if self.learned else None
        return _Block(first, last, due, old, new, slopes, moved)

    def _states(self, numbers: Tensor) -> Tensor:
        """Rows of `before`, in place where they follow one another: the rule where every sample is an update."""
        count, first = numbers.shape[0], int(numbers[0]) if numbers.shape[0] else 0
        if torch.equal(numbers, torch.arange(first, first + count, device=numbers.device)):
            return self.r.before[first : first + count]
        return self.r.before.index_select(0, numbers)

    def _moved(self, first: int, last: int, due: Tensor, updates: Tensor) -> Tensor:
        """s~ − s of every sample: of updates as given, of skipped samples from their candidates. [samples, B, S]"""
        r, shape = self.r, (last - first, self.r.B, self.r.S)
        opened = r.trace.opened[first:last].flatten()
        if due.shape == opened.shape:
            return updates.view(shape)
        moved = updates.new_zeros(opened.shape[0], r.S).index_copy_(0, due, updates)
        waiting = ~opened if r.inside is None else ~opened & r.inside[first:last].flatten()
        skipped = waiting.nonzero().squeeze(1)
        states = self.next[first:last].flatten().index_select(0, skipped)
        if skipped.shape[0]:
            self._skipped(first * r.B + skipped, skipped, states, moved)
        return moved.view(shape)

    def _skipped(self, samples: Tensor, at: Tensor, states: Tensor, moved: Tensor) -> None:
        """Candidates of skipped samples, in `states`; one recurrent product a run."""
        r = self.r
        runs, which = torch.unique(states, return_inverse=True)
        old, in_run = r.before.index_select(0, states), r.before.index_select(0, runs)
        products = [
            cell.product(in_run[:, h]).index_select(0, which)
            for cell, h in zip(r.cells, r.hidden, strict=True)
        ]
        acts = [old.new_empty(old.shape[0], saved.shape[1]) for saved in r.acts]
        new = torch.empty_like(old)
        x = (r.flat if r.projected is None else r.projected).index_select(0, samples)
        delta_u = r.candidates(lambda out: r.project(x, out), acts, products, old, new)
        moved.index_copy_(0, at, new.sub_(old))
        delta_u -= r.trace.delta_u.flatten().index_select(0, samples)
        self.pull.view(-1).index_copy_(0, samples, delta_u)

    def _walk(self, block: _Block, state: Tensor, gate: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Back through a block's samples: `state` [B, S] in place, and the gate's two gradients."""
        r, outputs, gates = self.r, self.gradients.outputs, self.gradients.gates
        top, (dd, dcum) = state[:, r.hidden[-1]], gate
        for t in range(block.last - 1, block.first - 1, -1):
            if outputs is not None:
                top += outputs[t]
            du = torch.mul(dcum, self.carry[t]).addcmul_(dd, self.pull[t])
            if block.moved is not None:
                du += (block.moved[t - block.first] * state).sum(1)
                if gates is not None:
                    du += gates[t]
            torch.mul(dd, self.slope[t], out=self.dlogit[t])
            du *= self.unclamped[t]
            dd = torch.addcmul(du, dd, self.keep[t])
            dcum = du if r.inside is None else torch.where(r.inside[t], du, dcum)
            self._through_updates(t, block, state)
        return dd, dcum

    def _through_updates(self, t: int, block: _Block, state: Tensor) -> None:
        r = self.r
        rows, ends = r.trace.rows[t], r.trace.ends
        base = ends[block.first - 1] if block.first else 0
        start = (ends[t - 1] if t else 0) - base
        at = slice(start, ends[t] - base)
        if at.stop == start:
            return
        grad = state if rows is None else state.index_select(0, rows)
        dlogit = self.dlogit[t] if rows is None else self.dlogit[t].index_select(0, rows)
        grad[:, r.drive].addcmul_(dlogit.unsqueeze(1), r.stack.gate_weight)
        for index in range(len(r.cells) - 1, -1, -1):
            cell, slopes = r.cells[index], Slopes(*(each[at] for each in block.slopes[index]))
            cell.back(slopes, grad[:, r.parts[index]])
            if index:
                grad[:, r.hidden[index - 1]].addmm_(cell.to_input(slopes.dz), cell.w_ih)
        if rows is not None:
            state.index_copy_(0, rows, grad)

    def _accumulate(self, block: _Block) -> None:
        """What the block adds to the gradients of the parameters and of the input."""
        r = self.r
        if not block.due.shape[0]:
            return
        start = r.trace.ends[block.first - 1] if block.first else 0
        updates, samples = slice(start, start + block.due.shape[0]), block.due + block.first * r.B
        below = r.flat.index_select(0, samples)
        for index, cell in enumerate(r.cells):
            dz, h = block.slopes[index].dz, block.old[:, r.hidden[index]]
            cell.accumulate(dz, below, h, r.acts[index][updates])
            below = block.new[:, r.hidden[index]]
        dlogit = self.dlogit.view(-1).index_select(0, samples)
        self.dgate_weight.addmv_(block.new[:, r.drive].t(), dlogit)
        if self.dx is not None:
            dz = r.cells[0].to_input(block.slopes[0].dz)
            self.dx.index_copy_(0, samples, dz @ r.cells[0].w_ih)

    def _result(self, state: Tensor, gate: tuple[Tensor, Tensor]) -> ProblemGradients:
        r = self.r
        stack = Stack(tuple(cell.gradients() for cell in r.cells), self.dgate_weight, self.dlogit.sum())
        views = state.view(r.B, len(r.cells), r.cells[0].parts, r.H).permute(2, 1, 0, 3)
        dx = None if self.dx is None else self.dx.view_as(r.x)
        return ProblemGradients(dx, stack, views[0], views[1] if len(views) == 2 else None, *gate)
