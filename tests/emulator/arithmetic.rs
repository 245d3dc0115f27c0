//! Arithmetic, logic, bit fields, conversions and comparisons against what Rust computes.

use crate::machine::check_table;
use half::{bf16, f16};

fn s(x: i64) -> u64 {
    x as u64
}

fn w(x: i32) -> u64 {
    x as u32 as u64
}

fn f(x: f32) -> u64 {
    x.to_bits() as u64
}

fn d(x: f64) -> u64 {
    x.to_bits()
}

fn h(x: f32) -> u64 {
    f16::from_f32(x).to_bits() as u64
}

fn b(x: f32) -> u64 {
    bf16::from_f32(x).to_bits() as u64
}

const NAN: u64 = 0x7fff_ffff;

#[test]
fn integers() {
    check_table(&[
        ("add.s32 %r0, %r1, %r2", &[w(i32::MAX), 1], w(i32::MIN)),
        ("add.u64 %rd0, %rd1, %rd2", &[s(-1), 2], 1),
        ("add.u16 %h0, %h1, %h2", &[0xffff, 2], 1),
        ("add.sat.s32 %r0, %r1, %r2", &[w(i32::MAX), 1], w(i32::MAX)),
        ("sub.s32 %r0, %r1, %r2", &[3, 5], w(-2)),
        ("mul.lo.s32 %r0, %r1, %r2", &[w(-3), 5], w(-15)),
        ("mul.hi.s32 %r0, %r1, %r2", &[w(-3), 5], w(-1)),
        ("mul.hi.u32 %r0, %r1, %r2", &[0xffff_ffff, 0xffff_ffff], 0xffff_fffe),
        ("mul.hi.u64 %rd0, %rd1, %rd2", &[u64::MAX, u64::MAX], u64::MAX - 1),
        ("mul.lo.u64 %rd0, %rd1, %rd2", &[1 << 40, 1 << 30], 0),
        ("mul.wide.s32 %rd0, %r1, %r2", &[w(-3), 5], s(-15)),
        ("mul.wide.u32 %rd0, %r1, %r2", &[w(-3), 2], 0x1_ffff_fffa),
        ("mul.wide.u16 %r0, %h1, %h2", &[0xffff, 0xffff], 0xfffe_0001),
        ("mad.lo.s32 %r0, %r1, %r2, %r3", &[7, w(-2), 4], w(-10)),
        ("mad.wide.s32 %rd0, %r1, %r2, %rd3", &[w(-7), 2, 20], 6),
        ("mad.hi.u32 %r0, %r1, %r2, %r3", &[1 << 31, 4, 5], 7),
        ("div.s32 %r0, %r1, %r2", &[w(-7), 2], w(-3)),
        ("div.u32 %r0, %r1, %r2", &[w(-7), 2], 0x7fff_fffc),
        ("div.s32 %r0, %r1, %r2", &[w(i32::MIN), w(-1)], w(i32::MIN)),
        ("div.u64 %rd0, %rd1, %rd2", &[1000, 7], 142),
        ("rem.s32 %r0, %r1, %r2", &[w(-7), 4], w(-3)),
        ("rem.u64 %rd0, %rd1, %rd2", &[1000, 7], 6),
        ("min.s32 %r0, %r1, %r2", &[w(-7), 4], w(-7)),
        ("min.u32 %r0, %r1, %r2", &[w(-7), 4], 4),
        ("max.s64 %rd0, %rd1, %rd2", &[s(-7), 4], 4),
        ("max.u16 %h0, %h1, %h2", &[0xfff0, 4], 0xfff0),
        ("abs.s32 %r0, %r1", &[w(-9)], 9),
        ("neg.s64 %rd0, %rd1", &[9], s(-9)),
        ("sad.s32 %r0, %r1, %r2, %r3", &[w(-3), 4, 10], 17),
        ("sad.u32 %r0, %r1, %r2, %r3", &[3, 10, 1], 8),
        ("mul24.lo.u32 %r0, %r1, %r2", &[0x0100_0003, 5], 15),
        ("mad24.lo.s32 %r0, %r1, %r2, %r3", &[0x00ff_ffff, 5, 1], w(-4)),
        ("dp4a.s32.s32 %r0, %r1, %r2, %r3", &[0x01ff_0203, 0x0102_0304, 100], 100 + 1 - 2 + 6 + 12),
        ("dp4a.u32.u32 %r0, %r1, %r2, %r3", &[0x01ff_0203, 0x0102_0304, 0], 1 + 510 + 6 + 12),
        ("mov.b32 %r0, 0xFFFFFFFF; add.cc.u32 %r0, %r0, 1; addc.u32 %r0, %r1, %r2", &[5, 6], 12),
        ("mov.b32 %r0, 0; sub.cc.u32 %r0, %r0, 1; subc.u32 %r0, %r1, %r2", &[5, 2], 2),
        ("sub.cc.u32 %r0, %r1, %r2; addc.u32 %r0, 0, 0", &[5, 2], 1),
        ("sub.cc.u32 %r0, %r1, %r2; addc.u32 %r0, 0, 0", &[2, 5], 0),
    ]);
}

