//! Branches, calls and ends.

use super::function::{Callee, Formal};
use super::{Decoder, Fail, Place, Result, invalid};
use crate::alu::lanes;
use crate::program::{Call, Condition, Logic, Move, Op, TRUE, Touch};
use flashpage_ptx::ast::{Instruction, Operand};
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
                let op = match self.way_back {
                    None => Op::Exit,
                    Some(way_back) => Op::Return { way_back },
                };
                self.emit(op);
                Ok(())
            }
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
                    if let Some(address) = self.addresses.get(name) {
                        // Only a call through a register can have led here; see `callees_first`.
                        let target = self.integer(address, true);
                        self.emit(Op::NoTarget { target });
                        return Ok(());
                    }
                    return invalid(format!("`{name}` is not a function of this module"));
                };
                if arguments.len() != callee.params.len() || returns.len() != callee.returns.len() {
                    return invalid(format!("`{name}` takes other arguments or gives other results"));
                }
                self.call_of(&callee, arguments, returns)
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
        for name in self.addresses.taken() {
            // Of functions that are not finished, only this one is known already: it cannot call itself.
            if let Some(callee) = self.table.callees.get(name).cloned()
                && self.way_back != Some(callee.way_back)
                && self.fits(&callee.params, arguments)?
                && self.fits(&callee.returns, returns)?
            {
                candidates.push((self.addresses.get(name).unwrap_or_default(), callee));
            }
        }
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
        for (address, callee) in candidates {
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
            calls.push((chosen, callee));
        }
        self.guard = Condition { pred: left, negated: false };
        self.emit(Op::NoTarget { target });
        for (chosen, callee) in calls {
            self.guard = Condition { pred: chosen, negated: false };
            self.call_of(&callee, arguments, returns)?;
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

    fn call_of(&mut self, callee: &Callee, arguments: &[Operand], returns: &[Operand]) -> Result<()> {
        let mut moves = Vec::new();
        for (argument, formal) in arguments.iter().zip(&callee.params) {
            moves.push(match *formal {
                Formal::Register(to, wide) => {
                    let from = self.source(argument, if wide { Type::B64 } else { Type::B32 })?;
                    Move::Row { from, to, wide }
                }
                Formal::Frame(to, bytes) => {
                    let from = self.frame_of(argument, bytes)?;
                    Move::Bytes { from, to, count: bytes }
                }
            });
        }
        let call = Call { target: callee.start, way_back: callee.way_back, arguments: moves.into() };
        self.emit(Op::Call(Box::new(call)));
        let mut moves = Vec::new();
        for (result, formal) in returns.iter().zip(&callee.returns) {
            moves.push(match *formal {
                Formal::Register(from, wide) => Move::Row { from, to: self.destination(result, wide)?, wide },
                Formal::Frame(from, bytes) => {
                    let to = self.frame_of(result, bytes)?;
                    Move::Bytes { from, to, count: bytes }
                }
            });
        }
        // Lanes that skipped the call meet the others here; the guard keeps their registers as they are.
        self.emit(Op::Results(moves.into()));
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
