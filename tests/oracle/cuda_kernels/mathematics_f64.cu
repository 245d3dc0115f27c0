// The CUDA mathematical library in double precision.
extern "C" __global__ void mathematics_f64(const double *y, double *d, int n) {
    int t = threadIdx.x;
    if (t >= n) return;
    double b = y[t];
    int row = 0;
    auto store = [&](double value) { d[n * row++ + t] = value; };
    double ds, dc;
    sincos(b, &ds, &dc);
    store(ds); store(dc); store(exp(b * 0.25)); store(log(fabs(b))); store(pow(fabs(b), 1.7)); store(cbrt(b));
    store(erf(b));
    store(tanh(b)); store(atan(b)); store(fmod(b, 0.7));
    store(sqrt(fabs(b))); store(1. / b); store(b / 3.); store(fma(b, b, 0.1)); store(rint(b)); store(floor(b));
    store(rsqrt(fabs(b))); store(__dadd_ru(b, 0.1)); store(__dmul_rd(b, 0.1)); store(__ddiv_rz(b, 0.3));
    store(double(__double2int_ru(b)) + double(__double2ll_rd(b * 1e9))); store(log1p(fabs(b))); store(exp2(b));
}
