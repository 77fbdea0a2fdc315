"""The cells of the torch unroll: forward and hand-derived backward of one layer, on any number of rows.

A cell works on rows (k of them) that update, or that would. Its state is a row [h] or [h, c]; what it keeps of an
update are its activations, `acts`. The backward pass has two parts: `slopes` takes all derivatives that do not depend
on the gradient, for many updates at once; `back` multiplies the gradient of one time step through.

Every tanh is 2σ(2x) − 1: on a CPU torch's sigmoid is five times faster than its tanh, and in float32 the two differ by
less than 2e-7. Where a gate needs tanh its weights are doubled at the start, so that one call squashes all gates.

H hidden; gates in torch's order; `product` is what the state contributes to the pre-activations, the same for all
samples of a run of skips.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from skiprnn.unroll.contract import Layer

_sigmoid_slope = torch.ops.aten.sigmoid_backward.grad_input  # (g, s) → g·s·(1 − s)
_tanh_slope = torch.ops.aten.tanh_backward.grad_input  # (g, y) → g·(1 − y²)


class Slopes(NamedTuple):
    """Derivatives of k updates. `dz` [k, saved·H] becomes the pre-activations' gradient; the others are [k, H]."""

    dz: Tensor
    through: Tensor
    past: Tensor


class Cell(ABC):
    """One layer. `parts`: vectors of H in its state. `saved`: those saved of an update. `gates`: those of x·W_ih.

    `n` is the gate that tanh squashes.
    """

    parts: int
    saved: int
    gates: int

    def __init__(self, layer: Layer) -> None:
        self.w_ih, self.w_hh, self.b_ih, self.b_hh = (tensor.detach() for tensor in layer)
        self.H = self.w_hh.shape[1]
        self.n = slice(2 * self.H, 3 * self.H)
        self.minus_one = self.w_hh.new_tensor(-1.0)
        self.w_ih_t, self.w_hh_t, self.bias = (
            self._doubled(self.w_ih).t(),
            self._doubled(self.w_hh).t(),
            self._bias(),
        )
        self.dw_ih_t, self.dw_hh_t = torch.zeros_like(self.w_ih.t()), torch.zeros_like(self.w_hh.t())
        self.db_ih, self.db_hh = torch.zeros_like(self.b_ih), torch.zeros_like(self.b_hh)

    def _doubled(self, rows: Tensor) -> Tensor:
        rows = rows.clone()
        rows[self.n] *= 2
        return rows

    def _bias(self) -> Tensor:
        """That of x·W_ih."""
        return self._doubled(self.b_ih + self.b_hh)

    def tanh_of_half(self, x: Tensor) -> Tensor:
        """tanh(x / 2), in place"""
        return self.tanh_of(x.sigmoid_())

    def tanh_of(self, s: Tensor) -> Tensor:
        """tanh(x) where s = σ(2x), in place"""
        return torch.add(self.minus_one, s, alpha=2, out=s)

    def project(self, x: Tensor, out: Tensor) -> None:
        """x [k, F] → out [k, gates·H]"""
        torch.addmm(self.bias, x, self.w_ih_t, out=out)

    def projected(self, acts: Tensor) -> Tensor:
        """Where in `acts` [k, saved·H] `project` writes."""
        return acts[:, : self.gates * self.H]

    def step(self, acts: Tensor, h: Tensor) -> None:
        """Projection in place → activations [k, saved·H]."""
        self.activate(acts, self.product(h), h)

    @abstractmethod
    def product(self, h: Tensor) -> Tensor:
        """h [k, H] → its part of the pre-activations [k, …]"""

    @abstractmethod
    def activate(self, acts: Tensor, product: Tensor, h: Tensor) -> None:
        """`step`, with the product at hand."""

    @abstractmethod
    def candidate(self, acts: Tensor, state: Tensor, out: Tensor) -> None:
        """The state [k, parts·H] that follows."""

    @abstractmethod
    def slopes(self, acts: Tensor, state: Tensor, new: Tensor) -> Slopes:
        """Derivatives of updates from `state` to `new`, both [k, parts·H]."""

    @abstractmethod
    def back(self, slopes: Slopes, grad: Tensor) -> None:
        """Gradient of the new state → gradient of the old one, in place [k, parts·H]; `slopes.dz` is filled in."""

    def to_input(self, dz: Tensor) -> Tensor:
        """Gradient of x·W_ih + b, a view of dz."""
        return dz

    @abstractmethod
    def accumulate(self, dz: Tensor, x: Tensor, h: Tensor, acts: Tensor) -> None:
        """Add a block of updates to the gradients of the layer: x [k, F], h [k, H]."""

    def gradients(self) -> Layer:
        return Layer(self.dw_ih_t.t(), self.dw_hh_t.t(), self.db_ih, self.db_hh)


