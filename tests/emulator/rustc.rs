//! Kernels that `rustc` compiled: the emulator runs its PTX as it printed it. What they compute is told by the
//! same functions compiled for the host.

use flashpage_emulator::{Fault, FaultKind, Launch, Memory, Module, Options, Report};
use std::sync::OnceLock;

#[path = "data/rustc/src/math.rs"]
#[allow(clippy::precedence, clippy::neg_cmp_op_on_partial_ord)] // as it was compiled
mod math;

/// The operations that `core` has under other names.
mod float {
    macro_rules! operations {
        ($($t:ident: $fma:ident $sqrt:ident $floor:ident $ceil:ident $trunc:ident $even:ident;)*) => {$(
            pub fn $fma(a: $t, b: $t, c: $t) -> $t {
                a.mul_add(b, c)
            }
            pub fn $sqrt(a: $t) -> $t {
                a.sqrt()
            }
            pub fn $floor(a: $t) -> $t {
                a.floor()
            }
            pub fn $ceil(a: $t) -> $t {
                a.ceil()
            }
            pub fn $trunc(a: $t) -> $t {
                a.trunc()
            }
            pub fn $even(a: $t) -> $t {
                a.round_ties_even()
            }
        )*};
    }
    operations! {
        f32: fma32 sqrt32 floor32 ceil32 trunc32 even32;
        f64: fma64 sqrt64 floor64 ceil64 trunc64 even64;
    }
}

fn module() -> &'static Module {
    static MODULE: OnceLock<Module> = OnceLock::new();
    MODULE.get_or_init(|| {
        Module::load(include_str!("data/rustc/kernels.ptx")).unwrap_or_else(|e| panic!("{e}"))
    })
}

/// A number in memory.
trait Element: Copy + std::fmt::Debug + 'static {
    /// Values at which something changes.
    const CORNERS: &'static [Self];
    fn random(bits: u64) -> Self;
    fn bytes(self) -> Vec<u8>;
    fn read(bytes: &[u8]) -> Self;
    /// Equal by bits; all NaNs are one, as a GPU makes only one.
    fn same(self, other: Self) -> bool;
}

