//! Branches, calls and ends.

use super::function::{Formal, callee_name};
use super::{Decoder, Fail, Place, Result, invalid};
use crate::program::{Call, Move, Op, TRUE};
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
        let Some(name) = callee_name(&inst.operands) else { return Err(Fail::Unsupported) };
        let Some(callee) = self.table.callees.get(name).cloned() else {
            return invalid(format!("`{name}` is not a function of this module"));
        };
        let (returns, rest) = match &inst.operands[..] {
            [Operand::List(returns), _, rest @ ..] => (&returns[..], rest),
            [_, rest @ ..] => (&[][..], rest),
            [] => return Err(Fail::Unsupported),
        };
        let arguments = match rest {
            [Operand::List(arguments)] => &arguments[..],
            [] => &[],
            _ => return Err(Fail::Unsupported),
        };
        if arguments.len() != callee.params.len() || returns.len() != callee.returns.len() {
            return invalid(format!("`{name}` takes other arguments or gives other results"));
        }
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
        // Lanes that skipped the call meet the others here, and their registers must not change.
        debug_assert!(self.guard.pred == TRUE || inst.guard.is_some());
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