class Lstm(Cell):
    """acts: i f g o; state: h c; dz: those of i f g o."""

    parts, saved, gates = 2, 4, 4

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer)
        self.w_back = _padded(self.w_hh)

    def step(self, acts: Tensor, h: Tensor) -> None:
        self._squash(acts.addmm_(h, self.w_hh_t))

    def product(self, h: Tensor) -> Tensor:
        return h @ self.w_hh_t

    def activate(self, acts: Tensor, product: Tensor, h: Tensor) -> None:  # noqa: ARG002
        self._squash(acts.add_(product))

    def _squash(self, acts: Tensor) -> None:
        self.tanh_of(acts.sigmoid_()[:, self.n])

    def candidate(self, acts: Tensor, state: Tensor, out: Tensor) -> None:
        i, f, g, o = acts.chunk(self.saved, 1)
        h, c = out.chunk(2, 1)
        torch.mul(f, state[:, self.H :], out=c).addcmul_(i, g)
        torch.mul(o, self.tanh_of_half(c * 2), out=h)

    def slopes(self, acts: Tensor, state: Tensor, new: Tensor) -> Slopes:
        i, f, g, o = acts.chunk(self.saved, 1)
        tanh_c = self.tanh_of_half(new[:, self.H :] * 2)
        dz = torch.empty_like(acts)
        di, df, dg, do = dz.chunk(self.saved, 1)
        _sigmoid_slope(g, i, grad_input=di)
        _sigmoid_slope(state[:, self.H :], f, grad_input=df)
        _tanh_slope(i, g, grad_input=dg)
        _sigmoid_slope(tanh_c, o, grad_input=do)
        return Slopes(dz, _tanh_slope(o, tanh_c, grad_input=tanh_c), f)

    def back(self, slopes: Slopes, grad: Tensor) -> None:
        dh, dc = grad.chunk(2, 1)
        dc.addcmul_(dh, slopes.through)
        dz = slopes.dz.view(-1, 4, self.H)
        dz[:, :3] *= dc.unsqueeze(1)
        dz[:, 3] *= dh
        dc *= slopes.past
        dh.copy_((slopes.dz @ self.w_back)[:, : self.H])

    def accumulate(self, dz: Tensor, x: Tensor, h: Tensor, acts: Tensor) -> None:  # noqa: ARG002
        self.dw_ih_t.addmm_(x.t(), dz)
        self.dw_hh_t.addmm_(h.t(), dz)
        sums = dz.sum(0)
        self.db_ih += sums
        self.db_hh += sums


