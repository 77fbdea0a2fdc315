/* Vectors of 32 bytes, the functions that squash, and products of a few rows with a packed matrix. */
#pragma once
#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

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
    x = (Float8)_mm256_max_ps(_mm256_set1_ps(-87.f), (__m256)x);  // NaN, the second operand, stays
    x = (Float8)_mm256_min_ps(_mm256_set1_ps(88.f), (__m256)x);
    constexpr float shift = 12582912.f;  // 1.5 * 2^23: adding it rounds to an integer
    Float8 k = (x * 1.44269504088896341f + shift) - shift;
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

/* Copy n numbers past the cache: they are read again only after the cache was filled many times over. 32-byte aligned. */
template <class R> static INLINE void stream(R *to, const R *from, long n) {
    for (long j = 0; j < n; j += Simd<R>::lanes)
        _mm256_stream_si256((__m256i *)(to + j), _mm256_loadu_si256((const __m256i *)(from + j)));
}

/* c[i][0..J) += sum over k of a[k][i] * b[k][0..J), for ROWS values of i; rows of a, b and c have their strides. */
template <class R, int ROWS>
static INLINE void outer_panel(long n, long J, const R *a, long a_stride, const R *b, long b_stride, R *c, long c_stride) {
    using V = typename Simd<R>::V;
    constexpr int L = Simd<R>::lanes;
    for (long j = 0; j < J; j += 2 * L) {
        V low[ROWS], high[ROWS];
        for (int i = 0; i < ROWS; i++) {
            low[i] = load(c + i * c_stride + j);
            high[i] = load(c + i * c_stride + j + L);
        }
        for (long k = 0; k < n; k++) {
            V b0 = load(b + k * b_stride + j), b1 = load(b + k * b_stride + j + L);
#pragma GCC unroll 8
            for (int i = 0; i < ROWS; i++) {
                low[i] += a[k * a_stride + i] * b0;
                high[i] += a[k * a_stride + i] * b1;
            }
        }
        for (int i = 0; i < ROWS; i++) {
            store(c + i * c_stride + j, low[i]);
            store(c + i * c_stride + j + L, high[i]);
        }
    }
}

/* The same for I values of i: c [I, J] += aT b. */
template <class R> void outer(long n, long I, long J, const R *a, long a_stride, const R *b, long b_stride, R *c, long c_stride) {
    long i = 0;
    for (; i + 6 <= I; i += 6) outer_panel<R, 6>(n, J, a + i, a_stride, b, b_stride, c + i * c_stride, c_stride);
    for (; i + 2 <= I; i += 2) outer_panel<R, 2>(n, J, a + i, a_stride, b, b_stride, c + i * c_stride, c_stride);
    for (; i < I; i++) outer_panel<R, 1>(n, J, a + i, a_stride, b, b_stride, c + i * c_stride, c_stride);
}

}  // namespace
