/* The unroll of a Skip LSTM or a Skip GRU (reset-after) over whole sequences, forward and backward, one layer.
 *
 * It exploits skipping exactly. A row that skips keeps its h, so the recurrent product h·W_hh is computed for the rows that
 * update alone. The straight-through gradient needs the candidate of every skipped sample too: its recurrent product is the
 * same through a whole run of skips, so the backward pass computes it once a run and the rest is pointwise.
 *
 * Rows are independent: a call works on a block of m rows, and several threads may work on blocks of their own.
 * Layouts: time-major; vectors of H are padded to Hp, a multiple of the panel; gates in torch's order (i f g o / r z n).
 * `Pass` is mirrored by a ctypes.Structure in unroll.py. Plain C ABI, no allocation, no state.
 *
 * Letters as in skip_rnn.py: u gate, ut = u_tilde, d = delta_u, h, c; G = gates · Hp. */
#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

constexpr int MAX_ROWS = 64;  // of a block: unroll.py keeps to it
constexpr int SKIPPED = -1, PADDING = -2;

#define INLINE inline __attribute__((always_inline))

typedef float Float8 __attribute__((vector_size(32), aligned(4)));
typedef double Double4 __attribute__((vector_size(32), aligned(8)));
typedef int32_t Int8 __attribute__((vector_size(32)));

template <class R> struct Simd;
template <> struct Simd<float> {
    using V = Float8;
    static constexpr int lanes = 8;
};
template <> struct Simd<double> {
    using V = Double4;
    static constexpr int lanes = 4;
};

/* exp by range reduction and a polynomial (Cephes expf), relative error about 1e-7. */
static INLINE Float8 exponential(Float8 x) {
    x = x < -87.f ? x * 0 - 87.f : x;
    x = x > 88.f ? x * 0 + 88.f : x;
    Float8 k = x * 1.44269504088896341f;
    for (int i = 0; i < 8; i++) k[i] = __builtin_rintf(k[i]);
    Float8 f = x - k * 0.693359375f;
    f = f + k * 2.12194440e-4f;
    Float8 p = f * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * f + 8.3334519073e-3f;
    p = p * f + 4.1665795894e-2f;
    p = p * f + 1.6666665459e-1f;
    p = p * f + 5.0000001201e-1f;
    Int8 bits = (__builtin_convertvector(k, Int8) + 127) << 23;
    Float8 scale;
    std::memcpy(&scale, &bits, 32);
    return (p * f * f + f + 1.0f) * scale;
}
static INLINE Double4 exponential(Double4 x) {
    for (int i = 0; i < 4; i++) x[i] = std::exp(x[i]);
    return x;
}

template <class V> static INLINE V sigmoid(V x) { return 1 / (1 + exponential(-x)); }
template <class V> static INLINE V hyperbolic(V x) { return 2 / (1 + exponential(-2 * x)) - 1; }
template <class R> static INLINE R sigmoid_of(R x) { return 1 / (1 + std::exp(-x)); }

template <class R> static INLINE typename Simd<R>::V load(const R *p) { return *(const typename Simd<R>::V *)p; }
template <class R> static INLINE void store(R *p, typename Simd<R>::V v) { *(typename Simd<R>::V *)p = v; }
template <class R> static INLINE void add(R *p, typename Simd<R>::V v) { store(p, load(p) + v); }
template <class R> static INLINE R sum(typename Simd<R>::V v) {
    R total = 0;
    for (int i = 0; i < Simd<R>::lanes; i++) total += v[i];
    return total;
}

/* ---- products of a few rows with a matrix packed into panels of two vectors: [N / panel][K][panel] ---- */

template <class R, int ROWS> static INLINE void panel_product(int K, const R *const *a, const R *panel, R *const *c, int column) {
    using V = typename Simd<R>::V;
    constexpr int L = Simd<R>::lanes;
    V low[ROWS], high[ROWS];
    for (int r = 0; r < ROWS; r++) low[r] = high[r] = V{};
    for (int k = 0; k < K; k++) {
        V b0 = load(panel + (long)k * 2 * L), b1 = load(panel + (long)k * 2 * L + L);
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; r++) {
            low[r] += a[r][k] * b0;
            high[r] += a[r][k] * b1;
        }
    }
    for (int r = 0; r < ROWS; r++) {
        store(c[r] + column, low[r]);
        store(c[r] + column + L, high[r]);
    }
}

