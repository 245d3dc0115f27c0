// nvcuda::wmma in tf32 and f64.
#include <mma.h>

using namespace nvcuda;

extern "C" __global__ void wmma_tf32(const float *a, const float *b, float *c, const double *ad, const double *bd,
                                     double *cd) {
    if (threadIdx.x < 32) {
        wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::row_major> x;
        wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, wmma::col_major> y;
        wmma::fragment<wmma::accumulator, 16, 16, 8, float> acc;
        wmma::fill_fragment(acc, 0.f);
        for (int k = 0; k < 32; k += 8) {
            wmma::load_matrix_sync(x, a + k, 32);
            wmma::load_matrix_sync(y, b + k, 32);
            for (int i = 0; i < x.num_elements; i++) x.x[i] = wmma::__float_to_tf32(x.x[i]);
            for (int i = 0; i < y.num_elements; i++) y.x[i] = wmma::__float_to_tf32(y.x[i]);
            wmma::mma_sync(acc, x, y, acc);
        }
        wmma::store_matrix_sync(c, acc, 16, wmma::mem_row_major);
    } else {
        wmma::fragment<wmma::matrix_a, 8, 8, 4, double, wmma::row_major> x;
        wmma::fragment<wmma::matrix_b, 8, 8, 4, double, wmma::row_major> y;
        wmma::fragment<wmma::accumulator, 8, 8, 4, double> acc;
        wmma::fill_fragment(acc, 0.);
        for (int k = 0; k < 16; k += 4) {
            wmma::load_matrix_sync(x, ad + k, 16);
            wmma::load_matrix_sync(y, bd + k * 8, 8);
            wmma::mma_sync(acc, x, y, acc);
        }
        wmma::store_matrix_sync(cd, acc, 8, wmma::mem_row_major);
    }
}
