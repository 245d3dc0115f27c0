// FlashAttention-2's inner loop by hand: cp.async, a swizzle, ldmatrix (transposed for V), mma.sync, online softmax.
#include <cuda_fp16.h>
#include <cstdint>

constexpr int D = 64, BM = 64, BN = 32;

__device__ uint32_t shared(const void *p) { return uint32_t(__cvta_generic_to_shared(p)); }

// Element (row, col) of a tile of rows of 64 halves: chunks of 16 bytes change places within a row.
__device__ int at(int row, int col) { return row * D + (((col / 8) ^ (row & 7)) * 8) + col % 8; }

__device__ void copy(half *to, const half *from, int row, int rows, int n, int first) {
    for (int i = threadIdx.x; i < rows * D / 8; i += blockDim.x) {
        int r = i / (D / 8), c = i % (D / 8) * 8;
        int bytes = first + r < n ? 16 : 0;
        const half *source = bytes ? from + (row + r) * D + c : from;
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared(to + at(r, c))), "l"(source), "r"(bytes));
    }
    asm volatile("cp.async.commit_group;");
}

__device__ void ldmatrix(uint32_t (&r)[4], const half *p, bool turned) {
    if (turned)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared(p)));
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared(p)));
}

__device__ void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ uint32_t pack(float a, float b) {
    half2 h = __floats2half2_rn(a, b);
    return reinterpret_cast<uint32_t &>(h);
}

extern "C" __global__ void __launch_bounds__(128) flash_attention(const half *q, const half *k, const half *v, half *o,
                                                                  float *lse, float scale, int n) {
    __shared__ alignas(128) half sq[BM * D], sk[2][BN * D], sv[2][BN * D];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int first = blockIdx.x * BM, base = blockIdx.y * n;
    copy(sq, q, base + first, BM, n, first);
    copy(sk[0], k, base, BN, n, 0);
    copy(sv[0], v, base, BN, n, 0);
    int tiles = (min(n, first + BM) + BN - 1) / BN;
    uint32_t query[4][4];
    float out[8][4] = {}, high[2] = {-INFINITY, -INFINITY}, sum[2] = {};
    for (int tile = 0; tile < tiles; tile++) {
        int stage = tile & 1, start = tile * BN;
        asm volatile("cp.async.wait_group 0;");
        __syncthreads();
        if (tile + 1 < tiles) {
            copy(sk[stage ^ 1], k, base + start + BN, BN, n, start + BN);
            copy(sv[stage ^ 1], v, base + start + BN, BN, n, start + BN);
        }
        if (tile == 0)
            for (int kk = 0; kk < 4; kk++)
                ldmatrix(query[kk], sq + at(warp * 16 + lane % 16, kk * 16 + lane / 16 * 8), false);
        float s[4][4] = {};
        for (int kk = 0; kk < 4; kk++)
            for (int nn = 0; nn < 2; nn++) {
                uint32_t key[4];
                ldmatrix(key, sk[stage] + at(nn * 16 + lane % 8 + lane / 16 * 8, kk * 16 + (lane / 8 & 1) * 8), false);
                mma(s[2 * nn], query[kk], key[0], key[1]);
                mma(s[2 * nn + 1], query[kk], key[2], key[3]);
            }
        for (int half_ = 0; half_ < 2; half_++) {
            int row = first + warp * 16 + lane / 4 + 8 * half_;
            float top = high[half_];
            for (int j = 0; j < 4; j++)
                for (int e = 0; e < 2; e++) {
                    int col = start + j * 8 + lane % 4 * 2 + e;
                    float &x = s[j][2 * half_ + e];
                    x = col <= row && col < n ? x * scale : -INFINITY;
                    top = fmaxf(top, x);
                }
            top = fmaxf(top, __shfl_xor_sync(~0u, top, 1));
            top = fmaxf(top, __shfl_xor_sync(~0u, top, 2));
            float fade = top == -INFINITY ? 1.f : exp2f((high[half_] - top) * 1.44269504f);
            sum[half_] *= fade;
            for (int j = 0; j < 8; j++) out[j][2 * half_] *= fade, out[j][2 * half_ + 1] *= fade;
            for (int j = 0; j < 4; j++)
                for (int e = 0; e < 2; e++) {
                    float &x = s[j][2 * half_ + e];
                    x = top == -INFINITY ? 0.f : exp2f((x - top) * 1.44269504f);
                    sum[half_] += x;
                }
            high[half_] = top;
        }
        for (int kk = 0; kk < 2; kk++) {
            uint32_t p[4] = {pack(s[2 * kk][0], s[2 * kk][1]), pack(s[2 * kk][2], s[2 * kk][3]),
                             pack(s[2 * kk + 1][0], s[2 * kk + 1][1]), pack(s[2 * kk + 1][2], s[2 * kk + 1][3])};
            for (int j = 0; j < 4; j++) {
                uint32_t value[4];
                ldmatrix(value, sv[stage] + at(kk * 16 + lane % 16, j * 16 + lane / 16 * 8), true);
                mma(out[2 * j], p, value[0], value[1]);
                mma(out[2 * j + 1], p, value[2], value[3]);
            }
        }
    }
    for (int half_ = 0; half_ < 2; half_++) {
        float total = sum[half_];
        total += __shfl_xor_sync(~0u, total, 1);
        total += __shfl_xor_sync(~0u, total, 2);
        int row = first + warp * 16 + lane / 4 + 8 * half_;
        if (row >= n) continue;
        for (int j = 0; j < 8; j++)
            *reinterpret_cast<half2 *>(o + (base + row) * D + j * 8 + lane % 4 * 2) =
                __floats2half2_rn(out[j][2 * half_] / total, out[j][2 * half_ + 1] / total);
        if (lane % 4 == 0) lse[base + row] = high[half_] + logf(total);
    }
}