macro_rules! elements {
    ($($t:ident: [$($corner:expr),*], |$bits:ident| $random:expr, |$a:ident, $b:ident| $same:expr;)*) => {$(
        impl Element for $t {
            const CORNERS: &'static [$t] = &[$($corner),*];
            fn random($bits: u64) -> $t {
                $random
            }
            fn bytes(self) -> Vec<u8> {
                self.to_le_bytes().to_vec()
            }
            fn read(bytes: &[u8]) -> $t {
                $t::from_le_bytes(bytes.try_into().unwrap())
            }
            fn same(self, other: $t) -> bool {
                let ($a, $b) = (self, other);
                $same
            }
        }
    )*};
}
elements! {
    u8: [0, 1, 2, 3, 7, 10, 127, 128, 254, 255], |b| b as u8, |a, b| a == b;
    i8: [0, 1, -1, 2, -3, 7, -10, 126, 127, -127, -128], |b| b as i8, |a, b| a == b;
    u16: [0, 1, 2, 10, 255, 256, 0x3ff, 0x400, 0x7bff, 0x7c00, 0x7e00, 0x7fff, 0x8000, 0x8001, 0xfc00, 0xffff],
        |b| b as u16, |a, b| a == b;
    i16: [0, 1, -1, 2, -3, 10, 127, 128, -128, -129, 255, 256, 32766, 32767, -32767, -32768],
        |b| b as i16, |a, b| a == b;
    u32: [0, 1, 2, 3, 7, 8, 10, 16, 31, 32, 33, 63, 64, 127, 255, 256, 0xffff, 0x10000, 0xff_ffff, 0x100_0001,
        0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff],
        |b| (b as u32) >> (b >> 59), |a, b| a == b;
    i32: [0, 1, -1, 2, -2, 3, -7, 10, 16, -16, 127, -128, 255, 32767, -32768, 0x100_0001, i32::MAX - 1, i32::MAX,
        i32::MIN, i32::MIN + 1],
        |b| (b as i32) >> (b >> 59), |a, b| a == b;
    u64: [0, 1, 2, 3, 7, 10, 36, 255, 0xffff, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0001, 1 << 53, (1 << 53) + 1,
        i64::MAX as u64, 1 << 63, (1 << 63) | 1, u64::MAX - 1, u64::MAX],
        |b| b.rotate_left(21) >> (b >> 58), |a, b| a == b;
    i64: [0, 1, -1, 2, -3, 10, 33, 100, 200, 255, -1_000_000, -999_999, 0xffff_ffff, -0x1_0000_0000, (1 << 53) + 1,
        i64::MAX - 15, i64::MAX, i64::MIN, i64::MIN + 1],
        |b| b.rotate_left(21) as i64 >> (b >> 58), |a, b| a == b;
    f32: [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.5, 0.1, 127.5, -128.9, 255.5, 256.0, 65504.0, 65519.0,
        65520.0, -32769.0, 6.0e-8, 5.96e-8, 6.1e-5, 1e-40, -1e-45, f32::MIN_POSITIVE, 8388609.0, 2147483648.0,
        -2147483904.0, 4294967040.0, 4294967296.0, 9.223372e18, -9.223372e18, 1.8446744e19, 1e30, f32::MAX,
        f32::MIN, f32::INFINITY, f32::NEG_INFINITY, f32::NAN],
        |b| if b >> 63 == 0 { f32::from_bits(b as u32) } else { (b as u32 as f32 / 65536.0) - 32768.0 },
        |a, b| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
    f64: [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.1, 255.5, 256.0, 32767.9, -32768.9, -32769.0,
        2147483647.5, 2147483648.0, -2147483649.0, 4294967295.5, 4294967296.0, 9007199254740992.0,
        9.223372036854775e18, 9.223372036854776e18, -9.3e18, 1.8446744073709552e19, 1e-310, -5e-324,
        f64::MIN_POSITIVE, 1e-40, 3.4028235677973366e38, 1e300, f64::MAX, f64::MIN, f64::INFINITY,
        f64::NEG_INFINITY, f64::NAN],
        |b| if b >> 63 == 0 { f64::from_bits(b.rotate_left(17)) } else { (b as u32 as f64 / 65536.0) - 32768.0 },
        |a, b| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
}

/// splitmix64
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// Values of argument `place`: of the first two, every corner meets every other; then corners and others at random.
fn arguments<T: Element>(place: usize, count: usize) -> Vec<T> {
    let mut state = place as u64;
    let corners = T::CORNERS.len();
    (0..count)
        .map(|i| {
            let any = random(&mut state);
            match place {
                0 if i < 39 * corners => T::CORNERS[i / 39],
                1 if i < 39 * 39 => T::CORNERS[i % 39 % corners],
                _ if any.is_multiple_of(3) => T::CORNERS[random(&mut state) as usize % corners],
                _ => T::random(random(&mut state)),
            }
        })
        .collect()
}

/// Device memory, the arguments of a launch, and its shape.
struct Run {
    memory: Memory,
    params: Vec<Vec<u8>>,
    grid: [u32; 3],
    block: [u32; 3],
    sanitize: bool,
}

impl Run {
    fn new(blocks: u32, threads: u32, sanitize: bool) -> Run {
        Run { memory: Memory::new(), params: vec![], grid: [blocks, 1, 1], block: [threads, 1, 1], sanitize }
    }

    fn value<T: Element>(&mut self, value: T) {
        self.params.push(value.bytes());
    }

