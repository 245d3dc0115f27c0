//! Branches, calls and ends.

use super::function::{Callee, Formal};
use super::graph::RUNTIME;
use super::{Decoder, Fail, Place, Result, invalid};
use crate::alu::lanes;
use crate::program::{
    ALWAYS, Address, AssertFail, Call, Condition, Logic, Move, Op, Print, Recursion, Region, StackOp, TRUE,
    Touch, Unwind,
};
use flashpage_ptx::ast::{Instruction, Name, Operand};
use flashpage_ptx::words::{Opcode, Type};

impl Decoder<'_> {
    pub(super) fn control(&mut self, inst: &Instruction) -> Result<()> {
        match inst.op {
            Opcode::Bra => {
                let [Operand::Symbol { name, .. }] = &inst.operands[..] else {
                    return invalid("bra takes a label");
                };
                let at = self.emit(Op::Branch { target: u32::MAX });
                self.refer(at, 0, name);
                Ok(())
            }
            Opcode::Brx => {
                let [index, Operand::Symbol { name, .. }] = &inst.operands[..] else {
                    return invalid("brx.idx takes an index and a list of labels");
                };
                let index = self.source(index, Type::U32)?;
                let Some(targets) = self.branch_targets(name) else {
                    return invalid(format!("there is no list of targets `{name}`"));
                };
                let at =
                    self.emit(Op::BranchIndexed { index, targets: vec![u32::MAX; targets.len()].into() });
                for (slot, target) in targets.iter().enumerate() {
                    self.refer(at, slot, target);
                }
                Ok(())
            }
            Opcode::Ret => {
                self.leave();
                Ok(())
            }
            Opcode::Alloca | Opcode::Stacksave | Opcode::Stackrestore => self.stack(inst),
            Opcode::Exit => {
                self.emit(Op::Exit);
                Ok(())
            }
            Opcode::Trap | Opcode::Brkpt => {
                self.emit(Op::Trap);
                Ok(())
            }
            _ => self.call(inst),
        }
    }

    fn call(&mut self, inst: &Instruction) -> Result<()> {
        let (returns, rest) = match &inst.operands[..] {
            [Operand::List(returns), rest @ ..] => (&returns[..], rest),
            rest => (&[][..], rest),
        };
        let [target, rest @ ..] = rest else { return Err(Fail::Unsupported) };
        let (arguments, rest) = match rest {
            [Operand::List(arguments), rest @ ..] => (&arguments[..], rest),
            rest => (&[][..], rest),
        };
        match (target, rest) {
            (Operand::Symbol { name, .. }, []) => {
                let Some(callee) = self.table.callees.get(name).cloned() else {
                    if RUNTIME.contains(&&**name) {
                        return self.runtime(name, arguments, returns);
                    }
                    if let Some(address) = self.source.addresses.get(name) {
                        // Only a call through a register can have led here.
                        let target = self.integer(address, true);
                        self.emit(Op::NoTarget { target });
                        return Ok(());
                    }
                    return invalid(format!("`{name}` is not a function of this module"));
                };
                if arguments.len() != callee.params.len() || returns.len() != callee.returns.len() {
                    return invalid(format!("`{name}` takes other arguments or gives other results"));
                }
                self.call_of(name, &callee, arguments, returns)
            }
            // What follows is the prototype, or the list of functions that it may be.
            (Operand::Register(..), [Operand::Symbol { .. }]) => {
                self.call_through(target, arguments, returns)
            }
            _ => Err(Fail::Unsupported),
        }
    }

    /// A call through a register: one guarded call of each function that it may be.
    fn call_through(&mut self, target: &Operand, arguments: &[Operand], returns: &[Operand]) -> Result<()> {
        let target = self.source(target, Type::B64)?;
        let mut candidates = Vec::new();
        for name in self.source.addresses.taken() {
            self.considered += 1;
            if let Some(callee) = self.table.callees.get(name)
                && (callee.params.len(), callee.returns.len()) == (arguments.len(), returns.len())
                && let Some(callee) = self.table.callees.get(name).cloned()
                && self.fits(&callee.params, arguments)?
                && self.fits(&callee.returns, returns)?
            {
                candidates.push((self.source.addresses.get(name).unwrap_or_default(), name.clone(), callee));
            }
        }
        self.check_size()?;
        // Whoever calls must know whom: this step's one source is the target.
        self.reads.retain(|touch| matches!(touch, Touch::Row(reg) if *reg == target));
        self.emit(Op::Nothing);
        let (guard, always) = (self.guard, Condition { pred: TRUE, negated: false });
        let and = |d, a, b| Op::Predicate { d, a, b, logic: Logic::And };
        // Lanes that call, less those whose function was found.
        let left = self.new_pred();
        self.guard = always;
        self.reads.extend((guard.pred != TRUE).then_some(Touch::Pred(guard.pred)));
        self.writes.push(Touch::Pred(left));
        self.emit(and(left, guard, always));
        let mut calls = Vec::new();
        for (address, name, callee) in candidates {
            let (chosen, address) = (self.new_pred(), self.integer(address, true));
            // Lanes that do not call must know so.
            self.guard = always;
            self.writes.push(Touch::Pred(chosen));
            self.emit(and(chosen, always, Condition { pred: TRUE, negated: true }));
            self.guard = guard;
            self.reads.push(Touch::Pred(left));
            self.writes.extend([Touch::Pred(chosen), Touch::Pred(left)]);
            let combine = Some((Logic::And, Condition { pred: left, negated: false }));
            let run = lanes::test(|a: u64, b: u64| a == b).run;
            self.emit(Op::Compare { run, a: target, b: address, d: chosen, q: Some(left), combine });
            calls.push((chosen, name, callee));
        }
        self.guard = Condition { pred: left, negated: false };
        self.emit(Op::NoTarget { target });
        for (chosen, name, callee) in calls {
            self.guard = Condition { pred: chosen, negated: false };
            self.call_of(&name, &callee, arguments, returns)?;
        }
        Ok(())
    }

    /// Whether these operands of a call are as many and as wide as a function wants them.
    fn fits(&mut self, formals: &[Formal], operands: &[Operand]) -> Result<bool> {
        if formals.len() != operands.len() {
            return Ok(false);
        }
        for (formal, operand) in formals.iter().zip(operands) {
            let fits = match (*formal, operand) {
                (Formal::Frame(_, bytes), Operand::Symbol { name, .. }) => {
                    matches!(self.place(name)?, Place::Frame(_, size) if size == bytes)
                }
                (Formal::Register(..), Operand::Symbol { .. }) => false,
                (Formal::Register(_, wide), operand) => {
                    self.slot_of(operand)?.is_none_or(|slot| slot.wide() == wide)
                }
                _ => false,
            };
            if !fits {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn call_of(
        &mut self,
        name: &Name,
        callee: &Callee,
        arguments: &[Operand],
        returns: &[Operand],
    ) -> Result<()> {
        // Inside a region the call puts everything away, its guard too: lanes that do not call go around it.
        let recurses = self.frame.is_some() && self.members.contains(name);
        let guard = self.guard;
        let around = (recurses && guard.pred != TRUE).then(|| {
            let opcode = self.opcode.take();
            let reads = std::mem::take(&mut self.reads);
            self.guard = Condition { negated: !guard.negated, ..guard };
            let at = self.emit(Op::Branch { target: u32::MAX });
            (self.guard, self.opcode, self.reads) = (ALWAYS, opcode, reads);
            at
        });
        let frame = self.frame.filter(|_| !recurses);
        let mut moves = Vec::new();
        for (argument, formal) in arguments.iter().zip(&callee.params) {
            moves.push(match *formal {
                Formal::Register(to, wide) => {
                    let from = self.source(argument, if wide { Type::B64 } else { Type::B32 })?;
                    self.writes.push(Touch::Row(to));
                    Move::Row { from, to, wide }
                }
                Formal::Frame(to, bytes) => {
                    let from = self.frame_of(argument, bytes)?;
                    Move::Bytes { from, to, count: bytes, from_base: frame, to_base: None }
                }
            });
        }
        let (way_back, arguments) = (callee.way_back, moves.into());
        let at = self.emit(if recurses {
            Op::Recurse(Box::new(Recursion {
                target: u32::MAX,
                way_back,
                arguments,
                region: Region::default(),
            }))
        } else {
            Op::Call(Box::new(Call { target: u32::MAX, way_back, arguments }))
        });
        self.calls.push((at, name.clone()));
        self.recursions.extend(recurses.then_some(at));
        let mut moves = Vec::new();
        for (result, formal) in returns.iter().zip(&callee.returns) {
            moves.push(match *formal {
                Formal::Register(from, wide) => {
                    if !recurses {
                        self.reads.push(Touch::Row(from));
                    }
                    Move::Row { from, to: self.destination(result, wide)?, wide }
                }
                Formal::Frame(from, bytes) => {
                    let to = self.frame_of(result, bytes)?;
                    Move::Bytes { from, to, count: bytes, from_base: None, to_base: frame }
                }
            });
        }
        if recurses {
            let at =
                self.emit(Op::Unwind(Box::new(Unwind { results: moves.into(), region: Region::default() })));
            self.recursions.push(at);
            let next = self.program.code.len() as u32;
            if let Some(at) = around
                && let Op::Branch { target } = &mut self.program.code[at].op
            {
                *target = next;
            }
            self.guard = guard;
            return Ok(());
        }
        // Lanes that skipped the call meet the others here; the guard keeps their registers as they are.
        self.emit(Op::Results(moves.into()));
        Ok(())
    }

    /// Calls of what the emulator has itself.
    fn runtime(&mut self, name: &str, arguments: &[Operand], returns: &[Operand]) -> Result<()> {
        let mut places = Vec::new();
        for (argument, bytes) in arguments.iter().chain(returns).zip(match name {
            "vprintf" => &[8, 8, 4][..],
            _ => &[8, 8, 4, 8, 8],
        }) {
            let at = self.frame_of(argument, *bytes)? as i64;
            let base = self.frame.unwrap_or(self.integer(0, true));
            places.push(Address { base, wide: true, offset: at });
        }
        let op = match (name, &places[..], arguments.len()) {
            ("vprintf", [format, arguments, results @ ..], 2) => Op::Print(Box::new(Print {
                format: *format,
                arguments: *arguments,
                result: results.first().copied(),
            })),
            ("__assertfail", [message, file, line, function, _], 5) => Op::AssertFail(Box::new(AssertFail {
                message: *message,
                file: *file,
                line: *line,
                function: *function,
            })),
            _ => return invalid(format!("`{name}` takes other arguments or gives other results")),
        };
        self.emit(op);
        Ok(())
    }

    /// `alloca`, `stacksave`, `stackrestore` (§9.7.15).
    fn stack(&mut self, inst: &Instruction) -> Result<()> {
        let wide = match inst.ty(0) {
            Some(Type::U64 | Type::B64) => true,
            Some(Type::U32 | Type::B32) => false,
            _ => return Err(Fail::Unsupported),
        };
        let ty = if wide { Type::U64 } else { Type::U32 };
        let op = match (inst.op, &inst.operands[..]) {
            (Opcode::Stacksave, [d]) => StackOp::Save { d: self.destination(d, wide)?, wide },
            (Opcode::Stackrestore, [a]) => StackOp::Restore { a: self.source(a, ty)?, wide },
            (Opcode::Alloca, [d, size, rest @ ..]) if rest.len() < 2 => {
                let align = match rest {
                    [] => 8,
                    [Operand::Int(align @ (1 | 2 | 4 | 8 | 16 | 32 | 64 | 128))] => *align as u32,
                    _ => return invalid("an alignment that is a power of two up to 128 is needed"),
                };
                let size = self.source(size, ty)?;
                StackOp::Alloca { d: self.destination(d, wide)?, wide, size, align }
            }
            _ => return invalid("wrong number of operands"),
        };
        self.program.uses_stack = true;
        self.emit(Op::Stack(op));
        Ok(())
    }

    fn frame_of(&mut self, operand: &Operand, bytes: u32) -> Result<u32> {
        let Operand::Symbol { name, offset: 0, .. } = operand else {
            return invalid("an argument in .param space is needed");
        };
        match self.place(name)? {
            Place::Frame(at, size) if size >= bytes => Ok(at),
            Place::Frame(..) => invalid(format!("`{name}` is smaller than the parameter")),
            _ => invalid(format!("`{name}` is not in .param space")),
        }
    }
}