#[test]
fn logic_and_bits() {
    check_table(&[
        ("and.b32 %r0, %r1, %r2", &[0xff00, 0x0ff0], 0x0f00),
        ("or.b64 %rd0, %rd1, %rd2", &[0xff00, 1 << 63], 0xff00 | 1 << 63),
        ("xor.b16 %h0, %h1, %h2", &[0xff00, 0x0ff0], 0xf0f0),
        ("not.b32 %r0, %r1", &[0xff00], 0xffff_00ff),
        ("cnot.b32 %r0, %r1", &[0], 1),
        ("shl.b32 %r0, %r1, %r2", &[3, 31], 1 << 31),
        ("shl.b32 %r0, %r1, %r2", &[3, 32], 0),
        ("shl.b64 %rd0, %rd1, %r2", &[3, 40], 3 << 40),
        ("shr.u32 %r0, %r1, %r2", &[w(-8), 1], 0x7fff_fffc),
        ("shr.s32 %r0, %r1, %r2", &[w(-8), 1], w(-4)),
        ("shr.s32 %r0, %r1, %r2", &[w(-8), 99], w(-1)),
        ("shr.s64 %rd0, %rd1, %r2", &[s(-8), 99], s(-1)),
        ("shf.l.wrap.b32 %r0, %r1, %r2, %r3", &[0x8000_0001, 0x1, 33], 3),
        ("shf.l.clamp.b32 %r0, %r1, %r2, %r3", &[0x8000_0001, 0x1, 33], 0x8000_0001),
        ("shf.r.wrap.b32 %r0, %r1, %r2, %r3", &[0x8000_0001, 0x1, 1], 0xc000_0000),
        ("shf.r.clamp.b32 %r0, %r1, %r2, %r3", &[0x8000_0001, 0x1, 40], 1),
        ("popc.b64 %r0, %rd1", &[u64::MAX >> 3], 61),
        ("clz.b32 %r0, %r1", &[0x0001_0000], 15),
        ("clz.b64 %r0, %rd1", &[0], 64),
        ("brev.b32 %r0, %r1", &[1], 1 << 31),
        ("bfind.u32 %r0, %r1", &[0x0001_0000], 16),
        ("bfind.s32 %r0, %r1", &[w(-1)], 0xffff_ffff),
        ("bfind.shiftamt.u32 %r0, %r1", &[0x0001_0000], 15),
        ("bfind.s64 %r0, %rd1", &[s(-256)], 7),
        ("bfe.u32 %r0, %r1, %r2, %r3", &[0xabcd, 4, 8], 0xbc),
        ("bfe.s32 %r0, %r1, %r2, %r3", &[0x8000_0000, 28, 8], w(-8)),
        ("bfe.s32 %r0, %r1, %r2, %r3", &[0x0000_0080, 4, 4], w(-8)),
        ("bfe.s32 %r0, %r1, %r2, %r3", &[0x8000_0000, 40, 4], w(-1)),
        ("bfe.u32 %r0, %r1, %r2, %r3", &[0xabcd, 40, 4], 0),
        ("bfe.u64 %rd0, %rd1, %r2, %r3", &[0xabcd << 32, 36, 8], 0xbc),
        ("bfi.b32 %r0, %r1, %r2, %r3, %r4", &[0xf, 0xffff_0000, 4, 8], 0xffff_00f0),
        ("bfi.b64 %rd0, %rd1, %rd2, %r3, %r4", &[0x5, 0, 60, 8], 5 << 60),
        ("bmsk.clamp.b32 %r0, %r1, %r2", &[4, 8], 0xff0),
        ("prmt.b32 %r0, %r1, %r2, %r3", &[0x3322_1100, 0x7766_5544, 0x7531], 0x7755_3311),
        ("prmt.b32 %r0, %r1, %r2, %r3", &[0x0000_80ff, 0, 0x29a8], 0x00ff_00ff),
        ("prmt.b32.f4e %r0, %r1, %r2, %r3", &[0x3322_1100, 0x7766_5544, 1], 0x4433_2211),
        ("prmt.b32.rc16 %r0, %r1, %r2, %r3", &[0x3322_1100, 0, 1], 0x3322_3322),
        ("lop3.b32 %r0, %r1, %r2, %r3, 0x80", &[0xff, 0x3c, 0x18], 0x18),
        ("lop3.b32 %r0, %r1, %r2, %r3, 0x96", &[0xff, 0x3c, 0x18], 0xff ^ 0x3c ^ 0x18),
        ("lop3.b32 %r0, %r1, %r2, %r3, 0xca", &[0xf0, 0x3c, 0x18], (0xf0 & 0x3c) | (!0xf0 & 0x18)),
    ]);
}

#[test]
fn moves() {
    check_table(&[
        ("mov.b64 %rd0, {%r1, %r2}", &[1, 2], 2 << 32 | 1),
        ("mov.b64 {%r0, %r9}, %rd1", &[7 << 32 | 9], 9),
        ("mov.b64 {_, %r0}, %rd1", &[7 << 32 | 9], 7),
        ("mov.b32 %r0, {%h1, %h2}", &[1, 2], 2 << 16 | 1),
        ("mov.b32 {%h9, %h0}, %r1", &[7 << 16 | 9], 7),
        ("mov.b64 %rd0, {%h1, %h2, %h3, %h4}", &[1, 2, 3, 4], 4 << 48 | 3 << 32 | 2 << 16 | 1),
        ("setp.lt.s32 %p1, %r1, %r2; selp.b32 %r0, %r1, %r2, %p1", &[w(-1), 4], w(-1)),
        ("setp.lt.u32 %p1, %r1, %r2; selp.b64 %rd0, %rd1, %rd2, !%p1", &[1, 4], 4),
        ("slct.b32.s32 %r0, %r1, %r2, %r3", &[1, 2, w(-1)], 2),
        ("slct.b64.f32 %rd0, %rd1, %rd2, %r3", &[1, 2, f(0.0)], 1),
        ("mov.u32 %r0, %ntid.x", &[], 32),
        ("mov.u32 %r0, %nctaid.y", &[], 1),
        ("mov.u32 %r0, WARP_SZ", &[], 32),
    ]);
}