/* c[r][0..N) = a[r][0..K) · packed, for m rows given by pointers. */
template <class R> void product(int m, int N, int K, const R *const *a, const R *packed, R *const *c) {
    constexpr int panel = 2 * Simd<R>::lanes;
    for (int column = 0; column < N; column += panel) {
        const R *p = packed + (long)column * K;
        int r = 0;
        for (; r + 6 <= m; r += 6) panel_product<R, 6>(K, a + r, p, c + r, column);
        switch (m - r) {
            case 5: panel_product<R, 5>(K, a + r, p, c + r, column); break;
            case 4: panel_product<R, 4>(K, a + r, p, c + r, column); break;
            case 3: panel_product<R, 3>(K, a + r, p, c + r, column); break;
            case 2: panel_product<R, 2>(K, a + r, p, c + r, column); break;
            case 1: panel_product<R, 1>(K, a + r, p, c + r, column); break;
        }
    }
}

}  // namespace

/* One pass over a block of m rows. Arrays that are [T, m] or [n, …] belong to the block; x, out, gates, and gradients are
 * slices of whole-batch arrays with a stride between time steps. n counts updates. */
template <class R> struct Pass {
    int64_t T, m, F, H, Hp, max_skip, save, forced;
    R threshold, gate_bias;
    const R *x;
    int64_t x_stride;             /* [T, m, F] */
    const R *w_ih, *bias, *bias_n; /* [F, G], [G], [Hp] (GRU: the bias inside r∘(…)) */
    const R *w_hh, *w_hh_t;        /* packed: forward K = H, N = G; backward K = G, N = Hp */
    const R *gate_weight;          /* [Hp] */
    R *h, *c, *d, *cum;            /* state, read and written: [m, Hp], [m, Hp], [m], [m] */
    int64_t *skipped;              /* [m] */
    const int64_t *lengths;        /* [m] */
    R *out;
    int64_t out_stride;            /* [T, m, Hp] */
    R *gates;
    int64_t gates_stride;          /* [T, m]; read when forced, else written */
    R *acts, *h_before, *c_before, *d_after; /* kept of each update: [n, 4 Hp], [n, Hp], [n, Hp], [n] */
    int32_t *update;               /* [T, m]: number of the update, or SKIPPED, or PADDING */
    R *ut, *d_before, *cum_before; /* [T, m] */
    R *products;                   /* scratch [m, G] */
    /* backward */
    R *dh, *dc, *dd, *dcum;        /* gradients of the state: final ones in, initial ones out */
    const R *grad_out;
    int64_t grad_out_stride;
    const R *grad_gates;
    int64_t grad_gates_stride;
    R *dw_ih, *dbias, *dgate_weight, *dgate_bias; /* sums: [F, 4 Hp], [4 Hp], [Hp], [1] */
    R *scratch;                    /* [4 Hp] + [m, Hp] */
};

