// Half and bfloat16 intrinsics, one and two at a time.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" __global__ void halves(const half2 *x, const half2 *y, const __nv_bfloat162 *xb, const __nv_bfloat162 *yb,
                                  half2 *h, __nv_bfloat162 *b, int *o, int n) {
    int t = threadIdx.x;
    half2 p = x[t], q = y[t];
    int row = 0;
    auto put = [&](half2 value) { h[n * row++ + t] = value; };
    put(__hadd2(p, q)); put(__hsub2(p, q)); put(__hmul2(p, q)); put(__hfma2(p, q, p)); put(__hfma2_relu(p, q, p));
    put(__hadd2_sat(p, q)); put(__hmin2(p, q)); put(__hmax2(p, q)); put(__habs2(p)); put(__hneg2(p)); put(__h2div(p, q));
    put(h2sqrt(__habs2(p))); put(h2rsqrt(__habs2(q))); put(h2rcp(q)); put(h2exp2(p)); put(h2exp(p)); put(h2log2(__habs2(q)));
    put(h2floor(p)); put(h2ceil(p)); put(h2rint(p)); put(h2trunc(p)); put(__lowhigh2highlow(p)); put(__hgt2(p, q));
    put(__hmul2_rn(p, q)); put(h2tanh(p)); put(__floats2half2_rn(__low2float(p) * 3.f, __high2float(q)));
    put(__halves2half2(__float2half_rz(__low2float(p) * 0.3f), __int2half_rn(t * 3 - 40)));
    __nv_bfloat162 u = xb[t], v = yb[t];
    row = 0;
    auto store = [&](__nv_bfloat162 value) { b[n * row++ + t] = value; };
    store(__hadd2(u, v)); store(__hsub2(u, v)); store(__hmul2(u, v)); store(__hfma2(u, v, u)); store(__hmin2(u, v));
    store(__hmax2(u, v)); store(__habs2(u)); store(__hneg2(u)); store(h2exp2(u)); store(h2rcp(v)); store(__hfma2_relu(u, v, u));
    store(__floats2bfloat162_rn(__low2float(u) * 0.3f, __high2float(v) * 0.7f)); store(__hmax2_nan(u, v));
    o[t] = __half2int_rd(__low2half(p)) + 100 * __half2int_rn(__high2half(q)) + 10000 * __hbeq2(p, p) +
           100000 * __hlt(__low2half(p), __low2half(q));
    o[n + t] = __half_as_ushort(__low2half(p)) + (__heq(__high2half(p), __high2half(p)) ? 1 << 20 : 0);
    o[2 * n + t] = __hgt2_mask(p, q);
    o[3 * n + t] = __bfloat162int_rz(__low2bfloat16(u)) * 1000 + __bfloat162int_rn(__high2bfloat16(v));
}