#[test]
fn comparisons() {
    check_table(&[
        ("setp.eq.b32 %p0, %r1, %r2", &[4, 4], 1),
        ("setp.lt.s32 %p0, %r1, %r2", &[w(-1), 4], 1),
        ("setp.lt.u32 %p0, %r1, %r2", &[w(-1), 4], 0),
        ("setp.hs.u64 %p0, %rd1, %rd2", &[s(-1), 4], 1),
        ("setp.ge.s16 %p0, %h1, %h2", &[0xffff, 1], 0),
        ("setp.lt.f32 %p0, %r1, %r2", &[f(-1.0), f(4.0)], 1),
        ("setp.lt.f32 %p0, %r1, %r2", &[f(f32::NAN), f(4.0)], 0),
        ("setp.ltu.f32 %p0, %r1, %r2", &[f(f32::NAN), f(4.0)], 1),
        ("setp.ne.f32 %p0, %r1, %r2", &[f(f32::NAN), f(4.0)], 0),
        ("setp.neu.f32 %p0, %r1, %r2", &[f(f32::NAN), f(4.0)], 1),
        ("setp.equ.f32 %p0, %r1, %r2", &[f(f32::NAN), f(4.0)], 1),
        ("setp.num.f32 %p0, %r1, %r2", &[f(1.0), f(4.0)], 1),
        ("setp.gt.ftz.f32 %p0, %r1, %r2", &[1, 0], 0),
        ("setp.gt.f32 %p0, %r1, %r2", &[1, 0], 1),
        ("setp.gt.f64 %p0, %rd1, %rd2", &[d(2.0), d(1.0)], 1),
        ("setp.gt.f16 %p0, %h1, %h2", &[h(2.0), h(-1.0)], 1),
        ("setp.lt.bf16 %p0, %h1, %h2", &[b(2.0), b(-1.0)], 0),
        ("setp.eq.s32 %p1, 1, 1; setp.lt.and.s32 %p0, %r1, %r2, %p1", &[1, 2], 1),
        ("setp.eq.s32 %p1, 1, 1; setp.lt.and.s32 %p0, %r1, %r2, !%p1", &[1, 2], 0),
        ("setp.eq.s32 %p1, 1, 1; setp.lt.xor.s32 %p2|%p0, %r1, %r2, %p1", &[1, 2], 1),
        ("setp.lt.s32 %p1|%p0, %r1, %r2", &[1, 2], 0),
        ("setp.gt.f16x2 %p1|%p0, %r1, %r2", &[h(2.0) << 16 | h(1.0), h(1.0) << 16 | h(2.0)], 1),
        ("set.lt.u32.s32 %r0, %r1, %r2", &[1, 2], 0xffff_ffff),
        ("set.lt.f32.s32 %r0, %r1, %r2", &[1, 2], f(1.0)),
        ("set.gt.f16x2.f16x2 %r0, %r1, %r2", &[h(2.0) << 16 | h(1.0), h(1.0) << 16 | h(2.0)], h(1.0) << 16),
        ("testp.subnormal.f32 %p0, %r1", &[1], 1),
        ("testp.finite.f32 %p0, %r1", &[f(f32::INFINITY)], 0),
        ("setp.eq.s32 %p1, 1, 1; setp.eq.s32 %p2, 1, 2; xor.pred %p0, %p1, %p2", &[], 1),
        ("setp.eq.s32 %p1, 1, 1; not.pred %p0, %p1", &[], 0),
        ("setp.eq.s32 %p1, 1, 1; and.pred %p0, %p1, !%p1", &[], 0),
    ]);
}

#[test]
fn single_precision() {
    let third = 1.0f32 / 3.0;
    let down = |x: f32| f32::from_bits(x.to_bits() - 1);
    let up = |x: f32| f32::from_bits(x.to_bits() + 1);
    let ulp = f32::EPSILON;
    check_table(&[
        ("add.f32 %r0, %r1, %r2", &[f(0.1), f(0.2)], f(0.1 + 0.2)),
        ("add.rn.f32 %r0, %r1, %r2", &[f(f32::INFINITY), f(f32::NEG_INFINITY)], NAN),
        ("add.rz.f32 %r0, %r1, %r2", &[f(1.0), f(ulp * 0.75)], f(1.0)),
        ("add.rp.f32 %r0, %r1, %r2", &[f(1.0), f(1e-30)], f(up(1.0))),
        ("add.rm.f32 %r0, %r1, %r2", &[f(1.0), f(-1e-30)], f(down(1.0))),
        ("add.rm.f32 %r0, %r1, %r2", &[f(-1.0), f(-1e-30)], f(up(-1.0))),
        ("add.sat.f32 %r0, %r1, %r2", &[f(0.75), f(0.5)], f(1.0)),
        ("sub.ftz.f32 %r0, %r1, %r2", &[5, 3], 0),
        ("sub.f32 %r0, %r1, %r2", &[5, 3], 2),
        ("mul.f32 %r0, %r1, %r2", &[f(third), f(3.1)], f(third * 3.1)),
        ("mul.rz.f32 %r0, %r1, %r2", &[f(up(1.0)), f(up(1.0))], f(1.0 + 2.0 * ulp)),
        ("mul.rp.f32 %r0, %r1, %r2", &[f(up(1.0)), f(up(1.0))], f(1.0 + 3.0 * ulp)),
        (
            "fma.rn.f32 %r0, %r1, %r2, %r3",
            &[f(up(1.0)), f(up(1.0)), f(-1.0)],
            f(up(1.0).mul_add(up(1.0), -1.0)),
        ),
        ("fma.rn.ftz.f32 %r0, %r1, %r2, %r3", &[f(0.5), 8, f(1.0)], f(1.0)),
        ("div.rn.f32 %r0, %r1, %r2", &[f(1.0), f(3.0)], f(third)),
        ("div.rz.f32 %r0, %r1, %r2", &[f(2.0), f(3.0)], f(down(2.0 / 3.0))),
        ("div.full.f32 %r0, %r1, %r2", &[f(1.0), f(4.0)], f(0.25)),
        ("div.approx.ftz.f32 %r0, %r1, %r2", &[f(1.0), f(0.0)], f(f32::INFINITY)),
        ("rcp.approx.ftz.f32 %r0, %r1", &[f(4.0)], f(0.25)),
        ("sqrt.rn.f32 %r0, %r1", &[f(2.0)], f(2f32.sqrt())),
        ("sqrt.approx.f32 %r0, %r1", &[f(-1.0)], NAN),
        ("rsqrt.approx.f32 %r0, %r1", &[f(4.0)], f(0.5)),
        ("ex2.approx.ftz.f32 %r0, %r1", &[f(f32::NEG_INFINITY)], 0),
        ("ex2.approx.ftz.f32 %r0, %r1", &[f(-130.0)], 0),
        ("ex2.approx.f32 %r0, %r1", &[f(-149.0)], 1),
        ("ex2.approx.ftz.f32 %r0, %r1", &[f(0.5)], f(2f32.sqrt())),
        ("lg2.approx.f32 %r0, %r1", &[f(8.0)], f(3.0)),
        ("lg2.approx.f32 %r0, %r1", &[f(0.0)], f(f32::NEG_INFINITY)),
        ("tanh.approx.f32 %r0, %r1", &[f(100.0)], f(1.0)),
        ("sin.approx.f32 %r0, %r1", &[0], 0),
        ("cos.approx.f32 %r0, %r1", &[0], f(1.0)),
        ("max.f32 %r0, %r1, %r2", &[f(f32::NAN), f(2.0)], f(2.0)),
        ("max.NaN.f32 %r0, %r1, %r2", &[f(f32::NAN), f(2.0)], NAN),
        ("max.f32 %r0, %r1, %r2", &[f(-0.0), f(0.0)], f(0.0)),
        ("min.f32 %r0, %r1, %r2", &[f(0.0), f(-0.0)], f(-0.0)),
        ("min.f32 %r0, %r1, %r2", &[f(3.0), f(-2.0)], f(-2.0)),
        ("neg.f32 %r0, %r1", &[f(3.0)], f(-3.0)),
        ("abs.ftz.f32 %r0, %r1", &[0x8000_0001], 0),
        ("copysign.f32 %r0, %r1, %r2", &[f(-1.0), f(3.0)], f(-3.0)),
        ("add.f32 %r0, %r1, 1.5", &[f(1.0)], f(2.5)),
        ("add.f32 %r0, %r1, 0f3F800000", &[f(1.0)], f(2.0)),
        ("add.f64 %rd0, %rd1, %rd2", &[d(0.1), d(0.2)], d(0.1 + 0.2)),
        ("fma.rn.f64 %rd0, %rd1, %rd2, %rd3", &[d(3.0), d(4.0), d(0.5)], d(12.5)),
        ("div.rn.f64 %rd0, %rd1, %rd2", &[d(1.0), d(3.0)], d(1.0 / 3.0)),
        ("max.f64 %rd0, %rd1, %rd2", &[d(f64::NAN), d(3.0)], d(3.0)),
    ]);
}

