// One warp multiplies one tile through the C++ API, for every shape and type that it has.
#include <mma.h>
#include <cuda_fp16.h>
#include <cuda_bf16.h>
using namespace nvcuda;

template <int M, int N, int K, typename A, typename C, typename Fragment, typename LA, typename LB>
__device__ void product(const A *a, const A *b, const C *c, C *d, int lda, int ldb, wmma::layout_t order) {
    wmma::fragment<wmma::matrix_a, M, N, K, Fragment, LA> fa;
    wmma::fragment<wmma::matrix_b, M, N, K, Fragment, LB> fb;
    wmma::fragment<wmma::accumulator, M, N, K, C> fc;
    wmma::load_matrix_sync(fa, a, lda);
    wmma::load_matrix_sync(fb, b, ldb);
    wmma::load_matrix_sync(fc, c, order == wmma::mem_row_major ? N : M, order);
    // Twice the accumulator: a fragment's elements may be changed one by one.
    for (int i = 0; i < fc.num_elements; i++) fc.x[i] = fc.x[i] + fc.x[i];
    wmma::mma_sync(fc, fa, fb, fc);
    wmma::store_matrix_sync(d, fc, order == wmma::mem_row_major ? N : M, order);
}

#define KERNEL(name, M, N, K, A, C, F, LA, LB, lda, ldb, order)                                      \
    extern "C" __global__ void name(const A *a, const A *b, const C *c, C *d) {                       \
        product<M, N, K, A, C, F, wmma::LA, wmma::LB>(a, b, c, d, lda, ldb, wmma::order);              \
    }

KERNEL(f16_16, 16, 16, 16, half, float, half, row_major, col_major, 16, 16, mem_row_major)
KERNEL(f16_32, 32, 8, 16, half, float, half, col_major, row_major, 32, 8, mem_col_major)
KERNEL(f16_8, 8, 32, 16, half, half, half, row_major, row_major, 16, 32, mem_row_major)
KERNEL(bf16_16, 16, 16, 16, __nv_bfloat16, float, __nv_bfloat16, row_major, col_major, 16, 16, mem_row_major)
KERNEL(bf16_32, 32, 8, 16, __nv_bfloat16, float, __nv_bfloat16, col_major, col_major, 32, 16, mem_row_major)
KERNEL(bf16_8, 8, 32, 16, __nv_bfloat16, float, __nv_bfloat16, row_major, row_major, 16, 32, mem_col_major)
KERNEL(tf32_16, 16, 16, 8, float, float, wmma::precision::tf32, row_major, col_major, 8, 8, mem_row_major)
KERNEL(s8_16, 16, 16, 16, signed char, int, signed char, row_major, col_major, 16, 16, mem_row_major)
KERNEL(s8_32, 32, 8, 16, signed char, int, signed char, row_major, row_major, 16, 8, mem_row_major)
KERNEL(s8_8, 8, 32, 16, signed char, int, signed char, col_major, col_major, 8, 16, mem_row_major)
KERNEL(f64_8, 8, 8, 4, double, double, double, row_major, col_major, 4, 4, mem_row_major)
