// Atomics of every width, scope and type, and cuda::atomic_ref with its orders.
#include <cuda/atomic>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" __global__ void atomics(unsigned *u, unsigned long long *w, half2 *h, __nv_bfloat162 *b, double *d, float *f,
                                   float4 *v) {
    __shared__ unsigned s[4];
    int t = threadIdx.x + blockIdx.x * blockDim.x;
    if (threadIdx.x < 4) s[threadIdx.x] = 0;
    __syncthreads();
    atomicAdd(&s[t & 3], t);
    atomicMax_block(&s[t & 3], 3);
    atomicInc(&u[0], 99);
    atomicDec(&u[1], 7);
    atomicSub(&u[2], t);
    atomicMin(&u[3], 1000 - t);
    atomicAdd_system(&u[4], 2);
    atomicXor(&u[5], 1u << (t % 32));
    atomicAdd(&w[0], 1ull << (t % 40));
    atomicMax(&w[1], (unsigned long long)t << 33);
    atomicAnd(&w[2], ~(1ull << (t % 64)));
    // A maximum of doubles by compare and swap.
    unsigned long long seen = w[3];
    while (__longlong_as_double(seen) < t * 0.5) {
        unsigned long long now = atomicCAS(&w[3], seen, __double_as_longlong(t * 0.5));
        if (now == seen) break;
        seen = now;
    }
    atomicAdd(&h[t & 1], __floats2half2_rn(0.5f, 1.f));
    atomicAdd(&b[t & 1], __floats2bfloat162_rn(1.f, 0.25f));
    atomicAdd(reinterpret_cast<half *>(&h[2]), __float2half(0.25f));
    unsigned short *word = reinterpret_cast<unsigned short *>(&u[7]);
    unsigned short old = 0, got;
    while ((got = atomicCAS(word, old, (unsigned short)(old + 3))) != old) old = got;
    atomicAdd(&d[t & 3], 0.125 * t);
    atomicAdd(&f[t & 3], 0.5f * t);
    atomicExch(&f[4], 1.5f);
    cuda::atomic_ref<unsigned, cuda::thread_scope_device> ref(u[6]);
    ref.fetch_add(3, cuda::memory_order_acq_rel);
    if (t == 0) {
        cuda::atomic_ref<float, cuda::thread_scope_system> flag(f[5]);
        flag.store(2.5f, cuda::memory_order_release);
        f[6] = flag.load(cuda::memory_order_acquire) + flag.exchange(4.f);
    }
#if __CUDA_ARCH__ >= 900
    atomicAdd(&v[0], make_float4(1.f, 2.f, 3.f, 4.f));
    atomicAdd(reinterpret_cast<float2 *>(&v[1]), make_float2(0.5f, 0.25f));
#endif
    __syncthreads();
    if (threadIdx.x < 4) atomicAdd(&u[8 + threadIdx.x], s[threadIdx.x]);
}