    /// Gives the kernel a pointer to these.
    fn array<T: Element>(&mut self, values: &[T]) -> u64 {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.bytes()).collect();
        let at = self.memory.alloc(bytes.len(), size_of::<T>()).unwrap();
        self.memory.write(at, &bytes).unwrap();
        self.value(at);
        at
    }

    /// Gives the kernel a pointer to room for so many, which holds nothing.
    fn room<T: Element>(&mut self, count: usize) -> u64 {
        let at = self.memory.alloc(count * size_of::<T>(), size_of::<T>()).unwrap();
        self.value(at);
        at
    }

    fn read<T: Element>(&self, at: u64, count: usize) -> Vec<T> {
        let mut bytes = vec![0; count * size_of::<T>()];
        self.memory.read(at, &mut bytes).unwrap();
        bytes.chunks_exact(size_of::<T>()).map(T::read).collect()
    }

    fn try_launch(&mut self, kernel: &str) -> Result<Report, Fault> {
        let launch =
            Launch { grid: self.grid, block: self.block, params: self.params.clone(), ..Launch::default() };
        let options =
            Options { sanitize: self.sanitize.into(), instruction_budget: 1 << 26, ..Options::default() };
        module().launch(&mut self.memory, kernel, &launch, &options)
    }

    fn launch(&mut self, kernel: &str) {
        self.try_launch(kernel).unwrap_or_else(|e| panic!("{kernel}: {e}"));
    }
}

/// With the sanitizer and without.
const BOTH: [bool; 2] = [false, true];

