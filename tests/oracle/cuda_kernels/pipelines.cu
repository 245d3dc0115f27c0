// Asynchronous copies as CUDA C++ has them: the primitives, and cuda::pipeline with a producer group.
#include <cooperative_groups.h>
#include <cuda/pipeline>
#include <cuda_pipeline.h>

namespace cg = cooperative_groups;

extern "C" __global__ void pipelines(const float *x, float *o, float *p, int tiles) {
    __shared__ alignas(16) float ring[3][256];
    __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, 2> state;
    int t = threadIdx.x;
    // The primitives: a ring of three, 16 bytes a thread for the first 64 threads.
    float sum = 0;
    for (int tile = 0; tile < 2; tile++) {
        if (t < 64 && tile < tiles) __pipeline_memcpy_async(&ring[tile][4 * t], x + 256 * tile + 4 * t, 16);
        __pipeline_commit();
    }
    for (int tile = 0; tile < tiles; tile++) {
        int next = tile + 2;
        if (t < 64 && next < tiles)
            // Half of each copy, the rest is filled with zeros.
            __pipeline_memcpy_async(&ring[next % 3][4 * t], x + 256 * next + 4 * t, 16, 8);
        __pipeline_commit();
        __pipeline_wait_prior(2);
        __syncthreads();
        sum += ring[tile % 3][t] * (tile + 1);
        __syncthreads();
    }
    o[t] = sum;
    // cuda::pipeline: all threads produce and consume.
    auto block = cg::this_thread_block();
    auto pipe = cuda::make_pipeline(block, &state);
    float total = 0;
    for (int fill = 0, tile = 0; tile < tiles; tile++) {
        for (; fill < tiles && fill < tile + 2; fill++) {
            pipe.producer_acquire();
            cuda::memcpy_async(block, ring[fill % 2], x + 256 * fill, cuda::aligned_size_t<16>(1024), pipe);
            pipe.producer_commit();
        }
        pipe.consumer_wait();
        total += ring[tile % 2][255 - t];
        pipe.consumer_release();
    }
    p[t] = total;
}