#[test]
fn halves() {
    let two = |x: u64, y: u64| y << 16 | x;
    check_table(&[
        (
            "add.f16 %h0, %h1, %h2",
            &[h(0.1), h(0.2)],
            (f16::from_f32(0.1) + f16::from_f32(0.2)).to_bits() as u64,
        ),
        ("mul.f16 %h0, %h1, %h2", &[h(300.0), h(300.0)], h(f32::INFINITY)),
        ("add.f16x2 %r0, %r1, %r2", &[two(h(1.0), h(2.0)), two(h(3.0), h(5.0))], two(h(4.0), h(7.0))),
        ("sub.f16x2 %r0, %r1, %r2", &[two(h(1.0), h(2.0)), two(h(3.0), h(5.0))], two(h(-2.0), h(-3.0))),
        ("fma.rn.f16 %h0, %h1, %h2, %h3", &[h(3.0), h(4.0), h(0.5)], h(12.5)),
        ("fma.rn.relu.f16 %h0, %h1, %h2, %h3", &[h(3.0), h(-4.0), h(0.5)], 0),
        ("fma.rn.sat.f16 %h0, %h1, %h2, %h3", &[h(3.0), h(4.0), h(0.5)], h(1.0)),
        (
            "fma.rn.bf16x2 %r0, %r1, %r2, %r3",
            &[two(b(1.0), b(2.0)), two(b(3.0), b(5.0)), two(b(1.0), b(1.0))],
            two(b(4.0), b(11.0)),
        ),
        ("max.f16x2 %r0, %r1, %r2", &[two(h(1.0), h(f32::NAN)), two(h(3.0), h(5.0))], two(h(3.0), h(5.0))),
        ("max.NaN.f16 %h0, %h1, %h2", &[h(f32::NAN), h(5.0)], 0x7fff),
        ("min.bf16 %h0, %h1, %h2", &[b(-2.0), b(5.0)], b(-2.0)),
        ("neg.f16x2 %r0, %r1", &[two(h(1.0), h(-2.0))], two(h(-1.0), h(2.0))),
        ("abs.bf16 %h0, %h1", &[b(-2.0)], b(2.0)),
        ("ex2.approx.f16 %h0, %h1", &[h(3.0)], h(8.0)),
        ("tanh.approx.bf16x2 %r0, %r1", &[two(b(0.0), b(90.0))], two(b(0.0), b(1.0))),
    ]);
}

