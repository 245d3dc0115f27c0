//! `wgmma` against plain products, of matrices laid out by the drawings of the ISA: every type, swizzle and order.

use super::{descriptor, wgmma};
use crate::address::RANK_SHIFT;
use crate::alu::halves::{Bf16, F16, Half};
use crate::alu::lanes::wide_vectors;
use crate::exec::policy::{AsyncPolicy, ProductSums, WarpOrder};
use crate::exec::state::{Env, Setting, Warp};
use crate::memory::{Memory, Span, Storage};
use crate::program::{Condition, Element, LeftMatrix, Program, Reg, TRUE, WarpgroupProduct};
use crate::sanitize::Sanitize;

const SHARED: u32 = 200 * 1024;

fn with_env(wide: bool, test: impl FnOnce(&mut Env)) {
    let (program, memory, params) = (Program::default(), Memory::new(), Storage::new(0).unwrap());
    let setting = Setting {
        program: &program,
        memory: &memory,
        params: &params,
        globals: &[],
        grid: [1; 3],
        block: [128, 1, 1],
        cluster: [2, 1, 1],
        shared_bytes: SHARED,
        dynamic_shared_bytes: SHARED,
        policy: AsyncPolicy::Eager,
        warp_order: WarpOrder::default(),
        product_sums: ProductSums::Rounded,
        sanitize: Sanitize::NONE,
        programmatic: false,
        keep_going: false,
        profile: false,
        workspace: None,
    };
    let mut env = Env::new(&setting).unwrap();
    env.wide_vectors = wide;
    test(&mut env);
}

/// A warp of the block of rank 1: shared addresses are those of its own block.
fn new_warp(index: u32, rows: u32) -> Warp {
    let program = Program { rows, preds: 2, ..Program::default() };
    let mut warp = Warp::new((index, 1, 4), &program, AsyncPolicy::Eager).unwrap();
    warp.reset(0, u32::MAX, Sanitize::USUAL);
    warp
}

/// Bytes of shared memory of that block.
fn shared(env: &Env, at: u64, count: u32) -> Span {
    env.shared.span(1 << RANK_SHIFT | at, count).unwrap()
}

/// A linear congruential generator.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }
}

fn bytes_of(element: Element) -> usize {
    match element {
        Element::F16 | Element::Bf16 => 2,
        Element::Tf32 => 4,
        Element::S8 | Element::U8 | Element::E4m3 | Element::E5m2 => 1,
        // Eight of them.
        Element::B1 => 1,
    }
}

/// An element's bits whose value is small, and that value.
fn element(element: Element, draw: u32) -> (u32, f32) {
    let small = (draw % 33) as f32 / 8.0 - 2.0;
    match element {
        Element::F16 => (F16::nearest(small).0 as u32, small),
        Element::Bf16 => (Bf16::nearest(small).0 as u32, small),
        // The bits that tf32 has not are there to be dropped.
        Element::Tf32 => ((small * 1.125).to_bits() | 0xfff, small * 1.125),
        Element::S8 => (draw & 0xff, draw as i8 as f32),
        Element::U8 | Element::B1 => (draw & 0xff, draw as u8 as f32),
        // 8-bit floats by their definition.
        Element::E4m3 | Element::E5m2 => {
            let (mantissa, bias) = if element == Element::E4m3 { (3, 7) } else { (2, 15) };
            let bits = draw & 0x80 | draw >> 8 & 0x3f;
            let (exponent, fraction) = ((bits & 0x7f) >> mantissa, bits & ((1 << mantissa) - 1));
            let hidden = if exponent == 0 { 0.0 } else { (1 << mantissa) as f32 };
            let scale = 2f32.powi(exponent.max(1) as i32 - bias - mantissa);
            let magnitude = (hidden + fraction as f32) * scale;
            (bits, if bits & 0x80 != 0 { -magnitude } else { magnitude })
        }
    }
}

/// How a matrix of `count` rows of A, or columns of B, is laid out; offsets of its bytes, and its descriptor.
#[derive(Clone, Copy, Debug)]
struct Placing {
    /// Bytes of a swizzled row, or 16.
    width: usize,
    transposed: bool,
    /// Which 32 bytes of depth of a wider tile, where that is contiguous.
    step: usize,
    at: usize,
    count: usize,
}

impl Placing {
    /// Bytes from one swizzle atom, of eight rows of `width` bytes, to the next, with a gap where there may be one.
    fn atom(self) -> usize {
        8 * self.width + if self.width == 16 { 128 } else { 0 }
    }