namespace {

/* ---- the two cells, pointwise. `acts` of the LSTM: i f g o. Of the GRU: r z n p, with p = h·W_hn + b_hn. ---- */

/* z = bias + x·W_ih (+ start) */
template <class R> static INLINE void project(const Pass<R> &p, int G, const R *x, const R *start, R *z) {
    for (int j = 0; j < G; j++) z[j] = p.bias[j] + (start ? start[j] : 0);
    for (int f = 0; f < p.F; f++) {
        const R *w = p.w_ih + (long)f * G, value = x[f];
        for (int j = 0; j < G; j++) z[j] += value * w[j];
    }
}

template <class R> struct Lstm {
    using V = typename Simd<R>::V;
    static constexpr int gates = 4;

    static void activate(const Pass<R> &p, const R *x, const R *product, R *z) {
        const int Hp = p.Hp;
        project(p, 4 * Hp, x, product, z);
        for (int j = 0; j < Hp; j += Simd<R>::lanes) {
            store(z + j, sigmoid(load(z + j)));
            store(z + Hp + j, sigmoid(load(z + Hp + j)));
            store(z + 2 * Hp + j, hyperbolic(load(z + 2 * Hp + j)));
            store(z + 3 * Hp + j, sigmoid(load(z + 3 * Hp + j)));
        }
    }
    struct Candidate {
        V h, c, tanh_c;
        V drives() const { return c; }
    };
    static INLINE Candidate candidate(const Pass<R> &p, const R *z, const R *, const R *c, int j) {
        const int Hp = p.Hp;
        V cell = load(z + Hp + j) * load(c + j) + load(z + j) * load(z + 2 * Hp + j);
        V tanh_c = hyperbolic(cell);
        return {load(z + 3 * Hp + j) * tanh_c, cell, tanh_c};
    }
    /* z holds activations, then their pre-activation gradients; dh is used up, dc becomes that of the previous c. */
    static INLINE void back(const Pass<R> &p, R *z, const R *, const R *c, R *dh, R *dc, V through_gate, const Candidate &new_, int j) {
        const int Hp = p.Hp;
        V i = load(z + j), f = load(z + Hp + j), g = load(z + 2 * Hp + j), o = load(z + 3 * Hp + j), old = load(c + j);
        V dhn = load(dh + j), dcn = load(dc + j) + dhn * o * (1 - new_.tanh_c * new_.tanh_c) + through_gate;
        V grads[4] = {dcn * g * i * (1 - i), dcn * old * f * (1 - f), dcn * i * (1 - g * g), dhn * new_.tanh_c * o * (1 - o)};
        for (int k = 0; k < 4; k++) {
            store(z + k * Hp + j, grads[k]);
            add(p.dbias + k * Hp + j, grads[k]);
        }
        store(dc + j, dcn * f);
        store(dh + j, V{});
    }
    static INLINE void weights(const Pass<R> &p, const R *x, const R *z) {
        const int G = 4 * p.Hp;
        for (int f = 0; f < p.F; f++)
            for (int j = 0; j < G; j++) p.dw_ih[(long)f * G + j] += x[f] * z[j];
    }
};

template <class R> struct Gru {
    using V = typename Simd<R>::V;
    static constexpr int gates = 3;

    static void activate(const Pass<R> &p, const R *x, const R *product, R *z) {
        const int Hp = p.Hp;
        project(p, 3 * Hp, x, (const R *)nullptr, z);
        for (int j = 0; j < Hp; j += Simd<R>::lanes) {
            V r = sigmoid(load(z + j) + load(product + j));
            V update = sigmoid(load(z + Hp + j) + load(product + Hp + j));
            V inner = load(product + 2 * Hp + j) + load(p.bias_n + j);
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
    static INLINE Candidate candidate(const Pass<R> &p, const R *z, const R *h, const R *, int j) {
        V n = load(z + 2 * p.Hp + j);
        return {n + load(z + p.Hp + j) * (load(h + j) - n)};
    }
    /* z becomes the gradients r z (h·W_hn) n; dh becomes the part that flows past the products. */
    static INLINE void back(const Pass<R> &p, R *z, const R *h, const R *, R *dh, R *, V through_gate, const Candidate &, int j) {
        const int Hp = p.Hp;
        V r = load(z + j), update = load(z + Hp + j), n = load(z + 2 * Hp + j), inner = load(z + 3 * Hp + j);
        V dhn = load(dh + j) + through_gate;
        V dn = dhn * (1 - update) * (1 - n * n), dz = dhn * (load(h + j) - n) * update * (1 - update);
        V grads[4] = {dn * inner * r * (1 - r), dz, dn * r, dn};
        for (int k = 0; k < 4; k++) {
            store(z + k * Hp + j, grads[k]);
            add(p.dbias + k * Hp + j, grads[k]);
        }
        store(dh + j, dhn * update);
    }
    static INLINE void weights(const Pass<R> &p, const R *x, const R *z) {
        const int Hp = p.Hp, G = 3 * Hp;
        for (int f = 0; f < p.F; f++) {
            R *w = p.dw_ih + (long)f * G;
            for (int j = 0; j < 2 * Hp; j++) w[j] += x[f] * z[j];
            for (int j = 0; j < Hp; j++) w[2 * Hp + j] += x[f] * z[3 * Hp + j];
        }
    }
};

/* ---- forward ---- */

/* skiprnn.gate: decide. Writes ut, u, and what the backward pass needs; true where the row updates. */
template <class R> static INLINE bool decide(const Pass<R> &p, int64_t t, int r) {
    const long at = t * p.m + r;
    R room = 1 - p.cum[r], ut = p.cum[r] + (p.d[r] <= room ? p.d[r] : room);
    p.ut[at] = ut;
    p.d_before[at] = p.d[r];
    p.cum_before[at] = p.cum[r];
    R *u = p.gates + t * p.gates_stride + r;
    if (t >= p.lengths[r]) {
        *u = 0;
        p.update[at] = PADDING;
        return false;
    }
    if (!p.forced) *u = ut >= p.threshold || p.skipped[r] >= p.max_skip;
    if (*u != 0) return true;
    p.cum[r] = ut;
    p.skipped[r]++;
    p.update[at] = SKIPPED;
    return false;
}

template <class R, class Cell> static INLINE void take(const Pass<R> &p, int64_t t, int r, long n) {
    const int Hp = p.Hp;
    R *h = p.h + (long)r * Hp, *c = p.c ? p.c + (long)r * Hp : nullptr, *z = p.acts + (p.save ? n * 4 * Hp : 0);
    if (p.save) {
        std::memcpy(p.h_before + n * Hp, h, Hp * sizeof(R));
        if (c) std::memcpy(p.c_before + n * Hp, c, Hp * sizeof(R));
    }
    Cell::activate(p, p.x + t * p.x_stride + (long)r * p.F, p.products + (long)r * Cell::gates * Hp, z);
    typename Simd<R>::V dot{};
    for (int j = 0; j < Hp; j += Simd<R>::lanes) {
        auto new_ = Cell::candidate(p, z, h, c, j);
        dot += new_.drives() * load(p.gate_weight + j);
        store(h + j, new_.h);
        if constexpr (Cell::gates == 4) store(c + j, new_.c);
    }
    p.d[r] = sigmoid_of(sum<R>(dot) + p.gate_bias);
    p.cum[r] = 0;
    p.skipped[r] = 0;
    if (p.save) p.d_after[n] = p.d[r];
    p.update[t * p.m + r] = (int32_t)n;
}

template <class R, class Cell> int64_t forward(const Pass<R> &p) {
    const int Hp = p.Hp, G = Cell::gates * Hp;
    const R *rows[MAX_ROWS];
    R *results[MAX_ROWS];
    int updating[MAX_ROWS];
    long n = 0;
    for (int64_t t = 0; t < p.T; t++) {
        int count = 0;
        for (int r = 0; r < p.m; r++)
            if (decide(p, t, r)) {
                rows[count] = p.h + (long)r * Hp;
                results[count] = p.products + (long)r * G;
                updating[count++] = r;
            }
        product(count, G, p.H, rows, p.w_hh, results);
        for (int k = 0; k < count; k++) take<R, Cell>(p, t, updating[k], n++);
        for (int r = 0; r < p.m; r++) std::memcpy(p.out + t * p.out_stride + (long)r * Hp, p.h + (long)r * Hp, Hp * sizeof(R));
    }
    return n;
}

/* ---- backward ---- */

template <class R> struct Row {
    const R *h, *c;  /* the state while the row skips: the one before the next update, in time */
    bool has_product;
};

/* dL/du of a skipped sample: (candidate − state)·dh, and what Δũ would have been. */
template <class R, class Cell> static INLINE R through_candidate(const Pass<R> &p, int64_t t, int r, const Row<R> &row) {
    const int Hp = p.Hp;
    R *z = p.scratch;
    Cell::activate(p, p.x + t * p.x_stride + (long)r * p.F, p.products + (long)r * Cell::gates * Hp, z);
    const R *dh = p.dh + (long)r * Hp, *dc = p.dc ? p.dc + (long)r * Hp : nullptr;
    typename Simd<R>::V moved{}, dot{};
    for (int j = 0; j < Hp; j += Simd<R>::lanes) {
        auto new_ = Cell::candidate(p, z, row.h, row.c, j);
        moved += load(dh + j) * (new_.h - load(row.h + j));
        if constexpr (Cell::gates == 4) moved += load(dc + j) * (new_.c - load(row.c + j));
        dot += new_.drives() * load(p.gate_weight + j);
    }
    return sum<R>(moved) + p.dd[r] * (sigmoid_of(sum<R>(dot) + p.gate_bias) - p.d_before[t * p.m + r]);
}

/* The update of a row: pre-activation gradients replace its activations. Returns dL/du. */
template <class R, class Cell> static INLINE R through_update(const Pass<R> &p, int64_t t, int r, long n) {
    using V = typename Simd<R>::V;
    const int Hp = p.Hp;
    R *z = p.acts + n * 4 * Hp, *dh = p.dh + (long)r * Hp, *dc = p.dc ? p.dc + (long)r * Hp : nullptr;
    const R *h = p.h_before + n * Hp, *c = p.c_before ? p.c_before + n * Hp : nullptr;
    const R d = p.d_after[n], logit = p.dd[r] * d * (1 - d);
    V moved{};
    for (int j = 0; j < Hp; j += Simd<R>::lanes) {
        auto new_ = Cell::candidate(p, z, h, c, j);
        moved += load(dh + j) * (new_.h - load(h + j));
        if constexpr (Cell::gates == 4) moved += load(dc + j) * (new_.c - load(c + j));
        add(p.dgate_weight + j, logit * new_.drives());
        Cell::back(p, z, h, c, dh, dc, logit * load(p.gate_weight + j), new_, j);
    }
    p.dgate_bias[0] += logit;
    Cell::weights(p, p.x + t * p.x_stride + (long)r * p.F, z);
    return sum<R>(moved) + p.dd[r] * (d - p.d_before[t * p.m + r]);
}

/* h·W_hh for the rows that begin, backwards, a run of skips. */
template <class R, class Cell> void products_of_skips(const Pass<R> &p, int64_t t, Row<R> *state) {
    const R *rows[MAX_ROWS];
    R *results[MAX_ROWS];
    int count = 0;
    for (int r = 0; r < p.m; r++)
        if (p.update[t * p.m + r] == SKIPPED && !state[r].has_product) {
            rows[count] = state[r].h;
            results[count++] = p.products + (long)r * Cell::gates * p.Hp;
            state[r].has_product = true;
        }
    product(count, Cell::gates * (int)p.Hp, (int)p.H, rows, p.w_hh, results);
}

/* One row, one sample back. Returns the update's number, or −1. */
template <class R, class Cell> static INLINE long step_back(const Pass<R> &p, int64_t t, int r, Row<R> &row) {
    const long at = t * p.m + r;
    const int32_t n = p.update[at];
    if (n == PADDING) return -1;
    const bool updates = n >= 0;
    R du = p.grad_gates ? p.grad_gates[t * p.grad_gates_stride + r] : 0;
    du -= p.dcum[r] * p.ut[at];
    if (updates) {
        du += through_update<R, Cell>(p, t, r, n);
        row = {p.h_before + (long)n * p.Hp, p.c_before ? p.c_before + (long)n * p.Hp : nullptr, false};
    } else if (!p.forced) {
        du += through_candidate<R, Cell>(p, t, r, row);
    }
    R dut = p.forced ? 0 : du;  /* straight through; a forced gate depends on nothing */
    if (!updates) dut += p.dcum[r];
    const bool unclamped = p.d_before[at] <= 1 - p.cum_before[at];
    p.dd[r] = (updates ? 0 : p.dd[r]) + (unclamped ? dut : 0);
    p.dcum[r] = unclamped ? dut : 0;
    return updates ? n : -1;
}

template <class R, class Cell> void backward(const Pass<R> &p) {
    const int Hp = p.Hp;
    Row<R> state[MAX_ROWS];
    const R *grads[MAX_ROWS];
    R *results[MAX_ROWS], *temporary = p.scratch + 4 * Hp;
    int updated[MAX_ROWS];
    for (int r = 0; r < p.m; r++) state[r] = {p.h + (long)r * Hp, p.c ? p.c + (long)r * Hp : nullptr, false};
    for (int64_t t = p.T - 1; t >= 0; t--) {
        if (p.grad_out)
            for (int r = 0; r < p.m; r++)
                for (int j = 0; j < p.H; j++) p.dh[(long)r * Hp + j] += p.grad_out[t * p.grad_out_stride + (long)r * p.H + j];
        if (!p.forced) products_of_skips<R, Cell>(p, t, state);
        int count = 0;
        for (int r = 0; r < p.m; r++) {
            long n = step_back<R, Cell>(p, t, r, state[r]);
            if (n < 0) continue;
            grads[count] = p.acts + n * 4 * Hp;
            results[count] = temporary + (long)count * Hp;
            updated[count++] = r;
        }
        product(count, Hp, Cell::gates * Hp, grads, p.w_hh_t, results);
        for (int k = 0; k < count; k++)
            for (int j = 0; j < Hp; j++) p.dh[(long)updated[k] * Hp + j] += results[k][j];
    }
}

}  // namespace

extern "C" {
int64_t lstm_forward_f32(const Pass<float> *p) { return forward<float, Lstm<float>>(*p); }
int64_t lstm_forward_f64(const Pass<double> *p) { return forward<double, Lstm<double>>(*p); }
int64_t gru_forward_f32(const Pass<float> *p) { return forward<float, Gru<float>>(*p); }
int64_t gru_forward_f64(const Pass<double> *p) { return forward<double, Gru<double>>(*p); }
void lstm_backward_f32(const Pass<float> *p) { backward<float, Lstm<float>>(*p); }
void lstm_backward_f64(const Pass<double> *p) { backward<double, Lstm<double>>(*p); }
void gru_backward_f32(const Pass<float> *p) { backward<float, Gru<float>>(*p); }
void gru_backward_f64(const Pass<double> *p) { backward<double, Gru<double>>(*p); }
}
