//! What is said to caches: prefetches and eviction policies (PTX ISA §9.7.9). No value depends on it, so what cannot be
//! assembled is refused and nothing is done.

use super::{Decoder, Result, invalid};
use crate::address::Space;
use crate::program::Op;
use flashpage_ptx::ast::{Instruction, Mod, Operand};
use flashpage_ptx::words::{Space as Written, Type, Word};

/// What a policy gives accesses first.
const PRIMARY: [Word; 4] =
    [Word::L2EvictLast, Word::L2EvictNormal, Word::L2EvictFirst, Word::L2EvictUnchanged];
/// And those that the first does not cover.
const SECONDARY: [Word; 2] = [Word::L2EvictFirst, Word::L2EvictUnchanged];

impl Decoder<'_> {
    /// `prefetch.tensormap`
    pub(super) fn prefetch_map(&mut self, inst: &Instruction) -> Result<()> {
        let space = match inst.space() {
            None => Space::Generic,
            Some(Written::Param) => Space::Param,
            // Constants lie in global memory here.
            Some(Written::Const) => Space::Global,
            Some(_) => {
                return invalid("prefetch.tensormap takes a generic address, or one in .const or .param");
            }
        };
        let [at] = &inst.operands[..] else { return invalid("prefetch.tensormap takes one address") };
        self.address(at, space)?;
        self.emit(Op::Nothing);
        Ok(())
    }

    /// `createpolicy`: a value that only `.L2::cache_hint` takes, and that means nothing there.
    pub(super) fn policy(&mut self, inst: &Instruction) -> Result<()> {
        let has = |word| inst.has(word);
        let priorities: Vec<Word> = inst
            .mods
            .iter()
            .filter_map(|m| if let Mod::Word(word) = m { Some(*word) } else { None })
            .filter(|word| PRIMARY.contains(word))
            .collect();
        if inst.ty(0) != Some(Type::B64) {
            return invalid("createpolicy is of .b64");
        }
        let converts = has(Word::Cvt);
        let fits = match priorities[..] {
            [] => converts && has(Word::L2),
            [_] => !converts,
            [_, second] => !converts && SECONDARY.contains(&second),
            _ => false,
        };
        if !fits {
            return invalid(
                "createpolicy takes .L2::evict_last, .L2::evict_normal, .L2::evict_first or .L2::evict_unchanged, then \
                 .L2::evict_first or .L2::evict_unchanged for the rest; with .cvt it takes .L2 alone",
            );
        }
        let d = match (&inst.operands[..], has(Word::Fractional), has(Word::Range)) {
            ([d], true, false) => d,
            ([d, fraction], true, false) => {
                self.source(fraction, Type::F32)?;
                let share = match fraction {
                    Operand::F32(bits) => f64::from(f32::from_bits(*bits)),
                    Operand::F64(bits) => f64::from_bits(*bits),
                    _ => 1.0,
                };
                if !(share > 0.0 && share <= 1.0) {
                    return invalid(format!("a fraction of {share}: it is above 0 and at most 1"));
                }
                d
            }
            ([d, at, primary, total], false, true) => {
                self.address(at, if inst.space().is_some() { Space::Global } else { Space::Generic })?;
                self.source(primary, Type::B32)?;
                self.source(total, Type::B32)?;
                d
            }
            ([d, property], false, false) if converts => {
                self.source(property, Type::B64)?;
                d
            }
            _ => {
                return invalid(
                    "createpolicy takes a destination and, with .fractional, a fraction or nothing; with .range an address \
                     and two sizes; with .cvt an access property",
                );
            }
        };
        let zero = self.integer(0, true);
        let d = self.destination(d, true)?;
        self.emit_kernel(super::arithmetic::copy(true), d, &[zero]);
        Ok(())
    }
}
