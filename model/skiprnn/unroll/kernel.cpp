/* The unroll of a Skip LSTM or a Skip GRU (reset-after) over whole sequences, forward and backward, any number of layers.
 *
 * It exploits skipping exactly. A row that skips keeps its state, so the forward pass computes the rows that update alone. The
 * straight-through gradient needs the candidate of every skipped sample too: its recurrent product is the same through a
 * whole run of skips, so the backward pass computes it once a run and the rest is pointwise (above the lowest layer, a product
 * with the candidate of the layer below).
 *
 * Rows are independent: a call works on a block of m rows, and several threads may work on blocks of their own.
 * Layouts: time-major; vectors of H are padded to Hp, a multiple of the panel; gates in torch's order (i f g o / r z n).
 * A state is one row of S numbers: [h of layer 0, (c of layer 0,) h of layer 1, ...]. What is kept of an update is one row of
 * L * 4 Hp: activations, which the backward pass replaces by their gradients.
 * `Pass` is mirrored by a ctypes.Structure in kernel.py. Plain C ABI, no allocation, no state.
 *
 * Letters as in skip_rnn.py: u gate, ut = u_tilde, d = delta_u, h, c; G = gates * Hp. */
#include "kernel_cells.h"

namespace {

constexpr int MAX_ROWS = 64;  // of a block: kernel.py keeps to it
constexpr int SKIPPED = -1, PADDING = -2;
constexpr long SUMMED_TOGETHER = 96;  // updates whose part in the weights' gradients is summed while they are in the cache

/* Sizes and places that depend on the cell. */
template <class R, class Cell> struct Place {
    const Pass<R> &p;
    int Hp, G;
    long S;
    explicit Place(const Pass<R> &pass) : p(pass), Hp(pass.Hp), G(Cell::gates * pass.Hp), S(pass.L * Cell::parts * pass.Hp) {}
    long part(int layer) const { return (long)layer * Cell::parts * Hp; }        /* in a state row */
    R *acts(long n, int layer) const { return p.acts + (n * p.L + layer) * 4 * Hp; }
    R *below(long n, int layer) const { return p.below + (n * (p.L - 1) + layer - 1) * Hp; }
    R *product_of(int layer, int r) const { return p.products + ((long)layer * p.m + r) * G; }
    const R *w_hh(int layer) const { return p.w_hh + (long)layer * p.H * G; }
    const R *w_hh_t(int layer) const { return p.w_hh_t + (long)layer * G * Hp; }
    const R *w_up(int layer) const { return p.w_up + (long)(layer - 1) * p.H * G; }
    const R *w_up_t(int layer) const { return p.w_up_t + (long)(layer - 1) * 4 * Hp * Hp; }

    const R *x(int64_t t, int r) const { return p.x + t * p.x_stride + (long)r * p.F; }
    /* inputs = input · W_ih of a layer, for rows given by pointers */
    void project(int layer, int count, const R *const *rows) const {
        R *results[MAX_ROWS];
        for (int k = 0; k < count; k++) results[k] = p.inputs + (long)k * G;
        product(count, G, layer ? p.H : p.F, rows, layer ? w_up(layer) : p.w_ih, results);
    }
    /* z = the input's part of the pre-activations, of row k of those */
    INLINE void lift(int layer, int k, R *z) const {
        const R *input = p.inputs + (long)k * G, *bias = p.bias + (long)layer * G;
        for (int j = 0; j < G; j++) z[j] = input[j] + bias[j];
    }
};

/* ---- forward ---- */

/* skiprnn.gate: opens. Writes ut, u, and what the backward pass needs; true where the row updates. */
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

/* One layer of row r, the k-th that updates, update number n; its state moves on in place. Returns w_p · c~ or w_p · h~ of this layer. */
template <class R, class Cell> static INLINE R take(const Place<R, Cell> &at, int r, long n, int k, int layer) {
    const Pass<R> &p = at.p;
    R *z = p.scratch, *state = p.state + r * at.S + at.part(layer);
    at.lift(layer, k, z);
    Cell::activate(p, layer, at.product_of(layer, k), z);
    typename Simd<R>::V dot{};
    for (int j = 0; j < at.Hp; j += Simd<R>::lanes) {
        auto new_ = Cell::candidate(p, z, state, j);
        dot += new_.drives() * load(p.gate_weight + j);
        Cell::keep(new_, at.Hp, state, j);
    }
    if (p.save) stream(at.acts(n, layer), z, 4 * at.Hp);
    return sum<R>(dot);
}

template <class R> static INLINE void open(const Pass<R> &p, int64_t t, int r, long n, R logit) {
    p.d[r] = sigmoid_of(logit + p.gate_bias);
    p.cum[r] = 0;
    p.skipped[r] = 0;
    p.update[t * p.m + r] = (int32_t)n;
    if (p.save) p.d_after[n] = p.d[r];
}

/* The rows in `updating`, which become the updates from number n on. */
template <class R, class Cell> void step(const Place<R, Cell> &at, int64_t t, int count, const int *updating, long n) {
    const Pass<R> &p = at.p;
    const R *rows[MAX_ROWS], *inputs[MAX_ROWS];
    R *results[MAX_ROWS], logits[MAX_ROWS];
    for (int layer = 0; layer < p.L; layer++) {
        for (int k = 0; k < count; k++) {
            R *state = p.state + updating[k] * at.S;
            if (p.save && layer == 0) stream(p.before + (n + k) * at.S, state, at.S);
            rows[k] = state + at.part(layer);
            inputs[k] = layer ? state + at.part(layer - 1) : at.x(t, updating[k]);
            results[k] = at.product_of(layer, k);
            if (p.save && layer) std::memcpy(at.below(n + k, layer), inputs[k], at.Hp * sizeof(R));
        }
        product(count, at.G, p.H, rows, at.w_hh(layer), results);
        at.project(layer, count, inputs);
        for (int k = 0; k < count; k++) logits[k] = take(at, updating[k], n + k, k, layer);
    }
    for (int k = 0; k < count; k++) open(p, t, updating[k], n + k, logits[k]);
}

template <class R, class Cell> int64_t forward(const Pass<R> &p) {
    const Place<R, Cell> at(p);
    int updating[MAX_ROWS];
    long n = 0;
    for (int64_t t = 0; t < p.T; t++) {
        int count = 0;
        for (int r = 0; r < p.m; r++)
            if (decide(p, t, r)) updating[count++] = r;
        if (count) step(at, t, count, updating, n);
        n += count;
        for (int r = 0; r < p.m; r++)
            stream(p.out + t * p.out_stride + (long)r * at.Hp, p.state + r * at.S + at.part(p.L - 1), at.Hp);
    }
    _mm_sfence();
    return n;
}

/* ---- backward ---- */

template <class R> struct Row {
    const R *state;  /* the row's whole state after the sample at hand */
    bool has_product;
};

/* h·W_hh, in every layer, for the rows that begin, backwards, a run of skips. */
template <class R, class Cell> void products_of_runs(const Place<R, Cell> &at, int count, const int *skipping, Row<R> *state) {
    const Pass<R> &p = at.p;
    const R *rows[MAX_ROWS];
    R *results[MAX_ROWS];
    for (int layer = 0; layer < p.L; layer++) {
        int fresh = 0;
        for (int k = 0; k < count; k++) {
            const int r = skipping[k];
            if (state[r].has_product) continue;
            rows[fresh] = state[r].state + at.part(layer);
            results[fresh++] = at.product_of(layer, r);
        }
        product(fresh, at.G, p.H, rows, at.w_hh(layer), results);
    }
    for (int k = 0; k < count; k++) state[skipping[k]].has_product = true;
}

/* dL/du of the skipped samples at t, by row: (candidate − state) · gradient, and what Δũ would have been. */
template <class R, class Cell> void through_candidates(const Place<R, Cell> &at, int64_t t, Row<R> *state, R *du) {
    const Pass<R> &p = at.p;
    const R *inputs[MAX_ROWS];
    R *z = p.scratch, *candidates = p.scratch + 4 * at.Hp;
    int skipping[MAX_ROWS], count = 0;
    for (int r = 0; r < p.m; r++)
        if (p.update[t * p.m + r] == SKIPPED) skipping[count++] = r;
    products_of_runs(at, count, skipping, state);
    for (int layer = 0; layer < p.L; layer++) {
        for (int k = 0; k < count; k++) inputs[k] = layer ? candidates + (long)k * at.Hp : at.x(t, skipping[k]);
        at.project(layer, count, inputs);
        for (int k = 0; k < count; k++) {
            const int r = skipping[k];
            const R *old = state[r].state + at.part(layer), *grad = p.grad + r * at.S + at.part(layer);
            at.lift(layer, k, z);
            Cell::activate(p, layer, at.product_of(layer, r), z);
            typename Simd<R>::V moved{}, dot{};
            for (int j = 0; j < at.Hp; j += Simd<R>::lanes) {
                auto new_ = Cell::candidate(p, z, old, j);
                moved += Cell::moved(new_, at.Hp, old, grad, j);
                dot += new_.drives() * load(p.gate_weight + j);
                store(candidates + (long)k * at.Hp + j, new_.h);
            }
            du[r] += sum<R>(moved);
            if (layer == p.L - 1) du[r] += p.dd[r] * (sigmoid_of(sum<R>(dot) + p.gate_bias) - p.d_before[t * p.m + r]);
        }
    }
}

/* The update of a row: the gate's part of the gradients. Returns dL/du. */
template <class R, class Cell> static INLINE R through_update(const Place<R, Cell> &at, int64_t t, int r, long n, const R *new_) {
    const Pass<R> &p = at.p;
    const R *old = p.before + n * at.S, d = p.d_after[n], logit = p.dd[r] * d * (1 - d);
    const long drive = at.S - at.Hp;
    R *grad = p.grad + r * at.S;
    typename Simd<R>::V moved{};
    for (long j = 0; j < at.S; j += Simd<R>::lanes) moved += load(grad + j) * (load(new_ + j) - load(old + j));
    for (int j = 0; j < at.Hp; j += Simd<R>::lanes) {
        add(p.dgate_weight + j, logit * load(new_ + drive + j));
        add(grad + drive + j, logit * load(p.gate_weight + j));
    }
    p.dgate_bias[0] += logit;
    return sum<R>(moved) + p.dd[r] * (d - p.d_before[t * p.m + r]);
}

/* The gate of one row, one sample back; du as far as candidates go. Returns the update's number, or −1. */
template <class R, class Cell> static INLINE long gate_back(const Place<R, Cell> &at, int64_t t, int r, const R *state, R du) {
    const Pass<R> &p = at.p;
    const long i = t * p.m + r;
    const int32_t n = p.update[i];
    if (n == PADDING) return -1;
    const bool updates = n >= 0;
    if (updates) du += through_update(at, t, r, n, state);
    du += (p.grad_gates ? p.grad_gates[t * p.grad_gates_stride + r] : 0) - p.dcum[r] * p.ut[i];
    R dut = p.forced ? 0 : du;  /* straight through; a forced gate depends on nothing */
    if (!updates) dut += p.dcum[r];
    const R room = 1 - p.cum_before[i];
    dut *= p.d_before[i] < room ? R(1) : p.d_before[i] == room ? R(0.5) : R(0);  /* as torch.minimum */
    p.dd[r] = (updates ? 0 : p.dd[r]) + dut;
    p.dcum[r] = dut;
    return updates ? n : -1;
}

/* The updates numbered `numbers`, of rows `updated`, through all layers. */
template <class R, class Cell>
void layers_back(const Place<R, Cell> &at, int count, const int *updated, const long *numbers, const R *const *after) {
    const Pass<R> &p = at.p;
    const R *grads[MAX_ROWS];
    R *results[MAX_ROWS], *temporary = p.scratch + 4 * at.Hp;
    auto add_to = [&](int layer) {
        for (int k = 0; k < count; k++)
            for (int j = 0; j < at.Hp; j += Simd<R>::lanes)
                add(p.grad + updated[k] * at.S + at.part(layer) + j, load(results[k] + j));
    };
    for (int layer = (int)p.L - 1; layer >= 0; layer--) {
        for (int k = 0; k < count; k++) {
            R *z = at.acts(numbers[k], layer), *grad = p.grad + updated[k] * at.S + at.part(layer);
            const R *old = p.before + numbers[k] * at.S + at.part(layer), *new_ = after[k] + at.part(layer);
            for (int j = 0; j < at.Hp; j += Simd<R>::lanes)
                Cell::back(at.Hp, z, old, new_, grad, p.dbias + (long)layer * 4 * at.Hp, j);
            grads[k] = z;
            results[k] = temporary + (long)k * at.Hp;
        }
        product(count, at.Hp, at.G, grads, at.w_hh_t(layer), results);
        add_to(layer);
        if (layer == 0) break;
        product(count, at.Hp, 4 * at.Hp, grads, at.w_up_t(layer), results);
        add_to(layer - 1);
    }
}

/* Updates whose part in the weights' gradients is not summed yet: numbers [first, last), and where their inputs are. */
template <class R> struct Pending {
    const R *x[SUMMED_TOGETHER + MAX_ROWS];  /* of the last update first */
    long first = 0, last = 0;
};

/* Sums over the pending updates of input ⊗ dz and h ⊗ dz, all layers. */
template <class R, class Cell> void weights(const Place<R, Cell> &at, Pending<R> &pending) {
    const Pass<R> &p = at.p;
    const long n = pending.last - pending.first, stride = p.L * 4 * at.Hp, G = at.G, plain = Cell::gates == 4 ? G : 2L * at.Hp;
    for (long k = 0; k < n; k++) std::memcpy(p.gathered + k * p.F, pending.x[n - 1 - k], p.F * sizeof(R));
    for (int layer = 0; layer < p.L; layer++) {
        const R *h = p.before + pending.first * at.S + at.part(layer), *dz = at.acts(pending.first, layer);
        outer(n, p.H, G, h, at.S, dz, stride, p.dw_hh + layer * p.H * G, G);
        const R *input = layer ? at.below(pending.first, layer) : p.gathered;
        const long width = layer ? p.H : p.F, input_stride = layer ? (p.L - 1) * at.Hp : p.F;
        R *sums = layer ? p.dw_up + (layer - 1) * p.H * G : p.dw_ih;
        outer(n, width, plain, input, input_stride, dz, stride, sums, G);
        outer(n, width, G - plain, input, input_stride, dz + plain + at.Hp, stride, sums + plain, G);
    }
    pending.last = pending.first;
}

template <class R, class Cell> void backward(const Pass<R> &p) {
    const Place<R, Cell> at(p);
    Row<R> state[MAX_ROWS];
    const R *after[MAX_ROWS];
    R du[MAX_ROWS];
    int updated[MAX_ROWS];
    long numbers[MAX_ROWS];
    Pending<R> pending;
    for (int r = 0; r < p.m; r++) state[r] = {p.state + r * at.S, false};
    for (int64_t t = p.T - 1; t >= 0; t--) {
        if (p.grad_out)
            for (int r = 0; r < p.m; r++) {
                R *top = p.grad + r * at.S + at.part(p.L - 1);
                for (int j = 0; j < p.H; j++) top[j] += p.grad_out[t * p.grad_out_stride + (long)r * p.H + j];
            }
        for (int r = 0; r < p.m; r++) du[r] = 0;
        if (!p.forced) through_candidates(at, t, state, du);
        int count = 0;
        for (int r = 0; r < p.m; r++) {
            long n = gate_back(at, t, r, state[r].state, du[r]);
            if (n < 0) continue;
            after[count] = state[r].state;
            numbers[count] = n;
            updated[count++] = r;
            state[r] = {p.before + n * at.S, false};
        }
        if (!count) continue;
        layers_back(at, count, updated, numbers, after);
        if (pending.last == pending.first) pending.last = numbers[count - 1] + 1;
        for (int k = count - 1; k >= 0; k--) pending.x[pending.last - 1 - numbers[k]] = at.x(t, updated[k]);
        pending.first = numbers[0];
        if (pending.last - pending.first >= SUMMED_TOGETHER) weights(at, pending);
    }
    if (pending.last > pending.first) weights(at, pending);
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