#[test]
fn conversions() {
    let two = |x: u64, y: u64| y << 16 | x;
    check_table(&[
        ("cvt.s64.s32 %rd0, %r1", &[w(-5)], s(-5)),
        ("cvt.u64.u32 %rd0, %r1", &[w(-5)], w(-5)),
        ("cvt.u32.u64 %r0, %rd1", &[7 << 32 | 9], 9),
        ("cvt.u16.u32 %h0, %r1", &[0x12345], 0x2345),
        ("cvt.s32.s8 %r0, %r1", &[0x80], w(-128)),
        ("cvt.u32.u8 %r0, %h1", &[0x1ff], 0xff),
        ("cvt.s16.s8 %h0, %h1", &[0x80], 0xff80),
        ("cvt.sat.u8.s32 %r0, %r1", &[w(-5)], 0),
        ("cvt.sat.s8.s32 %r0, %r1", &[300], 127),
        ("cvt.u8.u32 %rd0, %r1", &[0x1ff], 0xff),
        ("cvt.rn.f32.s32 %r0, %r1", &[w(-16_777_217)], f(-16_777_216.0)),
        ("cvt.rz.f32.u32 %r0, %r1", &[0x01ff_ffff], f(33_554_430.0)),
        ("cvt.rp.f32.u64 %r0, %rd1", &[(1 << 60) + 1], f(((1u64 << 60) + (1 << 37)) as f32)),
        ("cvt.rn.f64.u64 %rd0, %rd1", &[u64::MAX], d(u64::MAX as f64)),
        ("cvt.rn.f16.s32 %h0, %r1", &[2049], h(2048.0)),
        ("cvt.rn.f16.u32 %h0, %r1", &[70_000], h(f32::INFINITY)),
        ("cvt.rzi.s32.f32 %r0, %r1", &[f(-1.7)], w(-1)),
        ("cvt.rni.s32.f32 %r0, %r1", &[f(2.5)], 2),
        ("cvt.rmi.s32.f32 %r0, %r1", &[f(-1.2)], w(-2)),
        ("cvt.rpi.s64.f32 %rd0, %r1", &[f(1.2)], 2),
        ("cvt.rzi.u32.f32 %r0, %r1", &[f(-3.0)], 0),
        ("cvt.rzi.s32.f32 %r0, %r1", &[f(1e20)], w(i32::MAX)),
        ("cvt.rzi.s32.f32 %r0, %r1", &[f(f32::NAN)], 0),
        ("cvt.rni.s32.f16 %r0, %h1", &[h(3.5)], 4),
        ("cvt.rni.f32.f32 %r0, %r1", &[f(3.5)], f(4.0)),
        ("cvt.rmi.f64.f64 %rd0, %rd1", &[d(-3.5)], d(-4.0)),
        ("cvt.f64.f32 %rd0, %r1", &[f(0.1)], d(0.1f32 as f64)),
        ("cvt.rn.f32.f64 %r0, %rd1", &[d(0.1)], f(0.1)),
        ("cvt.rz.f32.f64 %r0, %rd1", &[d(0.1)], f(f32::from_bits(0.1f32.to_bits() - 1))),
        ("cvt.f32.f16 %r0, %h1", &[h(0.1)], f(f16::from_f32(0.1).to_f32())),
        ("cvt.f32.bf16 %r0, %h1", &[b(0.1)], f(bf16::from_f32(0.1).to_f32())),
        ("cvt.rn.f16.f32 %h0, %r1", &[f(0.1)], h(0.1)),
        ("cvt.rn.bf16.f32 %h0, %r1", &[f(0.1)], b(0.1)),
        ("cvt.rz.f16.f32 %h0, %r1", &[f(65519.0)], 0x7bff),
        ("cvt.rn.f16.f64 %h0, %rd1", &[d(1.0 + 1.0 / 2048.0 + 1e-13)], 0x3c01),
        ("cvt.rn.relu.f16.f32 %h0, %r1", &[f(-2.0)], 0),
        ("cvt.sat.f32.f32 %r0, %r1", &[f(2.0)], f(1.0)),
        ("cvt.ftz.f32.f32 %r0, %r1", &[1], 0),
        ("cvt.rna.tf32.f32 %r0, %r1", &[0x3f80_1000], 0x3f80_2000),
        ("cvt.rn.f16x2.f32 %r0, %r1, %r2", &[f(1.0), f(2.0)], two(h(2.0), h(1.0))),
        ("cvt.rn.bf16x2.f32 %r0, %r1, %r2", &[f(1.0), f(2.0)], two(b(2.0), b(1.0))),
        ("cvt.rn.relu.bf16x2.f32 %r0, %r1, %r2", &[f(-1.0), f(2.0)], two(b(2.0), 0)),
        ("cvt.rz.f16x2.f32 %r0, %r1, %r2", &[f(65519.0), f(2.0)], two(h(2.0), 0x7bff)),
    ]);
}

#[test]
fn eight_bit_floats() {
    check_table(&[
        // The first source goes to the upper byte.
        ("cvt.rn.satfinite.e4m3x2.f32 %h0, %r1, %r2", &[f(1.0), f(-2.0)], 0x38c0),
        ("cvt.rn.satfinite.e4m3x2.f32 %h0, %r1, %r2", &[f(1e9), f(f32::NAN)], 0x7e7f),
        ("cvt.rn.satfinite.e4m3x2.f32 %h0, %r1, %r2", &[f(464.0), f(-449.0)], 0x7efe),
        ("cvt.rn.satfinite.e5m2x2.f32 %h0, %r1, %r2", &[f(1.0), f(f32::NEG_INFINITY)], 0x3cfb),
        ("cvt.rn.satfinite.relu.e5m2x2.f32 %h0, %r1, %r2", &[f(-3.0), f(2.0)], 0x0040),
        ("cvt.rn.satfinite.relu.e4m3x2.f32 %h0, %r1, %r2", &[f(-0.0), f(f32::NAN)], 0x007f),
        ("cvt.rn.satfinite.e4m3x2.f16x2 %h0, %r1", &[h(1.0) | h(-2.0) << 16], 0xc038),
        ("cvt.rn.satfinite.relu.e5m2x2.f16x2 %h0, %r1", &[h(-1.0) | h(57344.0) << 16], 0x7b00),
        ("cvt.rn.f16x2.e4m3x2 %r0, %h1", &[0xc038], h(1.0) | h(-2.0) << 16),
        ("cvt.rn.f16x2.e4m3x2 %r0, %h1", &[0x7f01], h(1.0 / 512.0) | 0x7fff << 16),
        ("cvt.rn.relu.f16x2.e5m2x2 %r0, %h1", &[0xbc7c], 0x7c00),
        ("cvt.rna.satfinite.tf32.f32 %r0, %r1", &[0x7f7f_ffff], 0x7f7f_e000),
        ("cvt.rna.tf32.f32 %r0, %r1", &[0x7f7f_ffff], 0x7f80_0000),
        ("cvt.rn.satfinite.f16.f32 %h0, %r1", &[f(-1e9)], 0xfbff),
        ("cvt.rz.satfinite.bf16.f32 %h0, %r1", &[f(f32::INFINITY)], 0x7f7f),
        ("cvt.rn.relu.satfinite.f16x2.f32 %r0, %r1, %r2", &[f(-1e9), f(1e9)], 0x7bff),
        ("cvt.rm.f16.f32 %h0, %r1", &[f(-1e-9)], 0x8001),
        ("cvt.rp.f16.f32 %h0, %r1", &[f(-65519.0)], 0xfbff),
        ("cvt.rp.f16.f32 %h0, %r1", &[f(1e-9)], 1),
        ("cvt.rm.bf16.s32 %h0, %r1", &[w(-257)], 0xc381),
        ("cvt.rm.f64.s64 %rd0, %rd1", &[s((1 << 53) + 1)], d((1i64 << 53) as f64)),
        ("cvt.rp.f64.u64 %rd0, %rd1", &[(1 << 53) + 1], d(((1i64 << 53) + 2) as f64)),
        ("cvt.pack.sat.s16.s32 %r0, %r1, %r2", &[w(70000), w(-70000)], 0x7fff_8000),
        ("cvt.pack.sat.u16.s32 %r0, %r1, %r2", &[w(70000), w(-1)], 0xffff_0000),
        ("cvt.pack.sat.u8.s32.b32 %r0, %r1, %r2, %r3", &[300, 7, 0xaabb], 0xaabb_ff07),
        ("cvt.pack.sat.s4.s32.b32 %r0, %r1, %r2, %r3", &[w(-9), 3, 0x12], 0x1283),
        ("cvt.pack.sat.s2.s32.b32 %r0, %r1, %r2, %r3", &[w(-9), 3, 0x1], 0x19),
    ]);
}

