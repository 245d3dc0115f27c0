// Integer intrinsics: dot products of bytes, video instructions, wide products, funnel shifts, bit fields, 128 bits.
extern "C" __global__ void integers(const unsigned *x, const unsigned *y, unsigned *o, unsigned long long *w, int n) {
    int t = threadIdx.x;
    unsigned a = x[t], b = y[t];
    unsigned long long p = (unsigned long long)a << 32 | b, q = (unsigned long long)b << 29 | a;
    int row = 0;
    auto put = [&](unsigned value) { o[n * row++ + t] = value; };
    put(__dp4a(int(a), int(b), 7)); put(__dp4a(a, b, 7u)); put(__dp2a_lo(int(a), int(b), 5)); put(__dp2a_hi(a, b, 5u));
    put(__vadd4(a, b)); put(__vabsdiffu4(a, b)); put(__vmaxs2(a, b)); put(__vcmpgtu4(a, b)); put(__vsadu4(a, b));
    put(__funnelshift_l(a, b, b & 31)); put(__funnelshift_rc(a, b, b & 63)); put(__byte_perm(a, b, 0x5140));
    put(__umulhi(a, b)); put(__mulhi(int(a), int(b))); put(__mul24(a, b)); put(__popc(a)); put(__clz(a >> 3));
    put(__ffs(a << 4)); put(__brev(a)); put(__usad(a, b, 3)); put(__rhadd(int(a), int(b))); put(a / (b | 1));
    put(int(a) % (int(b >> 9) | 1)); put(__vavgs4(a, b)); put(__viaddmax_s32(int(a), int(b), 5));
    put(__vimin3_u32(a, b, 1u << 30));
    unsigned field;
    asm("bfe.u32 %0, %1, 5, 11;" : "=r"(field) : "r"(a)); put(field);
    asm("bfi.b32 %0, %1, %2, 7, 9;" : "=r"(field) : "r"(a), "r"(b)); put(field);
    asm("lop3.b32 %0, %1, %2, %3, 0x96;" : "=r"(field) : "r"(a), "r"(b), "r"(a + b)); put(field);
    asm("bfind.shiftamt.u32 %0, %1;" : "=r"(field) : "r"(a >> 5)); put(field);
    asm("szext.wrap.s32 %0, %1, 13;" : "=r"(field) : "r"(a)); put(field);
    asm("bmsk.clamp.b32 %0, %1, %2;" : "=r"(field) : "r"(a & 15), "r"(b & 15)); put(field);
    row = 0;
    auto store = [&](unsigned long long value) { w[n * row++ + t] = value; };
    store(p * q); store(__umul64hi(p, q)); store(p / (q | 1)); store((long long)p % (long long)(q >> 20 | 1));
    store(__popcll(p)); store(__clzll(q >> 5)); store(__brevll(p)); store(__ffsll(q << 7));
    unsigned __int128 wide = (unsigned __int128)p * q + (unsigned __int128)p;
    store((unsigned long long)wide); store((unsigned long long)(wide >> 64)); store((unsigned long long)(wide / (b | 1)));
    store((unsigned long long)(wide % (p | 1))); store((unsigned long long)(wide >> (a & 127)));
}