class Gru(Cell):
    """torch's: n = tanh(x·W_in + r∘p), p = h·W_hn + b_hn. acts: r z n p; dz: those of p r z n."""

    parts, saved, gates = 1, 4, 3

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer)
        self.w_hh_t, self.w_back = self.w_hh.t(), _padded(self.w_hh.roll(self.H, 0))  # rows as in dz: n r z

    def _bias(self) -> Tensor:
        return self._doubled(self.b_ih)

    def product(self, h: Tensor) -> Tensor:
        return torch.addmm(self.b_hh, h, self.w_hh_t)

    def activate(self, acts: Tensor, product: Tensor, h: Tensor) -> None:  # noqa: ARG002
        H = self.H
        r, _, n, p = acts.chunk(self.saved, 1)
        gates = acts[:, : 2 * H]
        gates += product[:, : 2 * H]
        gates.sigmoid_()
        p.copy_(product[:, 2 * H :])
        self.tanh_of_half(n.addcmul_(r, p, value=2))

    def candidate(self, acts: Tensor, state: Tensor, out: Tensor) -> None:
        _, z, n, _ = acts.chunk(self.saved, 1)
        torch.lerp(n, state, z, out=out)

    def slopes(self, acts: Tensor, state: Tensor, new: Tensor) -> Slopes:  # noqa: ARG002
        r, z, n, p = acts.chunk(self.saved, 1)
        dz = torch.empty_like(acts)
        dp, dr, du, dn = dz.chunk(self.saved, 1)
        _tanh_slope(1 - z, n, grad_input=dn)
        torch.mul(dn, r, out=dp)
        _sigmoid_slope(dn * p, r, grad_input=dr)
        _sigmoid_slope(state - n, z, grad_input=du)
        return Slopes(dz, z, z)

    def back(self, slopes: Slopes, grad: Tensor) -> None:
        dz = slopes.dz.view(-1, 4, self.H)
        dz *= grad.unsqueeze(1)
        grad *= slopes.past
        grad += (slopes.dz[:, : 3 * self.H] @ self.w_back)[:, : self.H]

    def to_input(self, dz: Tensor) -> Tensor:
        return dz[:, self.H :]

    def accumulate(self, dz: Tensor, x: Tensor, h: Tensor, acts: Tensor) -> None:  # noqa: ARG002
        H, sums = self.H, dz.sum(0)
        self.dw_ih_t.addmm_(x.t(), dz[:, H:])
        self.dw_hh_t.addmm_(h.t(), dz[:, : 3 * H])
        self.db_ih += sums[H:]
        self.db_hh += sums[: 3 * H]

    def gradients(self) -> Layer:
        w_ih, w_hh, b_ih, b_hh = super().gradients()
        return Layer(w_ih, w_hh.roll(-self.H, 0), b_ih, b_hh.roll(-self.H, 0))


class GruResetBefore(Cell):
    """The paper's: n = tanh(x·W_in + (r∘h)·W_hn). acts: r z n; dz: those of r z n.

    The product with r∘h depends on the sample, so a skipped sample saves only two thirds of its products.
    """

    parts, saved, gates = 1, 3, 3

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer)
        self.w_gates, self.w_new = self.w_hh[: 2 * self.H], self.w_hh[2 * self.H :]

    def product(self, h: Tensor) -> Tensor:
        return h @ self.w_gates.t()

    def activate(self, acts: Tensor, product: Tensor, h: Tensor) -> None:
        H = self.H
        gates = acts[:, : 2 * H]
        gates += product
        gates.sigmoid_()
        self.tanh_of_half(acts[:, 2 * H :].addmm_(acts[:, :H] * h, self.w_new.t(), alpha=2))

    def candidate(self, acts: Tensor, state: Tensor, out: Tensor) -> None:
        _, z, n = acts.chunk(self.saved, 1)
        torch.lerp(n, state, z, out=out)

    def slopes(self, acts: Tensor, state: Tensor, new: Tensor) -> Slopes:  # noqa: ARG002
        r, z, n = acts.chunk(self.saved, 1)
        dz = torch.empty_like(acts)
        dr, du, dn = dz.chunk(self.saved, 1)
        _sigmoid_slope(state, r, grad_input=dr)
        _sigmoid_slope(state - n, z, grad_input=du)
        _tanh_slope(1 - z, n, grad_input=dn)
        return Slopes(dz, r, z)

    def back(self, slopes: Slopes, grad: Tensor) -> None:
        dr, du, dn = slopes.dz.chunk(self.saved, 1)
        du *= grad
        dn *= grad
        to_reset = dn @ self.w_new  # (k, H): gradient of r∘h
        dr *= to_reset
        grad *= slopes.past
        grad.addcmul_(to_reset, slopes.through)
        grad.addmm_(slopes.dz[:, : 2 * self.H], self.w_gates)

    def accumulate(self, dz: Tensor, x: Tensor, h: Tensor, acts: Tensor) -> None:
        H, sums = self.H, dz.sum(0)
        self.dw_ih_t.addmm_(x.t(), dz)
        self.dw_hh_t[:, : 2 * H].addmm_(h.t(), dz[:, : 2 * H])
        self.dw_hh_t[:, 2 * H :].addmm_((acts[:, :H] * h).t(), dz[:, 2 * H :])
        self.db_ih += sums
        self.db_hh += sums


CELLS: dict[str, type[Cell]] = {"lstm": Lstm, "gru": Gru, "gru_reset_before": GruResetBefore}


def _padded(matrix: Tensor) -> Tensor:
    """With columns of zeros up to a multiple of 16: 110 of them multiply a quarter slower than 112."""
    return torch.nn.functional.pad(matrix, (0, -matrix.shape[1] % 16))
