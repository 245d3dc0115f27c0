// One query a sequence over a paged cache, as serving engines wrote it first: a warp scores the keys, shuffles reduce.
#include <cuda_fp16.h>

template <int D, int PAGE>
__device__ void attend(const half *q, const half *k, const half *v, const int *table, const int *lens, float *o,
                       float scale, int blocks, int kv_heads) {
    extern __shared__ float scores[];
    __shared__ float part[4];
    int head = blockIdx.x, seq = blockIdx.y, heads = gridDim.x, kv = head / (heads / kv_heads);
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    int length = lens[seq];
    const half2 *query = reinterpret_cast<const half2 *>(q + (seq * heads + head) * D);
    float high = -INFINITY;
    for (int at = warp; at < length; at += warps) {
        int block = table[seq * blocks + at / PAGE];
        const half2 *key = reinterpret_cast<const half2 *>(k + ((block * PAGE + at % PAGE) * kv_heads + kv) * D);
        float dot = 0;
        for (int i = lane; i < D / 2; i += 32) {
            float2 a = __half22float2(query[i]), b = __half22float2(__ldg(key + i));
            dot += a.x * b.x + a.y * b.y;
        }
        for (int step = 16; step; step /= 2) dot += __shfl_xor_sync(~0u, dot, step);
        if (lane == 0) scores[at] = dot * scale;
        high = fmaxf(high, dot * scale);
    }
    if (lane == 0) part[warp] = high;
    __syncthreads();
    for (int i = 0; i < warps; i++) high = fmaxf(high, part[i]);
    __syncthreads();
    float sum = 0;
    for (int at = threadIdx.x; at < length; at += blockDim.x) {
        float p = __expf(scores[at] - high);
        scores[at] = p;
        sum += p;
    }
    for (int step = 16; step; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
    if (lane == 0) part[warp] = sum;
    __syncthreads();
    sum = 0;
    for (int i = 0; i < warps; i++) sum += part[i];
    for (int d = threadIdx.x; d < D; d += blockDim.x) {
        float acc = 0;
        for (int at = 0; at < length; at++) {
            int block = table[seq * blocks + at / PAGE];
            acc += scores[at] * __half2float(v[((block * PAGE + at % PAGE) * kv_heads + kv) * D + d]);
        }
        o[(seq * heads + head) * D + d] = acc / sum;
    }
}

extern "C" __global__ void paged_attention(const half *q, const half *k, const half *v, const int *table,
                                           const int *lens, float *o, float scale, int blocks, int kv_heads) {
    attend<64, 8>(q, k, v, table, lens, o, scale, blocks, kv_heads);
}
