// Products through nvcuda::wmma: one warp a tile, every shape of f16 and one of each other type.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>

using namespace nvcuda;

template <int M, int N, int K, class T, class Acc, class LayoutA, class LayoutB>
__device__ void tile(const T *a, int lda, const T *b, int ldb, Acc *c, int ldc, int depth, bool turned) {
    wmma::fragment<wmma::matrix_a, M, N, K, T, LayoutA> x;
    wmma::fragment<wmma::matrix_b, M, N, K, T, LayoutB> y;
    wmma::fragment<wmma::accumulator, M, N, K, Acc> acc;
    wmma::fill_fragment(acc, Acc(1));
    for (int k = 0; k < depth; k += K) {
        const T *from_a = std::is_same<LayoutA, wmma::row_major>::value ? a + k : a + k * lda;
        const T *from_b = std::is_same<LayoutB, wmma::row_major>::value ? b + k * ldb : b + k;
        wmma::load_matrix_sync(x, from_a, lda);
        wmma::load_matrix_sync(y, from_b, ldb);
        wmma::mma_sync(acc, x, y, acc);
    }
    for (int i = 0; i < acc.num_elements; i++) acc.x[i] = acc.x[i] * Acc(2);
    wmma::store_matrix_sync(c, acc, ldc, turned ? wmma::mem_col_major : wmma::mem_row_major);
}

// Operands are 32 by 32; each warp makes one whole product of its type and orders.
extern "C" __global__ void wmma_matmul(const half *a, const half *b, const __nv_bfloat16 *ab, const __nv_bfloat16 *bb,
                                       const signed char *ai, const signed char *bi, float *c, float *cb, int *ci,
                                       half *ch) {
    int warp = threadIdx.x / 32;
    using Row = wmma::row_major;
    using Col = wmma::col_major;
    if (warp == 0) {
        for (int m = 0; m < 32; m += 16)
            for (int n = 0; n < 32; n += 16)
                tile<16, 16, 16, half, float, Row, Row>(a + m * 32, 32, b + n, 32, c + m * 32 + n, 32, 32, false);
    } else if (warp == 1) {
        // C transposed: columns of a col-major A and of a col-major B.
        for (int n = 0; n < 32; n += 8)
            tile<32, 8, 16, half, float, Col, Col>(a, 32, b + n * 32, 32, c + 1024 + n * 32, 32, 32, true);
    } else if (warp == 2) {
        for (int m = 0; m < 32; m += 8)
            tile<8, 32, 16, half, half, Row, Col>(a + m * 32, 32, b, 32, ch + m * 32, 32, 32, false);
    } else if (warp == 3) {
        for (int m = 0; m < 32; m += 16)
            for (int n = 0; n < 32; n += 16) {
                tile<16, 16, 16, __nv_bfloat16, float, Row, Col>(ab + m * 32, 32, bb + n * 32, 32, cb + m * 32 + n, 32,
                                                                 32, false);
                tile<16, 16, 16, signed char, int, Row, Col>(ai + m * 32, 32, bi + n * 32, 32, ci + m * 32 + n, 32, 32,
                                                             false);
            }
    }
}