/// Every function of `math`, at 3000 places: not a multiple of the block, nor of the warp.
#[test]
fn functions() {
    const COUNT: usize = 3000;
    let mut wrong = Vec::new();
    macro_rules! check {
        ($(fn $name:ident($($t:ty),+) -> $out:ty;)*) => {$(
            check!(@one $name, $out, [a b c d], [], $($t),+);
        )*};
        (@one $name:ident, $out:ty, [$x:ident $($rest:ident)*], [$($done:tt)*], $t:ty $(, $more:ty)*) => {
            check!(@one $name, $out, [$($rest)*], [$($done)* $x: $t;] $(, $more)*);
        };
        (@one $name:ident, $out:ty, [$($rest:ident)*], [$($x:ident: $t:ty;)+]) => {
            for sanitize in BOTH {
                let mut run = Run::new(12, 256, sanitize);
                let mut place = 0;
                $(
                    let $x = arguments::<$t>(place, COUNT);
                    run.array(&$x);
                    place += 1;
                )+
                let _ = place;
                let out = run.room::<$out>(COUNT);
                run.value(COUNT as u32);
                if let Err(fault) = run.try_launch(stringify!($name)) {
                    wrong.push(format!("{}: {fault}", stringify!($name)));
                    continue;
                }
                for (i, got) in run.read::<$out>(out, COUNT).into_iter().enumerate() {
                    let want = math::$name($($x[i]),+);
                    if !want.same(got) {
                        let arguments = ($($x[i],)+);
                        wrong.push(format!("{}{arguments:?}: {got:?}, not {want:?}", stringify!($name)));
                        break;
                    }
                }
            }
        };
    }
    math::elementwise!(check);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn saxpy() {
    for sanitize in BOTH {
        let (x, y): (Vec<f32>, Vec<f32>) =
            (0..1000).map(|i| (i as f32 * 0.37 - 100.0, 1.0 / (i as f32 + 0.5))).unzip();
        let mut run = Run::new(4, 256, sanitize);
        run.value(2.25f32);
        run.array(&x);
        run.value(1000u32);
        let at = run.array(&y);
        run.value(1000u32);
        run.launch("saxpy");
        let want: Vec<f32> = x.iter().zip(&y).map(|(x, y)| y + 2.25 * x).collect();
        assert_eq!(run.read::<f32>(at, 1000), want);
        // One element of `x` too few: the bounds check panics, and the panic handler traps.
        run.params[2] = 999u32.bytes();
        let fault = run.try_launch("saxpy").unwrap_err();
        assert_eq!(fault.kind, FaultKind::Trap, "{fault}");
        let site = fault.site.unwrap();
        assert_eq!((site.block, site.warp, site.lane), ([3, 0, 0], 7, Some(7)));
    }
}

/// `Affine` has padding, arrays, a pointer and fields of 1, 2, 4 and 8 bytes.
#[test]
fn struct_by_value() {
    for (sanitize, flip) in BOTH.into_iter().flat_map(|s| BOTH.map(|f| (s, f))) {
        let (matrix, offset, scale) = ([1.5f32, -2.0, 0.25, 8.0], [100.5f64, -3.0], 3u8);
        let mut run = Run::new(2, 64, sanitize);
        let out = run.room::<f32>(200);
        let mut bytes = vec![u8::from(flip), 0, 0, 0];
        bytes.extend(matrix.iter().flat_map(|m| m.bytes()));
        bytes.extend([0; 4]);
        bytes.extend(offset.iter().flat_map(|o| o.bytes()));
        bytes.extend(out.bytes());
        bytes.extend(100u16.bytes());
        bytes.extend([0; 6]);
        run.params = vec![bytes, scale.bytes()];
        run.launch("affine");
        let want: Vec<f32> = (0..200)
            .map(|at| {
                let (i, row) = ((at / 2) as f32, if flip { 1 - at % 2 } else { at % 2 });
                let m = &matrix[2 * row..];
                offset[row] as f32 + m[0] * i * scale as f32 + m[1] * -i * scale as f32
            })
            .collect();
        assert_eq!(run.read::<f32>(out, 200), want);
    }
}

#[test]
fn histogram() {
    let mut state = 5;
    let bytes: Vec<u8> = (0..5000).map(|_| (random(&mut state) as u8) & (random(&mut state) as u8)).collect();
    let mut want = vec![0u32; 256];
    bytes.iter().for_each(|b| want[*b as usize] += 1);
    for sanitize in BOTH {
        let mut run = Run::new(3, 96, sanitize);
        run.array(&bytes);
        run.value(bytes.len() as u32);
        let counts = run.array(&[0u32; 256]);
        run.launch("histogram");
        assert_eq!(run.read::<u32>(counts, 256), want);
    }
}

#[test]
fn atomics() {
    let words = [5, 1_000_000, 3, 900, 0, u32::MAX, 9, 3, 0, 0];
    let longs = words.map(u64::from);
    let (mut want, mut want_long) = (words, longs);
    for i in 0..200u32 {
        let l = u64::from(i) << 33 | 1;
        want[0] += i;
        want[1] -= i;
        want[2] = want[2].max(i ^ 77);
        want[3] = want[3].min(i ^ 77);
        want[4] |= 1 << (i % 32);
        want[5] &= !(1 << (i % 7));
        want[6] ^= i;
        want[7] = want[7].wrapping_mul(2 * i + 1);
        want_long[0] = want_long[0].wrapping_add(l);
        want_long[1] = want_long[1].wrapping_sub(l);
        want_long[2] = want_long[2].max(l);
        want_long[3] = want_long[3].min(l);
        want_long[4] |= 1 << (i % 64);
        want_long[5] &= !(1 << (i % 60));
        want_long[6] ^= l;
        want_long[7] = want_long[7].wrapping_mul(l);
    }
    (want[8], want[9]) = (1, 42);
    (want_long[8], want_long[9]) = (1, 42);
    for sanitize in BOTH {
        let mut run = Run::new(2, 100, sanitize);
        let (at, long_at) = (run.array(&words), run.array(&longs));
        run.launch("atomics");
        assert_eq!(run.read::<u32>(at, 10), want);
        assert_eq!(run.read::<u64>(long_at, 10), want_long);
    }
}

/// Hillis and Steele's scan in shared memory, for blocks that are no power of two.
#[test]
fn prefix_count() {
    for (sanitize, threads) in BOTH.into_iter().flat_map(|s| [1, 32, 100, 1024].map(|t| (s, t))) {
        let mut state = threads as u64;
        let values: Vec<u32> = (0..3 * threads).map(|_| random(&mut state) as u32).collect();
        let mut run = Run::new(3, threads, sanitize);
        run.array(&values);
        let out = run.room::<u32>(values.len());
        run.launch("prefix_count");
        let want: Vec<u32> = values
            .chunks(threads as usize)
            .flat_map(|block| {
                block.iter().scan(0, |sum, v| {
                    *sum += u32::from(v % 2 == 0);
                    Some(*sum)
                })
            })
            .collect();
        assert_eq!(run.read::<u32>(out, values.len()), want, "{threads} threads");
    }
}

fn check_copy<T: Element>(kernel: &str) {
    for (sanitize, each) in BOTH.into_iter().flat_map(|s| [0, 1, 2, 7, 16, 33].map(|e| (s, e))) {
        let values: Vec<T> = arguments(2, 50 * each);
        let mut run = Run::new(1, 50, sanitize);
        run.array(&values);
        let out = run.room::<T>(values.len());
        run.value(each as u32);
        run.launch(kernel);
        let want = values.chunks(each.max(1)).flat_map(|slice| slice.iter().rev());
        assert!(
            run.read::<T>(out, values.len()).iter().zip(want).all(|(a, b)| a.same(*b)),
            "{kernel} of {each}"
        );
    }
}

#[test]
fn copies() {
    check_copy::<u8>("copy_u8");
    check_copy::<u16>("copy_u16");
    check_copy::<u32>("copy_u32");
    check_copy::<u64>("copy_u64");
}

#[test]
fn unaligned() {
    let bytes: Vec<u8> = (0..40 * 32).map(|i| (i * 7 + i / 32) as u8).collect();
    let want: Vec<u8> = bytes
        .chunks(32)
        .flat_map(|from| {
            let mut to = vec![0xa5; 32];
            let (word, wide) = (u64::read(&from[1..9]), u32::read(&from[11..15]));
            to[3..11].copy_from_slice(&(word ^ u64::from(wide) << 32).bytes());
            to[21..23].copy_from_slice(&(wide as u16).bytes());
            to
        })
        .collect();
    for sanitize in BOTH {
        let mut run = Run::new(1, 40, sanitize);
        run.array(&bytes);
        let out = run.room::<u8>(bytes.len());
        run.launch("unaligned");
        assert_eq!(run.read::<u8>(out, bytes.len()), want);
    }
}

/// Each lane leaves its loop when it has found what it looks for.
#[test]
fn find() {
    let each = 37;
    let values: Vec<u16> = (0..100 * each).map(|i| (i * i / 7 % 53) as u16).collect();
    for sanitize in BOTH {
        let mut run = Run::new(2, 50, sanitize);
        run.array(&values);
        run.value(each as u32);
        run.value(11u16);
        let out = run.room::<u32>(100);
        run.launch("find");
        let want: Vec<u32> = values
            .chunks(each)
            .map(|slice| slice.iter().position(|v| *v == 11).unwrap_or(each) as u32)
            .collect();
        assert!(want.contains(&37) && want.iter().any(|at| *at < 37));
        assert_eq!(run.read::<u32>(out, 100), want);
    }
}

#[test]
fn geometry() {
    let (grid, block) = ([3, 2, 2], [5, 4, 3]);
    let within = |shape: [u32; 3]| {
        (0..shape.iter().product::<u32>())
            .map(move |i| [i % shape[0], i / shape[0] % shape[1], i / (shape[0] * shape[1])])
    };
    let want: Vec<u32> =
        within(grid).flat_map(|b| within(block).flat_map(move |t| [t, b, block, grid].concat())).collect();
    for sanitize in BOTH {
        let mut run = Run { grid, block, ..Run::new(1, 1, sanitize) };
        let out = run.room::<u32>(want.len());
        run.launch("geometry");
        assert_eq!(run.read::<u32>(out, want.len()), want);
    }
}

/// The tests above leave out no kernel of the module.
#[test]
fn every_kernel_is_run() {
    let mut functions = 0;
    macro_rules! count {
        ($(fn $name:ident($($t:ty),+) -> $out:ty;)*) => {$(
            assert!(module().entries().any(|e| e.name == stringify!($name)), "{}", stringify!($name));
            functions += 1;
        )*};
    }
    math::elementwise!(count);
    let others = [
        "affine",
        "atomics",
        "copy_u16",
        "copy_u32",
        "copy_u64",
        "copy_u8",
        "find",
        "geometry",
        "histogram",
        "prefix_count",
        "saxpy",
        "unaligned",
    ];
    let mut names: Vec<&str> = module().entries().map(|e| e.name).collect();
    names.retain(|name| others.contains(name));
    names.sort_unstable();
    assert_eq!(names, others);
    assert_eq!(module().entries().count(), functions + others.len());
}