#[test]
fn rare_integers() {
    check_table(&[
        ("mul24.hi.u32 %r0, %r1, %r2", &[0xff_ffff, 0xff_ffff], 0xffff_fe00),
        ("mul24.hi.s32 %r0, %r1, %r2", &[0xff_ffff, 0x10000], w(-1)),
        ("mad24.hi.sat.s32 %r0, %r1, %r2, %r3", &[0x7f_ffff, 0x7f_ffff, w(i32::MAX)], w(i32::MAX)),
        ("mad.hi.sat.s32 %r0, %r1, %r2, %r3", &[w(i32::MAX), 4, w(i32::MAX)], w(i32::MAX)),
        ("mad.hi.s16 %h0, %h1, %h2, %h3", &[0x8000, 2, 5], 4),
        ("dp2a.lo.s32.u32 %r0, %r1, %r2, %r3", &[0xffff_0002, 0x0403_0201, 10], 10 + 2 - 2),
        ("dp2a.hi.u32.s32 %r0, %r1, %r2, %r3", &[0x0001_0002, 0xff03_0201, 10], 10 + 6 - 1),
        ("szext.clamp.s32 %r0, %r1, %r2", &[0x80, 8], w(-128)),
        ("szext.wrap.u32 %r0, %r1, %r2", &[0xfff, 36], 0xf),
        ("szext.clamp.u32 %r0, %r1, %r2", &[w(-1), 40], w(-1)),
        ("szext.wrap.s32 %r0, %r1, %r2", &[5, 32], 0),
        ("bmsk.clamp.b32 %r0, %r1, %r2", &[4, 8], 0xff0),
        ("bmsk.clamp.b32 %r0, %r1, %r2", &[28, 300], 0xf000_0000),
        ("bmsk.wrap.b32 %r0, %r1, %r2", &[36, 40], 0xff0),
        ("fns.b32 %r0, %r1, %r2, %r3", &[0b1011_0100, 3, 2], 5),
        ("fns.b32 %r0, %r1, %r2, %r3", &[0b1011_0100, 3, w(-1)], 2),
        ("fns.b32 %r0, %r1, %r2, %r3", &[0b1011_0100, 4, 0], 4),
        ("fns.b32 %r0, %r1, %r2, %r3", &[0b1011_0100, 3, 9], 0xffff_ffff),
        ("min.relu.s16x2 %r0, %r1, %r2", &[0x0005_fffe, 0x0003_0007], 0x0003_0000),
        ("max.u16x2 %r0, %r1, %r2", &[0x0005_fffe, 0x0007_0007], 0x0007_fffe),
        // (2^32 - 1)^2 of two words each, by the carry.
        (
            "mad.lo.cc.u32 %r5, %r1, %r2, %r3; madc.hi.u32 %r0, %r1, %r2, 0",
            &[w(-1), w(-1), w(-1)],
            0xffff_ffff,
        ),
        ("mad.hi.cc.u64 %rd5, %rd1, %rd2, %rd3; madc.lo.u64 %rd0, 3, 5, %rd3", &[u64::MAX, u64::MAX, 2], 18),
        (
            "setp.eq.u32 %p2, 1, 1; lop3.and.b32 %r0|%p1, %r1, %r2, %r3, 0x80, %p2; selp.b32 %r0, %r0, 99, %p1",
            &[6, 3, 2],
            2,
        ),
        (
            "setp.ne.u32 %p2, 1, 1; lop3.or.b32 _|%p0, %r1, %r2, %r3, 0x80, %p2; selp.b32 %r0, 1, 0, %p0",
            &[6, 1, 2],
            0,
        ),
        ("slct.ftz.b32.f32 %r0, %r1, %r2, %r3", &[5, 6, 0x8000_0001], 5),
        ("slct.u16.s32 %h0, %h1, %h2, %r3", &[5, 6, w(-1)], 6),
    ]);
}

#[test]
fn rare_floats() {
    let two = |x: f32, y: f32| f(y) << 32 | f(x);
    check_table(&[
        ("min.xorsign.abs.f32 %r0, %r1, %r2", &[f(-2.0), f(3.0)], f(-2.0)),
        ("max.xorsign.abs.f32 %r0, %r1, %r2", &[f(-2.0), f(-3.0)], f(3.0)),
        ("max.NaN.xorsign.abs.f32 %r0, %r1, %r2", &[f(-2.0), f(f32::NAN)], NAN),
        (
            "max.xorsign.abs.bf16x2 %r0, %r1, %r2",
            &[b(-2.0) | b(1.0) << 16, b(1.0) | b(4.0) << 16],
            b(-2.0) | b(4.0) << 16,
        ),
        ("max.f32 %r0, %r1, %r2, %r3", &[f(1.0), f(f32::NAN), f(2.0)], f(2.0)),
        ("min.NaN.abs.f32 %r0, %r1, %r2, %r3", &[f(1.0), f(-0.5), f(2.0)], f(0.5)),
        ("min.NaN.f32 %r0, %r1, %r2, %r3", &[f(1.0), f(f32::NAN), f(2.0)], NAN),
        ("add.f32x2 %rd0, %rd1, %rd2", &[two(1.0, 2.0), two(3.0, 5.0)], two(4.0, 7.0)),
        (
            "fma.rn.f32x2 %rd0, %rd1, %rd2, %rd3",
            &[two(1.0, 2.0), two(3.0, 5.0), two(0.5, 0.25)],
            two(3.5, 10.25),
        ),
        (
            "mul.rz.ftz.f32x2 %rd0, %rd1, %rd2",
            &[two(f32::MIN_POSITIVE, 0.1), two(0.5, 3.0)],
            0x3e99_9999 << 32,
        ),
        ("add.f32.f16 %r0, %h1, %r2", &[h(1.5), f(1e-3)], f(1.501)),
        ("fma.rz.f32.bf16 %r0, %h1, %h2, %r3", &[b(3.0), b(5.0), f(-1e-9)], 0x416f_ffff),
        ("add.rm.f32 %r0, %r1, %r2", &[f(1.0), f(-1.0)], 0x8000_0000),
        ("add.rp.f64 %rd0, %rd1, %rd2", &[d(1.0), d(1e-30)], d(1.0 + f64::EPSILON)),
        ("mul.rz.f64 %rd0, %rd1, %rd2", &[d(0.1), d(3.0)], d(0.3)),
        ("fma.rm.f64 %rd0, %rd1, %rd2, %rd3", &[d(f64::MAX), d(2.0), d(0.0)], d(f64::MAX)),
        ("div.rp.f64 %rd0, %rd1, %rd2", &[d(1.0), d(3.0)], d(1.0 / 3.0 + f64::EPSILON / 4.0)),
        ("sqrt.rm.f64 %rd0, %rd1", &[d(2.0)], d(2f64.sqrt().next_down())),
        ("rcp.rz.f64 %rd0, %rd1", &[d(-3.0)], d(-1.0 / 3.0)),
        ("rcp.approx.ftz.f64 %rd0, %rd1", &[d(4.0)], d(0.25)),
        ("rcp.approx.ftz.f64 %rd0, %rd1", &[1], d(f64::INFINITY)),
        ("rsqrt.approx.ftz.f64 %rd0, %rd1", &[d(0.25)], d(2.0)),
        ("mov.b128 %q1, {%rd1, %rd2}; mov.b128 %q2, %q1; mov.b128 {%rd5, %rd0}, %q2", &[5, 6], 6),
        ("mov.b128 %q1, {%rd1, %rd2}; mov.b128 {%rd0, _}, %q1", &[5, 6], 5),
    ]);
}