    /// Where byte `byte` of the depth of row `x` is: the drawings of the ISA, in words of atoms, whose rows are rows of
    /// A where the depth is contiguous, and depths where it is not.
    fn offset(self, x: usize, byte: usize) -> usize {
        let (row, column) =
            if self.transposed { (byte / 2, 2 * x + byte % 2) } else { (x, 32 * self.step + byte) };
        let (down, across) = (row / 8, column / self.width);
        let chunk = column % self.width / 16;
        let chunk = match self.width {
            128 => chunk ^ (row % 8),
            64 => chunk ^ (row % 8 / 2),
            32 => chunk ^ (row % 8 / 4),
            _ => chunk,
        };
        let atom = if self.transposed { down + 2 * across } else { down + self.count / 8 * across };
        self.at + atom * self.atom() + row % 8 * self.width + 16 * chunk + column % 16
    }

    fn descriptor(self) -> u64 {
        let (down, across) = (1, if self.transposed { 2 } else { self.count / 8 });
        let (down, across) = (down * self.atom(), across * self.atom());
        let (leading, stride) = match (self.transposed, self.width) {
            (false, 16) => (across, down),
            (false, _) => (16, down),
            (true, 16) => (down, across),
            (true, _) => (across, down),
        };
        let mode: u64 = match self.width {
            16 => 0,
            128 => 1,
            64 => 2,
            _ => 3,
        };
        let start = self.at + 32 * self.step;
        mode << 62 | (stride as u64 >> 4) << 32 | (leading as u64 >> 4) << 16 | start as u64 >> 4
    }
}

struct Case {
    a_type: Element,
    b_type: Element,
    n: usize,
    half_d: bool,
    a: Option<Placing>,
    b: Placing,
    accumulate: bool,
    negate: (bool, bool),
    saturate: bool,
}

