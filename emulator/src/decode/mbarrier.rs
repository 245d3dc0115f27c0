//! `mbarrier` and fences (PTX ISA §9.7.13).

use super::{Decoder, Fail, Result, invalid};
use crate::address::Space;
use crate::alu::lanes::lift1;
use crate::program::{Mbarrier, MbarrierKind, Op, PENDING_BITS, Phase};
use flashpage_ptx::ast::{Instruction, Mod, Operand};
use flashpage_ptx::words::{Space as Written, Type, Word};

/// The largest number of arrivals that an mbarrier counts.
const MAX_COUNT: i64 = (1 << 20) - 1;

impl Decoder<'_> {
    /// `mbarrier.*`
    pub(super) fn mbarrier(&mut self, inst: &Instruction) -> Result<()> {
        let has = |word| inst.has(word);
        if inst.ty(0) != Some(Type::B64) || inst.ty(1).is_some() {
            return invalid("mbarrier is of type .b64");
        }
        if has(Word::PendingCount) {
            let [d, state] = &inst.operands[..] else {
                return invalid("mbarrier.pending_count takes a destination and a state");
            };
            let state = self.source(state, Type::B64)?;
            let d = self.destination(d, false)?;
            self.emit_kernel(lift1(|state: u64| state as u32 & ((1 << PENDING_BITS) - 1)), d, &[state]);
            return Ok(());
        }
        let (space, remote) = match inst.space() {
            None => (Space::Generic, false),
            Some(Written::Shared | Written::SharedCta) => (Space::Shared, false),
            Some(Written::SharedCluster) => (Space::Shared, true),
            Some(other) => return invalid(format!("an mbarrier is in shared memory, not .{other}")),
        };
        let arrives = has(Word::Arrive) || has(Word::ArriveDrop);
        let operands = &inst.operands[..];
        let (at, kind) = if arrives {
            self.arrival(inst, remote)?
        } else if has(Word::Init) {
            let [at, count] = operands else { return invalid("mbarrier.init takes an address and a count") };
            if let Operand::Int(n) = count
                && !(1..=MAX_COUNT).contains(n)
            {
                return invalid(format!("an mbarrier counts 1 to {MAX_COUNT} arrivals, not {n}"));
            }
            (at, MbarrierKind::Init { count: self.word(count)? })
        } else if has(Word::Inval) {
            let [at] = operands else { return invalid("mbarrier.inval takes an address") };
            (at, MbarrierKind::Inval)
        } else if has(Word::TestWait) || has(Word::TryWait) {
            self.phase_wait(inst)?
        } else if has(Word::ExpectTx) || has(Word::CompleteTx) {
            let [at, bytes] = operands else { return invalid("an address and a number of bytes are needed") };
            let bytes = self.word(bytes)?;
            (
                at,
                if has(Word::ExpectTx) {
                    MbarrierKind::Expect { bytes }
                } else {
                    MbarrierKind::Complete { bytes }
                },
            )
        } else {
            return Err(Fail::Unsupported);
        };
        let local =
            matches!(kind, MbarrierKind::Init { .. } | MbarrierKind::Inval | MbarrierKind::Wait { .. });
        if remote && local {
            return invalid("this can only be done to an mbarrier of the block's own shared memory");
        }
        let (at, space) = self.address(at, space)?;
        // Without words on it, an arrival releases and a wait acquires; transaction counts order nothing.
        let counts = matches!(kind, MbarrierKind::Expect { .. } | MbarrierKind::Complete { .. });
        let ordered = !counts && !has(Word::Relaxed);
        self.emit(Op::Mbarrier(Box::new(Mbarrier { at, space, kind, ordered })));
        Ok(())
    }

    /// `arrive` and `arrive_drop`: what comes before and after the address depends on both's words.
    fn arrival<'i>(&mut self, inst: &'i Instruction, remote: bool) -> Result<(&'i Operand, MbarrierKind)> {
        let has = |word| inst.has(word);
        let (no_complete, expects) = (has(Word::NoComplete), has(Word::ExpectTx));
        let [state, at, rest @ ..] = &inst.operands[..] else {
            return invalid("an arrival takes a state, or `_`, and an address");
        };
        let number = match rest {
            [] if no_complete => return invalid(".noComplete needs a count"),
            [] if expects => return invalid(".expect_tx needs a number of bytes"),
            [] => None,
            [number] => Some(number),
            _ => return invalid("an arrival takes at most three operands"),
        };
        if no_complete && (expects || remote) {
            return invalid(".noComplete goes with neither .expect_tx nor .shared::cluster");
        }
        if let (false, Some(Operand::Int(n))) = (expects, number)
            && !(1..=MAX_COUNT).contains(n)
        {
            return invalid(format!("an arrival counts as 1 to {MAX_COUNT}, not {n}"));
        }
        let number = number.map(|n| self.word(n)).transpose()?;
        let state = match state {
            Operand::Sink => None,
            _ if remote => return invalid("an arrival in another block gives no state: write `_`"),
            state => Some(self.destination(state, true)?),
        };
        let (count, expect) = if expects { (None, number) } else { (number, None) };
        Ok((at, MbarrierKind::Arrive { state, count, expect, drop: has(Word::ArriveDrop), no_complete }))
    }

    fn phase_wait<'i>(&mut self, inst: &'i Instruction) -> Result<(&'i Operand, MbarrierKind)> {
        let sleeps = inst.has(Word::TryWait);
        let [done, at, phase, hint @ ..] = &inst.operands[..] else {
            return invalid("a wait takes a predicate, an address and a phase");
        };
        match hint {
            [] => {}
            // How long to sleep at most, in nanoseconds: time means nothing here.
            [hint] if sleeps => {
                self.word(hint)?;
            }
            _ => return invalid("a wait has too many operands"),
        }
        let phase = if inst.has(Word::Parity) {
            Phase::Parity(self.word(phase)?)
        } else {
            Phase::State(self.source(phase, Type::B64)?)
        };
        let done = self.predicate_or_sink(done)?;
        Ok((at, MbarrierKind::Wait { done, phase, sleeps }))
    }

    /// `cp.async.mbarrier.arrive`
    pub(super) fn copy_arrive(&mut self, inst: &Instruction) -> Result<()> {
        let [at] = &inst.operands[..] else { return invalid("cp.async.mbarrier.arrive takes an address") };
        if inst.ty(0) != Some(Type::B64) || !inst.has(Word::Arrive) {
            return invalid("cp.async.mbarrier.arrive is of type .b64");
        }
        let space = match inst.space() {
            None => Space::Generic,
            Some(Written::Shared | Written::SharedCta) => Space::Shared,
            Some(other) => return invalid(format!("the mbarrier is in shared memory, not .{other}")),
        };
        let (at, space) = self.address(at, space)?;
        self.emit(Op::CopyArrive { at, space, no_increment: inst.has(Word::Noinc) });
        Ok(())
    }

    /// `fence` and `membar`. Threads' own accesses are always seen in order here; what a fence can be missed for is that
    /// a relaxed access tells others what came before it, and that the asynchronous proxy sees what threads wrote to
    /// shared memory.
    pub(super) fn fence(&mut self, inst: &Instruction) -> Result<()> {
        let has = |word| inst.has(word);
        match &inst.operands[..] {
            [] => {}
            // The tensor map that `fence.proxy.tensormap::generic.acquire` is about.
            [at, Operand::Int(128)] if has(Word::TensormapGeneric) => {
                self.address(at, Space::Generic)?;
            }
            _ => return invalid("wrong operands of a fence"),
        }
        let proxy = has(Word::Proxy) && (has(Word::Async) || has(Word::AsyncShared));
        let global_only = inst.mods.contains(&Mod::Space(Written::Global)) || has(Word::AsyncGlobal);
        self.emit(match has(Word::Proxy) {
            true if proxy && !global_only => Op::ProxyFence,
            true => Op::Nothing,
            false => Op::Fence,
        });
        Ok(())
    }
}