/// Approximate instructions stay within the error that the ISA gives them, against double precision (§9.7.3).
#[test]
fn approximations() {
    /// Instruction, what it approximates, from where to where, and the error that a result may have.
    type Row = (&'static str, fn(f64) -> f64, f32, f32, fn(f64) -> f64);
    let rows: &[Row] = &[
        ("ex2.approx.ftz.f32", f64::exp2, -126.0, 128.0, |want| want * 2f64.powi(-22)),
        ("ex2.approx.f32", f64::exp2, -140.0, 128.0, |want| want * 2f64.powi(-22) + 1e-45),
        ("lg2.approx.ftz.f32", f64::log2, 1e-30, 1e30, |want| want.abs() * 2f64.powi(-22)),
        ("lg2.approx.f32", f64::log2, 0.5, 2.0, |_| 2f64.powi(-22)),
        ("rcp.approx.ftz.f32", f64::recip, 1e-30, 1e30, |want| want * 2f64.powi(-23)),
        ("rsqrt.approx.ftz.f32", |x| 1.0 / x.sqrt(), 1e-30, 1e30, |want| want * 2f64.powf(-22.9)),
        ("sqrt.approx.ftz.f32", f64::sqrt, 1e-30, 1e30, |want| want * 2f64.powi(-23)),
        ("sin.approx.ftz.f32", f64::sin, -3.0, 3.0, |_| 2f64.powf(-20.5)),
        ("cos.approx.f32", f64::cos, -3.0, 3.0, |_| 2f64.powf(-20.5)),
        ("tanh.approx.f32", f64::tanh, -12.0, 12.0, |want| want.abs() * 2f64.powi(-11)),
    ];
    const POINTS: u32 = 1 << 15;
    for (instruction, exact, from, to, allowed) in rows {
        // Spread over the exponents where the range is wide.
        let point = |i: u32| {
            let (part, from, to) = ((i as f64 + 0.5) / POINTS as f64, *from as f64, *to as f64);
            (if to / from > 1e6 { from * (to / from).powf(part) } else { from + (to - from) * part }) as f32
        };
        let body = format!(
            "mov.u32 %r1, %ctaid.x; mov.u32 %r2, %tid.x; mad.lo.u32 %r1, %r1, 256, %r2; mul.wide.u32 %rd1, %r1, 4;
             add.u64 %rd2, %rd1, %in; add.u64 %rd3, %rd1, %out; ld.global.u32 %r3, [%rd2]; {instruction} %r4, %r3; st.global.u32 [%rd3], %r4;"
        );
        let run = crate::machine::Run::new(&body).grid(POINTS / 256).block(256).output(4 * POINTS as usize);
        let got = run.input_words((0..POINTS).map(|i| point(i).to_bits())).words();
        for (i, got) in got.into_iter().enumerate() {
            let (x, got) = (point(i as u32) as f64, f32::from_bits(got) as f64);
            let want = exact(x);
            let error = (got - want).abs();
            assert!(
                error <= allowed(want).max(f32::MIN_POSITIVE as f64 * 1e-7),
                "{instruction} of {x:e}: {got:e}, not {want:e}"
            );
        }
    }
}

/// What a `mov` takes apart and puts together.
#[test]
fn registers_in_parts() {
    check_table(&[
        (
            "{.reg .b8 a, b, c, e; mov.b32 {a, b, c, e}, %r1; mov.b32 %r0, {e, c, b, a}; }",
            &[0x11223384],
            0x84332211,
        ),
        (
            "{.reg .s8 a, c; mov.b32 {a, _, c, _}, %r1; mov.b32 %r0, {c, a, 1, c}; }",
            &[0x11f23384],
            0xf20184f2,
        ),
        ("{.reg .u8 a, b; mov.b16 {a, b}, %h1; mov.b16 %h0, {b, a}; }", &[0x1284], 0x8412),
        ("{.reg .s8 b; mov.b16 {_, b}, %h1; cvt.s32.s8 %r0, b; }", &[0x8412], 0xffffff84),
        (
            "{.reg .b128 q; mov.b128 q, {%r1, %r2, %r3, %r4}; mov.b128 {%rd1, %rd2}, q; mov.b64 %rd0, %rd2; }",
            &[1, 2, 3, 4],
            0x4_0000_0003,
        ),
        (
            "{.reg .b128 q; mov.b128 q, {%rd1, %rd2}; mov.b128 {_, %r1, %r2, _}, q; mov.b64 %rd0, {%r1, %r2}; }",
            &[0x2_0000_0001, 0x4_0000_0003],
            0x3_0000_0002,
        ),
    ]);
}

/// Worked by hand from PTX ISA §9.7.19.
#[test]
fn video_instructions() {
    check_table(&[
        ("vadd4.u32.u32.u32 %r0, %r1, %r2, %r3", &[0x01ff_7f80, 0x0102_0180, 0], 0x0201_8000),
        ("vadd4.u32.u32.u32.sat %r0, %r1, %r2, %r3", &[0x01ff_7f80, 0x0102_0180, 0], 0x02ff_80ff),
        ("vadd4.s32.s32.s32.sat %r0, %r1, %r2, %r3", &[0x01ff_7f80, 0x0102_0180, 0], 0x0201_7f80),
        ("vsub4.u32.u32.u32.sat %r0, %r1, %r2, %r3", &[0x0105_7f80, 0x0201_0180, 0], 0x0004_7e00),
        ("vadd4.u32.u32.u32 %r0.b20, %r1, %r2, %r3", &[0x01010101, 0x02020202, 0xaabbccdd], 0xaa03cc03),
        ("vadd4.u32.u32.u32 %r0, %r1.b0123, %r2.b7700, %r3", &[0x04030201, 0x80706050, 0], 0x8182_0405),
        ("vadd4.u32.u32.u32.add %r0, %r1, %r2, %r3", &[0xffffffff, 0xffffffff, 5], 4 * 510 + 5),
        (
            "vabsdiff4.u32.u32.u32.add %r0, %r1, %r2, %r3",
            &[0x00ff_1020, 0xff00_2010, 7],
            255 + 255 + 16 + 16 + 7,
        ),
        ("vabsdiff4.s32.s32.s32.add %r0.b32, %r1, %r2, %r3", &[0x80ff_1020, 0x7f01_2010, 0], 255 + 2),
        ("vavrg4.u32.u32.u32 %r0, %r1, %r2, %r3", &[0x01ff_0200, 0x02ff_0400, 0], 0x02ff_0300),
        // -1 and 0 meet at -0.5, which is rounded away from zero.
        ("vavrg4.s32.s32.s32 %r0, %r1, %r2, %r3", &[0xff01_fdfe, 0x0000_0001, 0], 0xff01_feff),
        ("vmin4.s32.s32.s32 %r0, %r1, %r2, %r3", &[0x80017f00, 0x7f020180, 0], 0x80010180),
        ("vmax4.u32.u32.u32 %r0, %r1, %r2, %r3", &[0x80017f00, 0x7f020180, 0], 0x80027f80),
        ("vmax2.s32.s32.s32 %r0, %r1, %r2, %r3", &[0x8000_0001, 0x0001_ffff, 0], 0x0001_0001),
        ("vadd2.s32.s32.s32.sat %r0, %r1, %r2, %r3", &[0x7fff_8000, 0x0001_ffff, 0], 0x7fff_8000),
        (
            "vsub2.u32.u32.u32 %r0.h1, %r1.h01, %r2.h32, %r3",
            &[0x0001_0009, 0x0002_0003, 0xaaaabbbb],
            0x0007_bbbb,
        ),
        ("vset4.u32.u32.ge %r0, %r1, %r2, %r3", &[0x80017f00, 0x7f020180, 0], 0x01000100),
        ("vset4.s32.s32.lt.add %r0, %r1, %r2, %r3", &[0x80017f00, 0x7f020180, 10], 12),
        ("vset2.u32.u32.ne %r0, %r1, %r2, %r3", &[0x00010002, 0x00010003, 0], 1),
        ("vadd.s32.u32.s32 %r0, %r1, %r2", &[0xffffffff, 0xffffffff], 0xfffffffe),
        ("vadd.s32.u32.s32.sat %r0, %r1, %r2", &[0xffffffff, 5], 0x7fffffff),
        ("vsub.u32.u32.u32.sat %r0, %r1, %r2", &[3, 5], 0),
        ("vadd.s32.s32.u32 %r0, %r1.b3, %r2.h1", &[0xff00_0000, 0xffff_0000], 0xfffe),
        ("vadd.u32.u32.u32.sat %r0.b1, %r1.b0, %r2.b0, %r3", &[0xff, 0x02, 0x11223344], 0x1122ff44),
        ("vadd.u32.u32.u32 %r0.h1, %r1, %r2, %r3", &[0x18000, 0x10001, 0x11223344], 0x80013344),
        ("vabsdiff.u32.s32.s32.add %r0, %r1, %r2, %r3", &[0x80000000, 0x7fffffff, 2], 1),
        ("vmin.s32.s32.s32.max %r0, %r1, %r2, %r3", &[0xfffffffe, 3, 0xffffffff], 0xffffffff),
        ("vshl.u32.u32.u32.clamp %r0, %r1, %r2", &[3, 33], 0),
        ("vshl.u32.u32.u32.wrap %r0, %r1, %r2", &[3, 33], 6),
        ("vshr.s32.s32.u32.clamp %r0, %r1.b0, %r2", &[0xf0, 3], 0xfffffffe),
        ("vshr.u32.u32.u32.wrap.add %r0, %r1, %r2, %r3", &[0x80000000, 31, 4], 5),
        ("vset.s32.u32.gt %r0, %r1, %r2", &[0xffffffff, 0], 0),
        ("vset.u32.u32.gt.add %r0, %r1.h1, %r2, %r3", &[0xffffffff, 0, 9], 10),
        ("vmad.u32.u32.u32 %r0, %r1.b0, %r2.b1, %r3", &[0x10, 0x2000, 3], 0x203),
        ("vmad.s32.s32.s32.shr7 %r0, %r1.h0, %r2.h0, %r3", &[0xffff, 256, 0], 0xfffffffe),
        ("vmad.s32.s32.s32.sat %r0, %r1, %r2, %r3", &[0x80000000, 2, 0], 0x80000000),
        ("vmad.s32.u32.u32.sat %r0, -%r1, %r2, %r3", &[0xffffffff, 2, 0], 0x80000000),
        ("vmad.s32.u32.u32 %r0, %r1, %r2, -%r3", &[2, 3, 7], 0xffffffff),
        ("vmad.u32.u32.u32.po.sat %r0, %r1, %r2, %r3", &[0xffffffff, 1, 0], 0xffffffff),
    ]);
}