/// Runs four warps of a case and compares with the plain product, in the order that is promised.
fn check(env: &mut Env, case: &Case, draw: &mut Draw) {
    let size = bytes_of(case.a_type);
    let k = 32 / size;
    let n = case.n;
    let label = format!(
        "{:?} x {:?}, n {n}, A {:?}, B {:?}, half {}, accumulate {}",
        case.a_type, case.b_type, case.a, case.b, case.half_d, case.accumulate
    );
    env.shared.reset();
    let store = |env: &Env, placing: Placing, x: usize, i: usize, bits: u32| {
        let offset = placing.offset(x, i * size);
        let span = shared(env, offset as u64, size as u32);
        span.write(0, size as u8, bits as u64);
        span.mark(size as u32);
    };
    let mut a = vec![vec![(0, 0.0); k]; 64];
    let mut b = vec![vec![(0, 0.0); k]; n];
    a.iter_mut().flatten().for_each(|e| *e = element(case.a_type, draw.next()));
    b.iter_mut().flatten().for_each(|e| *e = element(case.b_type, draw.next()));
    for (x, row) in b.iter().enumerate() {
        row.iter().enumerate().for_each(|(i, e)| store(env, case.b, x, i, e.0));
    }
    if let Some(placing) = case.a {
        for (x, row) in a.iter().enumerate() {
            row.iter().enumerate().for_each(|(i, e)| store(env, placing, x, i, e.0));
        }
    }
    let bits = case.a_type == Element::B1;
    let integer = bits || matches!(case.a_type, Element::S8 | Element::U8);
    let registers = if case.half_d { n / 4 } else { n / 2 } as u32;
    let product = WarpgroupProduct {
        n: n as u16,
        k: if bits { 256 } else { k as u16 },
        a_type: case.a_type,
        b_type: case.b_type,
        half_d: case.half_d,
        saturate: case.saturate,
        d: (4..4 + registers).map(Reg).collect(),
        a: match case.a {
            None => LeftMatrix::Registers([Reg(0), Reg(1), Reg(2), Reg(3)]),
            Some(_) => LeftMatrix::Shared(Reg(0)),
        },
        b: Reg(0),
        accumulate: Condition { pred: TRUE, negated: false },
        negate_a: case.negate.0,
        negate_b: case.negate.1,
        transpose_a: case.a.is_some_and(|p| p.transposed),
        transpose_b: case.b.transposed,
    };
    let descriptors = (case.a.map_or(0, Placing::descriptor), case.b.descriptor());
    let mut touched = Vec::new();
    for w in 0..4 {
        let mut warp = new_warp(w as u32, 4 + registers);
        for r in 0..4 {
            *warp.row_mut(Reg(r)) = std::array::from_fn(|lane| {
                let row = &a[16 * w + lane / 4 + 8 * (r as usize % 2)];
                let first = (16 * (r as usize / 2) + 4 * (lane % 4)) / size;
                (0..4 / size).fold(0, |word, i| word | row[first + i].0 << (8 * size * i))
            });
        }
        let before: Vec<[u32; 32]> = (0..registers)
            .map(|r| {
                *warp.row_mut(Reg(4 + r)) = std::array::from_fn(|_| match (integer, case.half_d) {
                    (true, _) => draw.next() << 1,
                    (_, true) => {
                        let pair = [0; 2].map(|_| element(Element::F16, draw.next()).0);
                        pair[0] | pair[1] << 16
                    }
                    _ => element(Element::Bf16, draw.next()).1.to_bits(),
                });
                *warp.row(Reg(4 + r))
            })
            .collect();
        let chunks = descriptor::chunks(&product, w as u32, descriptors.0, descriptors.1).unwrap();
        touched.extend(chunks);
        wgmma::run(env, &mut warp, &product, descriptors, None, case.accumulate)
            .unwrap_or_else(|e| panic!("{label}: {}", e.kind));
        for row in 0..16 {
            for column in 0..n {
                let lane = 4 * (row % 8) + column % 8 / 2;
                let upper = row / 8;
                let (register, shift) = if case.half_d {
                    (column / 8 * 2 + upper, 16 * (column % 2))
                } else {
                    (column / 8 * 4 + 2 * upper + column % 2, 0)
                };
                let old = before[register][lane] >> shift;
                let got = warp.row(Reg(4 + register as u32))[lane] >> shift;
                let pairs = a[16 * w + row].iter().zip(&b[column]);
                let want = if integer {
                    let start = if case.accumulate { old as i32 as i64 } else { 0 };
                    let sum: i64 = pairs.fold(start, |s, (a, b)| match bits {
                        true => s + (a.0 & b.0).count_ones() as i64,
                        false => s + a.1 as i64 * b.1 as i64,
                    });
                    if case.saturate {
                        sum.clamp(i32::MIN as i64, i32::MAX as i64) as u32
                    } else {
                        sum as u32
                    }
                } else {
                    let sign = if case.negate.0 != case.negate.1 { -1.0 } else { 1.0 };
                    let start = match (case.accumulate, case.half_d) {
                        (false, _) => 0.0,
                        (_, true) => F16(old as u16).f32(),
                        _ => f32::from_bits(old),
                    };
                    if env.product_sums == ProductSums::Hopper {
                        // Every term loses less than a unit of the largest one, and the sum less than one of itself.
                        let unit = if size == 1 { 2f64.powi(-13) } else { 2f64.powi(-23) };
                        let terms =
                            pairs.map(|(a, b)| sign as f64 * a.1 as f64 * b.1 as f64).chain([start as f64]);
                        let (sum, most) =
                            terms.fold((0f64, 0f64), |(sum, most), x| (sum + x, most.max(x.abs())));
                        let got =
                            if case.half_d { F16(got as u16).f32() } else { f32::from_bits(got) } as f64;
                        let half = if case.half_d { sum.abs() * 2f64.powi(-11) } else { 0.0 };
                        let bound = unit * (33.0 * most + sum.abs()) + half;
                        assert!(
                            (got - sum).abs() <= bound,
                            "{label}: warp {w}, row {row}, column {column}: {got}, {sum}"
                        );
                        continue;
                    }
                    let sum = pairs.fold(start, |s, (a, b)| (sign * a.1).mul_add(b.1, s));
                    if case.half_d { F16::nearest(sum).0 as u32 } else { sum.to_bits() }
                };
                let got = if case.half_d { got & 0xffff } else { got };
                assert_eq!(got, want, "{label}: warp {w}, row {row}, column {column}");
            }
        }
    }
    // All bytes of both matrices are read, and nothing else is written in shared memory.
    touched.sort_unstable();
    touched.dedup();
    let matrices = n + if case.a.is_some() { 64 } else { 0 };
    assert_eq!(touched.len(), 2 * matrices, "{label}");
}

#[test]
fn every_layout_and_type() {
    let mut draw = Draw(1);
    let ways = [(false, ProductSums::Rounded), (true, ProductSums::Rounded), (false, ProductSums::Hopper)];
    for (wide, sums) in ways.into_iter().filter(|(wide, _)| !wide || wide_vectors()) {
        with_env(wide, |env| {
            env.product_sums = sums;
            let types = [
                (Element::F16, Element::F16, false),
                (Element::F16, Element::F16, true),
                (Element::Bf16, Element::Bf16, false),
                (Element::Tf32, Element::Tf32, false),
                (Element::E4m3, Element::E5m2, false),
                (Element::E5m2, Element::E4m3, true),
                (Element::S8, Element::U8, false),
                (Element::B1, Element::B1, false),
            ];
            for (a_type, b_type, half_d) in types {
                let orders: &[bool] = if bytes_of(a_type) == 2 { &[false, true] } else { &[false] };
                let mut rounds = 0;
                for a_width in [0, 16, 32, 64, 128] {
                    for b_width in [16, 32, 64, 128] {
                        for a_transposed in orders {
                            for b_transposed in orders {
                                rounds += 1;
                                let n = [8, 24, 64, 96, 256][rounds % 5];
                                let place = |width: usize, transposed: bool, at, count| Placing {
                                    width,
                                    transposed,
                                    step: if transposed || width == 16 { 0 } else { rounds % (width / 32) },
                                    at,
                                    count,
                                };
                                let case = Case {
                                    a_type,
                                    b_type,
                                    n,
                                    half_d,
                                    a: (a_width != 0).then(|| place(a_width, *a_transposed, 4096, 64)),
                                    b: place(b_width, *b_transposed, 65536, n),
                                    accumulate: rounds % 3 != 0,
                                    negate: (rounds % 4 == 1, rounds % 7 == 2),
                                    saturate: rounds % 2 == 0 && a_type == Element::S8,
                                };
                                check(env, &case, &mut draw);
                            }
                        }
                    }
                }
            }
        });
    }
}

