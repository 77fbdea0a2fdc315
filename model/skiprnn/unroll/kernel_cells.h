/* What a pass is given, and the two cells, pointwise. */
#pragma once
#include "kernel_math.h"

/* One pass over a block of m rows. Arrays that are [T, m] or [n, ...] belong to the block; x, out, gates, and gradients are
 * slices of whole-batch arrays with a stride between time steps. n counts updates. Packed matrices: see `product`. */
template <class R> struct Pass {
    int64_t T, m, F, H, Hp, L, max_skip, save, forced;
    R threshold, gate_bias;
    const R *x;
    int64_t x_stride;              /* [T, m, F] */
    const R *w_ih;                 /* layer 0, packed: K = F, N = G */
    const R *w_up, *w_up_t;        /* W_ih of the layers above, packed: forward K = H, N = G; backward K = 4 Hp, N = Hp */
    const R *w_hh, *w_hh_t;        /* every layer, packed: forward K = H, N = G; backward K = G, N = Hp */
    const R *bias, *bias_n;        /* [L, G], [L, Hp] (GRU: the bias inside r∘(...)) */
    const R *gate_weight;          /* [Hp] */
    R *state, *d, *cum;            /* read and written: [m, S], [m], [m] */
    int64_t *skipped;              /* [m] */
    const int64_t *lengths;        /* [m] */
    R *out;
    int64_t out_stride;            /* [T, m, Hp] */
    R *gates;
    int64_t gates_stride;          /* [T, m]; read when forced, else written */
    R *acts, *before, *below, *d_after; /* kept of each update: [n, L, 4 Hp], [n, S], inputs of upper layers [n, L − 1, Hp], [n] */
    int32_t *update;               /* [T, m]: number of the update, or SKIPPED, or PADDING */
    R *ut, *d_before, *cum_before; /* [T, m] */
    R *products, *inputs;          /* scratch: [L, m, G] of h·W_hh, [m, G] of a layer's input·W_ih */
    /* backward */
    R *grad, *dd, *dcum;           /* gradients of the state: final ones in, initial ones out: [m, S], [m], [m] */
    const R *grad_out;
    int64_t grad_out_stride;       /* [T, m, H] */
    const R *grad_gates;
    int64_t grad_gates_stride;     /* [T, m] */
    R *dw_ih, *dbias, *dgate_weight, *dgate_bias; /* sums: [F, G], [L, 4 Hp], [Hp], [1] */
    R *dw_hh, *dw_up;              /* sums: [L, H, G], [L − 1, H, G] */
    R *scratch;                    /* [4 Hp] + [m, Hp] */
    R *gathered;                   /* scratch [SUMMED_TOGETHER + MAX_ROWS, F] */
};

namespace {

/* ---- the two cells, pointwise. `acts` of the LSTM: i f g o. Of the GRU: r z n p, with p = h·W_hn + b_hn. ---- */

template <class R> struct Lstm {
    using V = typename Simd<R>::V;
    static constexpr int gates = 4, parts = 2;

    /* z: the input's part of the pre-activations → activations */
    static INLINE void activate(const Pass<R> &p, int, const R *product, R *z) {
        const int Hp = p.Hp;
        for (int j = 0; j < Hp; j += Simd<R>::lanes) {
            store(z + j, sigmoid(load(z + j) + load(product + j)));
            store(z + Hp + j, sigmoid(load(z + Hp + j) + load(product + Hp + j)));
            store(z + 2 * Hp + j, hyperbolic(load(z + 2 * Hp + j) + load(product + 2 * Hp + j)));
            store(z + 3 * Hp + j, sigmoid(load(z + 3 * Hp + j) + load(product + 3 * Hp + j)));
        }
    }
    struct Candidate {
        V h, c;
        V drives() const { return c; }
    };
    static INLINE Candidate candidate(const Pass<R> &p, const R *z, const R *state, int j) {
        const int Hp = p.Hp;
        V c = load(z + Hp + j) * load(state + Hp + j) + load(z + j) * load(z + 2 * Hp + j);
        return {load(z + 3 * Hp + j) * hyperbolic(c), c};
    }
    static INLINE void keep(const Candidate &new_, int Hp, R *state, int j) {
        store(state + j, new_.h);
        store(state + Hp + j, new_.c);
    }
    static INLINE V moved(const Candidate &new_, int Hp, const R *state, const R *grad, int j) {
        return load(grad + j) * (new_.h - load(state + j)) + load(grad + Hp + j) * (new_.c - load(state + Hp + j));
    }
    /* z: activations → gradients of pre-activations; grad: that of the new state → the part that flows past the products. */
    static INLINE void back(int Hp, R *z, const R *old, const R *new_, R *grad, R *dbias, int j) {
        V i = load(z + j), f = load(z + Hp + j), g = load(z + 2 * Hp + j), o = load(z + 3 * Hp + j);
        V tanh_c = hyperbolic(load(new_ + Hp + j)), dh = load(grad + j);
        V dc = load(grad + Hp + j) + dh * o * (1 - tanh_c * tanh_c);
        V grads[4] = {dc * g * i * (1 - i), dc * load(old + Hp + j) * f * (1 - f), dc * i * (1 - g * g), dh * tanh_c * o * (1 - o)};
        for (int k = 0; k < 4; k++) {
            store(z + k * Hp + j, grads[k]);
            add(dbias + k * Hp + j, grads[k]);
        }
        store(grad + Hp + j, dc * f);
        store(grad + j, V{});
    }
};

template <class R> struct Gru {
    using V = typename Simd<R>::V;
    static constexpr int gates = 3, parts = 1;

    static INLINE void activate(const Pass<R> &p, int layer, const R *product, R *z) {
        const int Hp = p.Hp;
        const R *bias_n = p.bias_n + (long)layer * Hp;
        for (int j = 0; j < Hp; j += Simd<R>::lanes) {
            V r = sigmoid(load(z + j) + load(product + j));
            V update = sigmoid(load(z + Hp + j) + load(product + Hp + j));
            V inner = load(product + 2 * Hp + j) + load(bias_n + j);
            V n = hyperbolic(load(z + 2 * Hp + j) + r * inner);
            store(z + j, r);
            store(z + Hp + j, update);
            store(z + 2 * Hp + j, n);
            store(z + 3 * Hp + j, inner);
        }
    }
    struct Candidate {
        V h;
        V drives() const { return h; }
    };
    static INLINE Candidate candidate(const Pass<R> &p, const R *z, const R *state, int j) {
        V n = load(z + 2 * p.Hp + j);
        return {n + load(z + p.Hp + j) * (load(state + j) - n)};
    }
    static INLINE void keep(const Candidate &new_, int, R *state, int j) { store(state + j, new_.h); }
    static INLINE V moved(const Candidate &new_, int, const R *state, const R *grad, int j) {
        return load(grad + j) * (new_.h - load(state + j));
    }
    /* z becomes the gradients of r z (h·W_hn) n. */
    static INLINE void back(int Hp, R *z, const R *old, const R *, R *grad, R *dbias, int j) {
        V r = load(z + j), update = load(z + Hp + j), n = load(z + 2 * Hp + j), inner = load(z + 3 * Hp + j), dh = load(grad + j);
        V dn = dh * (1 - update) * (1 - n * n), dz = dh * (load(old + j) - n) * update * (1 - update);
        V grads[4] = {dn * inner * r * (1 - r), dz, dn * r, dn};
        for (int k = 0; k < 4; k++) {
            store(z + k * Hp + j, grads[k]);
            add(dbias + k * Hp + j, grads[k]);
        }
        store(grad + j, dh * update);
    }
};

}  // namespace
