//! Which bits of a result depend on bits that nobody computed.
//!
//! The instruction itself is asked: it is run again with other values in their place, and the bits of the result that
//! change depend on them. So masks, shifts, permutations, conversions and packed halves need no rules of their own, and
//! garbage that is masked away, as compilers leave it in the other half of a register, is of no account. Arithmetic on a
//! value of which nothing is known is taken to give nothing that is: that zero times it is zero is an accident of data.

use crate::alu::lanes::{LANES, Row, RowFn};
use crate::exec::lanes;
use crate::exec::state::Warp;
use crate::exec::unknown::{Lanes, Unknown};
use crate::program::{Reg, Touch};
use flashpage_ptx::words::Opcode;

/// What takes the place of unknown bits. Among them are, in every format of 16 and 32 bits, zero, one, NaN, and large
/// numbers of both signs, so that comparisons, minima and maxima turn out both ways.
const PATTERNS: [u64; 12] = [
    0,
    u64::MAX,
    0x7bff_7bff_7bff_7bff,
    0xfbff_fbff_fbff_fbff,
    0x7f7f_7f7f_7f7f_7f7f,
    0xff7f_ff7f_ff7f_ff7f,
    0x5555_5555_5555_5555,
    0xaaaa_aaaa_aaaa_aaaa,
    0x8000_8000_8000_8000,
    0x3c00_3f80_3c00_3f80,
    0x1e3a_94c7_5b60_d2f9,
    0xe1c5_6b38_a49f_2d06,
];

/// A pure function over the lanes of up to four registers.
pub(crate) struct Function {
    pub run: RowFn,
    pub sources: [Reg; 4],
    /// Which of them have 64 bits.
    pub wide: [bool; 4],
    pub wide_result: bool,
    pub opcode: Option<Opcode>,
}

/// Whether a result has nothing of its own where an operand has nothing.
fn is_arithmetic(opcode: Option<Opcode>) -> bool {
    use Opcode::*;
    matches!(
        opcode,
        Some(
            Add | Sub
                | Mul
                | Mad
                | Mad24
                | Mul24
                | Fma
                | Div
                | Rem
                | Min
                | Max
                | Abs
                | Neg
                | Sad
                | Dp2a
                | Dp4a
                | Ex2
                | Lg2
                | Rcp
                | Rsqrt
                | Sqrt
                | Sin
                | Cos
                | Tanh
        )
    )
}

/// What is not known of the result, in the lanes of `mask`.
pub(crate) fn result(warp: &mut Warp, function: &Function, mask: u32) -> Box<Lanes> {
    let mut unknown = [[Unknown::default(); LANES]; 4];
    for (unknown, reg) in unknown.iter_mut().zip(function.sources) {
        for lane in lanes(mask & !warp.known(Touch::Row(reg))) {
            unknown[lane] = warp.unknown_row(reg, lane);
        }
    }
    let mut out: Box<Lanes> = Box::new([Unknown::default(); LANES]);
    // Lanes that have to be tried.
    let mut open = 0u32;
    for lane in lanes(mask) {
        let all = unknown.iter().fold(Unknown::default(), |all, source| all.with(source[lane]));
        let nothing = |i: usize| {
            let whole = if function.wide[i] { u64::MAX } else { u32::MAX as u64 };
            unknown[i][lane].bits & whole == whole
        };
        out[lane] = all;
        if all.bits == 0 {
            continue;
        }
        if is_arithmetic(function.opcode) && (0..4).any(nothing) {
            out[lane].bits = u64::MAX;
        } else {
            out[lane].bits = 0;
            open |= 1 << lane;
        }
    }
    if open != 0 {
        let changed = changes(warp, function, &unknown, open);
        lanes(open).for_each(|lane| out[lane].bits = changed[lane]);
    }
    if !function.wide_result {
        out.iter_mut().for_each(|lane| lane.bits &= u32::MAX as u64);
    }
    out
}

/// Two rows, of which a register takes one or both.
type Rows = [Row; 2];

fn wide_of(rows: &mut Rows) -> &mut [u64; LANES] {
    // SAFETY: two adjacent rows are 32 values of 64 bits, and are aligned better than those.
    unsafe { &mut *rows.as_mut_ptr().cast() }
}

/// Bits of the result that change with the unknown ones.
fn changes(warp: &mut Warp, function: &Function, unknown: &[Lanes; 4], open: u32) -> [u64; LANES] {
    let plain: [Rows; 4] = std::array::from_fn(|i| {
        let (reg, mut rows) = (function.sources[i], [Row([0; LANES]); 2]);
        if function.wide[i] {
            *wide_of(&mut rows) = *warp.wide(reg);
        } else {
            rows[0] = Row(*warp.row(reg));
        }
        rows
    });
    let run = |sources: &[Rows; 4]| {
        let mut result = [Row([0; LANES]); 2];
        let at = |i: usize| sources[i].as_ptr();
        // SAFETY: every source has the rows that the decoder matched the kernel with, and two hold any result.
        unsafe { (function.run)(result.as_mut_ptr(), at(0), at(1), at(2), at(3)) };
        std::array::from_fn::<u64, LANES, _>(|lane| {
            if function.wide_result { wide_of(&mut result)[lane] } else { result[0].0[lane] as u64 }
        })
    };
    let first = run(&plain);
    let mut changed = [0; LANES];
    let mut attempt = |pattern_of: &dyn Fn(usize) -> Option<u64>| {
        let mut sources = plain;
        for i in 0..4 {
            // A register that is there twice has one value.
            let same = (0..i).find(|j| function.sources[*j] == function.sources[i]).unwrap_or(i);
            let Some(pattern) = pattern_of(same) else { continue };
            for lane in lanes(open) {
                let bits = unknown[i][lane].bits;
                if function.wide[i] {
                    let value = &mut wide_of(&mut sources[i])[lane];
                    *value = *value & !bits | pattern & bits;
                } else {
                    let value = &mut sources[i][0].0[lane];
                    *value = *value & !(bits as u32) | (pattern & bits) as u32;
                }
            }
        }
        for (lane, value) in run(&sources).into_iter().enumerate() {
            changed[lane] |= value ^ first[lane];
        }
    };
    let is_unknown = |i: usize| lanes(open).any(|lane| unknown[i][lane].bits != 0);
    for (p, pattern) in PATTERNS.iter().enumerate() {
        (0..4).filter(|i| is_unknown(*i)).for_each(|only| attempt(&|i| (i == only).then_some(*pattern)));
        // All together, each another pattern: what one operand hides the next may show.
        attempt(&|i| Some(PATTERNS[(p + 5 * i) % PATTERNS.len()]));
        attempt(&|_| Some(*pattern));
    }
    changed
}
