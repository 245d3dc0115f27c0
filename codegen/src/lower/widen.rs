//! Numbers of 8 bits made into the 16 of products, exactly: a lane's sixteen, which become two chunks.
//!
//! sm_90a has conversions to f16 for both formats. Elsewhere fields are moved to where 16 bits have them, and one multiplication
//! makes up for the difference of the exponents' biases, subnormals included:
//!
//! ```text
//! e4m3          s eeee mmm           f16    s 0eeee mmm0000000      × 2^8
//!                                    bf16   s 0000eeee mmm0000      × 2^120
//! e5m2          s eeeee mm           f16    s eeeee mm00000000      as it is
//! ```
//!
//! The NaN of e4m3 would become a number so: a lane that has one writes NaN in its place, which is a branch that hardly any takes.
//! From f16 to bf16 it goes by f32.

use super::kernel::Kernel;
use crate::program::DType;
use crate::spec::Arch;
use flashpage_ptx::ast::Operand;
use flashpage_ptx::builder::{Reg, ty, vector, word};
use flashpage_ptx::words::{Opcode, Type, Word};

/// Of four numbers of 8 bits, the lower two each in the upper half of 16 bits, and the upper two.
const SPREAD: [i64; 2] = [0x1404, 0x3424];

/// Of four bytes, the sign of each of the lower two all over 16 bits, and of the upper two.
const SIGNS: [i64; 2] = [0x9988, 0xbbaa];

impl Kernel<'_> {
    /// Sixteen numbers, in order, as 16 bits each.
    pub(super) fn widen(&mut self, words: &[Reg; 4]) -> [[Reg; 4]; 2] {
        let pairs: Vec<Reg> = words.iter().flat_map(|four| self.widen_four(four)).collect();
        if self.spec.arch == Arch::Sm80 && self.spec.kv_dtype == DType::E4m3 {
            self.keep_nans(words, &pairs);
        }
        [0, 1].map(|chunk| std::array::from_fn(|pair| pairs[4 * chunk + pair].clone()))
    }

    fn widen_four(&mut self, four: &Reg) -> [Reg; 2] {
        let (is_sm80, from, to) = (self.spec.arch == Arch::Sm80, self.spec.kv_dtype, self.spec.dtype);
        if is_sm80 && from == DType::E4m3 {
            return self.spread(four).map(|pair| self.widen_e4m3(&pair));
        }
        let halves = match is_sm80 {
            // An e5m2 is the upper byte of an f16.
            true => self.spread(four),
            false => self.widen_to_f16(four),
        };
        if to == DType::F16 { halves } else { halves.map(|pair| self.f16_to_bf16(&pair)) }
    }

    /// Two pairs of 16 bits, with a number in the upper half of each and zeros below.
    fn spread(&mut self, four: &Reg) -> [Reg; 2] {
        SPREAD.map(|selector| self.permute(four, selector))
    }

    fn permute(&mut self, of: &Reg, selector: i64) -> Reg {
        let operands = vec![Operand::from(of), 0.into(), selector.into()];
        self.b.op(Opcode::Prmt, &[ty(Type::B32)], Type::B32, "x", operands)
    }

    /// A pair of e4m3 in the upper halves of 16 bits, NaN apart.
    fn widen_e4m3(&mut self, pair: &Reg) -> Reg {
        /// 16 bits twice.
        const fn both(bits: i64) -> i64 {
            bits << 16 | bits
        }
        let (moved, fields, factor) = match self.spec.dtype {
            DType::F16 => (1, both(0x3f80), both(0x5c00)),
            _ => (4, both(0x07f0), both(0x7b80)),
        };
        let b = &mut self.b;
        let sign = b.and(Type::B32, "x", pair, both(0x8000));
        let at_place = b.shr(Type::U32, "x", pair, moved);
        let magnitude = b.and(Type::B32, "x", &at_place, fields);
        let small = b.or(Type::B32, "x", &magnitude, &sign);
        // Instructions over 16-bit floats take no literals.
        let factor = b.mov(Type::B32, "x", factor);
        if self.spec.dtype == DType::F16 {
            let operands = vec![Operand::from(&small), (&factor).into()];
            return self.b.op(Opcode::Mul, &[word(Word::Rn), ty(Type::F16x2)], Type::B32, "x", operands);
        }
        // sm_80 multiplies no bf16 without adding: minus zero, which changes nothing.
        let nothing = self.b.mov(Type::B32, "x", both(0x8000));
        let operands = vec![Operand::from(&small), (&factor).into(), (&nothing).into()];
        self.b.op(Opcode::Fma, &[word(Word::Rn), ty(Type::Bf16x2)], Type::B32, "x", operands)
    }

    /// NaN where an e4m3 is one: all bits below its sign are set.
    fn keep_nans(&mut self, words: &[Reg; 4], pairs: &[Reg]) {
        let carried = words.each_ref().map(|four| {
            let magnitudes = self.b.and(Type::B32, "x", four, 0x7f7f_7f7f);
            self.b.add(Type::U32, "x", &magnitudes, 0x0101_0101)
        });
        let [first, others @ ..] = &carried;
        let mut any = first.clone();
        for other in others {
            any = self.b.or(Type::B32, "x", &any, other);
        }
        let any = self.b.and(Type::B32, "x", &any, 0x8080_8080_i64);
        let has_none = self.b.setp(Word::Eq, Type::U32, "p", &any, 0);
        let done = self.b.label("no_nan");
        self.b.guarded(&has_none, false, |b| b.bra(&done));
        for (four, pairs) in carried.iter().zip(pairs.chunks(2)) {
            for (pair, selector) in pairs.iter().zip(SIGNS) {
                let mask = self.permute(four, selector);
                let nan = self.b.and(Type::B32, "x", &mask, 0x7fff_7fff);
                self.b.or(Type::B32, pair, pair, &nan);
            }
        }
        self.b.place(&done);
    }

    /// Two pairs of f16, by the conversion that there is for them.
    fn widen_to_f16(&mut self, four: &Reg) -> [Reg; 2] {
        let from = if self.spec.kv_dtype == DType::E4m3 { Type::E4m3x2 } else { Type::E5m2x2 };
        let twos = [0, 1].map(|_| self.b.reg(Type::B16, "h"));
        self.b.emit(Opcode::Mov, &[ty(Type::B32)], vec![vector(&[&twos[0], &twos[1]]), four.into()]);
        let mods = [word(Word::Rn), ty(Type::F16x2), ty(from)];
        twos.map(|two| self.b.op(Opcode::Cvt, &mods, Type::B32, "x", vec![(&two).into()]))
    }

    fn f16_to_bf16(&mut self, pair: &Reg) -> Reg {
        let halves = [0, 1].map(|_| self.b.reg(Type::B16, "h"));
        self.b.emit(Opcode::Mov, &[ty(Type::B32)], vec![vector(&[&halves[0], &halves[1]]), pair.into()]);
        let [low, high] = halves.map(|half| self.b.cvt(&[], Type::F32, Type::F16, "f", &half));
        self.b.pack(Type::Bf16x2, "x", &high, &low)
    }
}