/// The same bits with AVX2 as without, for random bits: subnormals, infinities and NaN included.
#[test]
fn same_bits_on_every_host() {
    if !wide_vectors() {
        return;
    }
    for a_type in [Element::F16, Element::Bf16] {
        for transposed in [false, true] {
            let mut results = Vec::new();
            for wide in [false, true] {
                let mut draw = Draw(7);
                with_env(wide, |env| {
                    for at in (0..SHARED as u64).step_by(4) {
                        shared(env, at, 4).write(0, 4, draw.next() as u64 * 2 + (at >> 2 & 1));
                    }
                    let placing = Placing { width: 128, transposed, step: 0, at: 1024, count: 64 };
                    let product = WarpgroupProduct {
                        n: 64,
                        k: 16,
                        a_type,
                        b_type: a_type,
                        half_d: false,
                        saturate: false,
                        d: (0..32).map(Reg).collect(),
                        a: LeftMatrix::Shared(Reg(0)),
                        b: Reg(0),
                        accumulate: Condition { pred: TRUE, negated: false },
                        negate_a: true,
                        negate_b: false,
                        transpose_a: transposed,
                        transpose_b: transposed,
                    };
                    let mut warp = new_warp(2, 32);
                    (0..32).for_each(|r| *warp.row_mut(Reg(r)) = std::array::from_fn(|_| draw.next()));
                    let descriptors = (placing.descriptor(), Placing { at: 66560, ..placing }.descriptor());
                    wgmma::run(env, &mut warp, &product, descriptors, None, true)
                        .unwrap_or_else(|e| panic!("{}", e.kind));
                    results.push((0..32).map(|r| *warp.row(Reg(r))).collect::<Vec<_>>());
                });
            }
            assert_eq!(results[0], results[1], "{a_type:?}, transposed {transposed}");
        }
    }
}

/// Whatever the descriptors: a message, a fault or a product.
#[test]
fn any_descriptor() {
    let mut draw = Draw(3);
    let mut outcomes = [0; 3];
    for wide in [false, true].into_iter().filter(|wide| !wide || wide_vectors()) {
        with_env(wide, |env| {
            for round in 0..3000 {
                let transposed = round % 2 == 1;
                let n = [8, 64, 248, 256][round % 4];
                let product = WarpgroupProduct {
                    n: n as u16,
                    k: 16,
                    a_type: Element::Bf16,
                    b_type: Element::Bf16,
                    half_d: false,
                    saturate: false,
                    d: (0..n / 2).map(Reg).collect(),
                    a: LeftMatrix::Shared(Reg(0)),
                    b: Reg(0),
                    accumulate: Condition { pred: TRUE, negated: false },
                    negate_a: false,
                    negate_b: false,
                    transpose_a: transposed,
                    transpose_b: !transposed,
                };
                let mut warp = new_warp(round as u32 % 4, n / 2);
                // Most have no reserved bits, and many small strides.
                let keep = if round % 16 == 0 { u64::MAX } else { 0xc000_3fff_3fff_3fff };
                let small = if round % 3 == 0 { 0xc000_03ff_003f_003f } else { u64::MAX };
                let descriptor =
                    |draw: &mut Draw| ((draw.next() as u64) << 33 ^ draw.next() as u64) & keep & small;
                let descriptors = (descriptor(&mut draw), descriptor(&mut draw));
                let legal =
                    descriptor::chunks(&product, warp.index % 4, descriptors.0, descriptors.1).is_ok();
                let ran = wgmma::run(env, &mut warp, &product, descriptors, None, true).is_ok();
                assert!(legal || !ran);
                outcomes[if !legal { 0 } else { 1 + ran as usize }] += 1;
            }
        });
    }
    assert!(outcomes.iter().all(|n| *n > 10), "{outcomes:?}");
}
