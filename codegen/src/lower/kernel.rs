//! What every lowering is made of: the entry in the making, and its parameters.

use crate::abi::{AbiType, Divisor, Meaning, TENSOR_MAP_ALIGN, TENSOR_MAP_BYTES, abi};
use crate::analysis::attention::Attention;
use crate::plan::attention::Form;
use crate::program::{DType, Program};
use crate::schedule::Schedule;
use crate::spec::Spec;
use flashpage_ptx::ast::{Function, Instruction, Operand, Statement};
use flashpage_ptx::builder::{Builder, Reg};
use flashpage_ptx::division::ReciprocalRegs;
use flashpage_ptx::words::{Opcode, Space, Type};
use std::collections::HashSet;

/// What every part of the lowering needs.
pub(super) struct Kernel<'a> {
    pub b: Builder,
    pub program: &'a Program,
    pub attention: &'a Attention,
    pub schedule: &'a Schedule,
    pub spec: &'a Spec,
    pub form: Form,
    pub params: Vec<(Meaning, Reg)>,
}

impl<'a> Kernel<'a> {
    /// An entry without parameters or statements.
    pub(super) fn new(
        entry: &str,
        program: &'a Program,
        attention: &'a Attention,
        schedule: &'a Schedule,
        (spec, form): (&'a Spec, Form),
    ) -> Kernel<'a> {
        Kernel { b: Builder::entry(entry), program, attention, schedule, spec, form, params: Vec::new() }
    }

    /// The finished entry, without the loads of parameters that nothing reads.
    pub(super) fn finish(self) -> Function {
        let mut function = self.b.finish();
        drop_unread_parameters(&mut function, &self.params);
        function
    }

    /// Declares the entry's parameters and loads those that are numbers.
    pub(super) fn parameters(&mut self) {
        self.b.directive("maxntid", &[self.schedule.threads() as u32, 1, 1]);
        self.b.directive("minnctapersm", &[self.schedule.blocks_per_sm]);
        self.b.comment("parameters");
        for arg in abi(self.program, self.schedule, self.form) {
            let ty = match arg.ty {
                AbiType::U64 => Type::U64,
                AbiType::U32 => Type::U32,
                AbiType::I32 => Type::S32,
                AbiType::F32 => Type::F32,
                AbiType::TensorMap => {
                    self.b.param_bytes(&arg.name, TENSOR_MAP_BYTES, TENSOR_MAP_ALIGN);
                    let map = self.b.param_address(arg.name.as_str(), &arg.name);
                    self.params.push((arg.meaning, map));
                    continue;
                }
            };
            self.b.param(ty, &arg.name);
            let reg = self.b.ld_param(ty, arg.name.as_str(), &arg.name);
            self.params.push((arg.meaning, reg));
        }
    }

    /// The register that holds a parameter. Every meaning that a lowering asks for is in the ABI of a
    /// recognised program.
    pub(super) fn param(&self, meaning: Meaning) -> Reg {
        let found = self.params.iter().find(|(m, _)| *m == meaning);
        found.map(|(_, reg)| reg.clone()).expect("a recognised program's ABI has every stride and pointer")
    }

    /// What divides by a number that only the host knows.
    pub(super) fn reciprocal(&self, divisor: Divisor) -> ReciprocalRegs {
        let multiplier = self.param(Meaning::Multiplier(divisor));
        ReciprocalRegs { multiplier, shift: self.param(Meaning::Shift(divisor)) }
    }

    /// The addresses of all tensor maps.
    pub(super) fn maps(&self) -> Vec<Reg> {
        let is_map = |(meaning, _): &&(Meaning, Reg)| matches!(meaning, Meaning::TensorMap(..));
        self.params.iter().filter(is_map).map(|(_, map)| map.clone()).collect()
    }

    /// The type of two packed elements of a product's factors, for conversions.
    pub(super) fn packed(&self) -> Type {
        packed(self.spec.dtype)
    }

    /// The type of two packed elements of an output of 16 bits, for conversions.
    pub(super) fn packed_output(&self) -> Type {
        packed(self.spec.output)
    }

    /// Row blocks of 16 that a warp owns.
    pub(super) fn row_blocks(&self) -> usize {
        self.schedule.rows_per_warp() / 16
    }
}

fn packed(dtype: DType) -> Type {
    if dtype == DType::Bf16 { Type::Bf16x2 } else { Type::F16x2 }
}

/// Removes the loads of parameters that nothing reads, so that the text shows what the kernel uses.
fn drop_unread_parameters(function: &mut Function, params: &[(Meaning, Reg)]) {
    let Some(body) = &mut function.body else { return };
    let mut unread: HashSet<&str> = params.iter().map(|(_, reg)| reg.name()).collect();
    // `ld.param`, and `mov` and `cvta.param` of a parameter's address.
    let is_param_load = |i: &Instruction| {
        i.space() == Some(Space::Param)
            || (i.op == Opcode::Mov && matches!(i.operands.get(1), Some(Operand::Symbol { .. })))
    };
    for statement in body.iter() {
        if let Statement::Instruction(instruction) = statement
            && !is_param_load(instruction)
        {
            instruction.operands.iter().for_each(|operand| {
                each_register(operand, &mut |name| {
                    unread.remove(name);
                })
            });
        }
    }
    body.retain(|statement| match statement {
        Statement::Instruction(Instruction { operands, .. }) if !unread.is_empty() => {
            !matches!(&operands[..], [Operand::Register(name, _), ..] if unread.contains(&**name))
        }
        _ => true,
    });
}

fn each_register(operand: &Operand, visit: &mut impl FnMut(&str)) {
    match operand {
        Operand::Register(name, _) => visit(name),
        Operand::Address { base, .. } => each_register(base, visit),
        Operand::Vector(items) | Operand::AddressList(items) | Operand::List(items) => {
            items.iter().for_each(|item| each_register(item, visit));
        }
        Operand::Pair(a, b) => {
            each_register(a, visit);
            each_register(b, visit);
        }
        Operand::Not(inner) | Operand::Negate(inner) => each_register(inner, visit),
        _ => {}
    }
}
