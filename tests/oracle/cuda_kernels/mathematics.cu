// The CUDA mathematical library in single precision.
extern "C" __global__ void mathematics(const float *x, float *f, int n) {
    int t = threadIdx.x;
    if (t >= n) return;
    float a = x[t];
    int row = 0;
    auto put = [&](float value) { f[n * row++ + t] = value; };
    float s, c;
    sincosf(a, &s, &c);
    put(s); put(c);
    put(cospif(a)); put(expf(a * 0.25f)); put(exp10f(a * 0.2f)); put(expm1f(a * 0.25f));
    put(logf(fabsf(a))); put(log10f(fabsf(a))); put(log1pf(fabsf(a))); put(powf(fabsf(a), 1.3f)); put(cbrtf(a));
    put(erff(a)); put(erfcf(a)); put(erfinvf(a * 0.15f));
    put(sinhf(a * 0.25f)); put(tanhf(a)); put(asinhf(a)); put(asinf(a * 0.15f)); put(atan2f(a, -2.f));
    put(hypotf(a, 3.f)); put(fmodf(a, 0.7f)); put(remainderf(a, 0.7f)); put(rsqrtf(fabsf(a) + 0.1f));
    put(nextafterf(a, 9.f)); put(ldexpf(a, -3)); put(float(ilogbf(a))); put(roundf(a)); put(fdimf(a, 1.f));
    put(__sinf(a)); put(__expf(a * 0.25f)); put(__logf(fabsf(a))); put(__fdividef(a, 3.f)); put(__frsqrt_rn(fabsf(a)));
    put(__saturatef(a)); put(__fmaf_rz(a, a, 1.f)); put(tanhf(a * 0.01f)); put(rnorm3df(a, 1.f, 2.f));
}
