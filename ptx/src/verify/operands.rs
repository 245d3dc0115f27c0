//! How many operands an instruction has and of what class: PTX ISA §9.4 ("Type Information") as tables.
//!
//! A register agrees with an instruction's type when their sizes are equal and the kinds are: `.bN` agrees
//! with everything of its size, integers do not agree with floats. Loads, stores and conversions take wider
//! registers (§9.4.1). Predicates agree with nothing else.

use crate::ast::{Instruction, Mod, Operand};
use crate::words::{Opcode, Type, Word};

/// What an operand's register must be.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Class {
    /// Nothing is known of it.
    Any,
    /// Agrees with this type.
    Of(Type),
    /// Agrees with it or is wider.
    Wide(Type),
    /// Of this size and no predicate.
    Bits(u32),
}

use Class::{Any, Bits, Of, Wide};

const PRED: Class = Of(Type::Pred);
const WORD: Class = Bits(32);

/// Which operand an instruction writes; all registers in it are written.
pub(super) fn writes(instruction: &Instruction) -> Option<usize> {
    use Opcode::*;
    let has = |word| instruction.has(word);
    let destination = match instruction.op {
        St | Red | Bra | Brx | Exit | Ret | Trap | Brkpt | Fence | Membar | Cp | Prefetch | Prefetchu
        | Stmatrix | Griddepcontrol | Setmaxnreg | Nanosleep | Pmevent | Discard | Applypriority
        | Tensormap | Stackrestore => false,
        Bar | Barrier => has(Word::Red),
        // `arrive` gives a state or nothing, the waits a predicate, `pending_count` a number.
        Mbarrier => {
            let gives = has(Word::Arrive)
                || has(Word::ArriveDrop)
                || has(Word::TestWait)
                || has(Word::TryWait)
                || has(Word::PendingCount);
            gives && !matches!(instruction.operands.first(), Some(Operand::Address { .. }))
        }
        Wgmma => has(Word::MmaAsync),
        Multimem => has(Word::LdReduce),
        Wmma => !has(Word::Store),
        Call => {
            matches!(instruction.operands.first(), Some(Operand::List(_)))
        }
        _ => true,
    };
    destination.then_some(0)
}

/// Least and most operands of the common opcodes.
fn operand_count(instruction: &Instruction) -> Option<(usize, usize)> {
    use Opcode::*;
    let has = |word| instruction.has(word);
    Some(match instruction.op {
        Ret | Exit | Trap | Brkpt | Membar | Griddepcontrol => (0, 0),
        Bra | Nanosleep | Setmaxnreg | Activemask => (1, 1),
        Abs | Neg | Not | Cnot | Mov | Cvta | Popc | Clz | Brev | Bfind | Rcp | Sqrt | Rsqrt | Sin | Cos
        | Lg2 | Ex2 | Tanh | Testp | Ldmatrix | Stmatrix | Movmatrix | Isspacep | Elect | Brx
        | Getctarank => (2, 2),
        Ld | Ldu | St | Red => (2, 3),
        Cvt => (2, 4),
        Add | Sub | Addc | Subc | Mul | Mul24 | Div | Rem | And | Or | Xor | Shl | Shr | Copysign | Bmsk
        | Mapa => (3, 3),
        Min | Max => (3, 4),
        Redux => (3, 3),
        Vote if has(Word::Sync) => (3, 3),
        Setp | Set => (3, 4),
        Atom => (3, 5),
        Mad | Mad24 | Madc | Fma | Sad | Selp | Slct | Bfe | Prmt | Shf | Dp4a | Dp2a => (4, 4),
        Bfi => (5, 5),
        Vadd2 | Vadd4 | Vsub2 | Vsub4 | Vavrg2 | Vavrg4 | Vabsdiff2 | Vabsdiff4 | Vmin2 | Vmin4 | Vmax2
        | Vmax4 | Vset2 | Vset4 | Vmad => (4, 4),
        Vadd | Vsub | Vabsdiff | Vmin | Vmax | Vshl | Vshr | Vset => (3, 4),
        Shfl if has(Word::Sync) => (5, 5),
        Lop3 => (5, 6),
        Mma if has(Word::Sp) || has(Word::SpOrderedMetadata) => (6, 6),
        Mma => (4, 4),
        Cp if has(Word::Bulk) || has(Word::Mbarrier) => return None,
        Cp if has(Word::CommitGroup) || has(Word::WaitAll) => (0, 0),
        Cp if has(Word::WaitGroup) => (1, 1),
        Cp => (3, 5),
        Wgmma if has(Word::MmaAsync) => return None,
        Wgmma if has(Word::WaitGroup) => (1, 1),
        Wgmma => (0, 0),
        _ => return None,
    })
}

/// The classes of the operands; the last one stands for all that follow. Empty where nothing is known.
fn classes(instruction: &Instruction) -> Vec<Class> {
    use Opcode::*;
    let has = |word| instruction.has(word);
    let Some(ty) = instruction.ty(0) else {
        return match instruction.op {
            Elect => vec![Any],
            _ => Vec::new(),
        };
    };
    let second = instruction.ty(1).unwrap_or(ty);
    match instruction.op {
        Mul | Mul24 if has(Word::Wide) => vec![Bits(ty.bits() * 2), Of(ty), Of(ty)],
        Mad | Mad24 if has(Word::Wide) => vec![Bits(ty.bits() * 2), Of(ty), Of(ty), Bits(ty.bits() * 2)],
        // Mixed precision, as in `fma.rn.f32.f16`.
        Add | Sub | Fma if instruction.ty(1).is_some() => vec![Of(ty), Any],
        Add | Sub | Addc | Subc | Mul | Mul24 | Mad | Mad24 | Madc | Sad | Div | Rem | Min | Max | Abs
        | Neg | And | Or | Xor | Not | Cnot | Fma | Rcp | Sqrt | Rsqrt | Sin | Cos | Lg2 | Ex2 | Tanh
        | Copysign | Brev | Cvta | Mov | Prmt => vec![Of(ty)],
        Shl | Shr => vec![Of(ty), Of(ty), WORD],
        Selp => vec![Of(ty), Of(ty), Of(ty), PRED],
        Slct => vec![Of(ty), Of(ty), Of(ty), Of(second)],
        Setp => vec![PRED, Of(ty), Of(ty), PRED],
        Set => vec![Of(ty), Of(second), Of(second), PRED],
        Testp => vec![PRED, Of(ty)],
        Isspacep => vec![PRED, Any],
        Popc | Clz | Bfind => vec![WORD, Of(ty)],
        Bfe => vec![Of(ty), Of(ty), WORD, WORD],
        Bfi => vec![Of(ty), Of(ty), Of(ty), WORD, WORD],
        Shf => vec![Of(ty), Of(ty), Of(ty), WORD],
        Cvt if has(Word::Pack) => Vec::new(),
        Cvt => vec![Wide(ty), Wide(second)],
        Ld | Ldu => vec![Wide(ty), Any],
        St => vec![Any, Wide(ty), Any],
        Atom if has(Word::Cas) => vec![Of(ty), Any, Of(ty), Of(ty), Any],
        Atom => vec![Of(ty), Any, Of(ty), Any],
        Shfl => vec![Of(ty), Of(ty), WORD],
        Lop3 => vec![Of(ty), Of(ty), Of(ty), Of(ty), Any, PRED],
        Red => vec![Any, Of(ty), Any],
        Vote if ty == Type::Pred => vec![PRED, PRED, WORD],
        Vote => vec![WORD, PRED, WORD],
        Redux => vec![Of(ty), Of(ty), WORD],
        Vadd | Vadd2 | Vadd4 | Vsub | Vsub2 | Vsub4 | Vavrg2 | Vavrg4 | Vabsdiff | Vabsdiff2 | Vabsdiff4
        | Vmin | Vmin2 | Vmin4 | Vmax | Vmax2 | Vmax4 | Vset | Vset2 | Vset4 | Vshl | Vshr | Vmad => {
            vec![WORD]
        }
        Activemask => vec![WORD],
        Ldmatrix => vec![WORD, Any],
        Stmatrix => vec![Any, WORD],
        Movmatrix => vec![WORD],
        _ => Vec::new(),
    }
}

/// How a register's declared type relates to a class; `None` where it agrees.
fn disagrees(class: Class, declared: Type) -> Option<String> {
    let kind = |ty: Type| match ty {
        Type::F16 | Type::F32 | Type::F64 => 'f',
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::S8 | Type::S16 | Type::S32 | Type::S64 => 'i',
        // Untyped bits, and packed and alternate formats, which live in registers of bits.
        _ => 'b',
    };
    let is_alternate = |ty: Type| {
        matches!(
            ty,
            Type::Bf16 | Type::Bf16x2 | Type::Tf32 | Type::E4m3 | Type::E5m2 | Type::E4m3x2 | Type::E5m2x2
        )
    };
    let agree = |ty: Type| {
        let (wanted, has) = (kind(ty), kind(declared));
        // Alternate formats live in registers of bits alone.
        if is_alternate(ty) { has == 'b' } else { wanted == 'b' || has == 'b' || wanted == has }
    };
    let (good, wanted) = match class {
        Any => return None,
        Of(Type::Pred) => (declared == Type::Pred, "a .pred register".to_string()),
        Of(ty) => (
            declared != Type::Pred && declared.bits() == ty.bits() && agree(ty),
            format!("a {}-bit register that agrees with .{ty}", ty.bits()),
        ),
        Wide(ty) => (
            (declared == Type::Pred) == (ty == Type::Pred) && declared.bits() >= ty.bits() && agree(ty),
            format!("a register of at least {} bits that agrees with .{ty}", ty.bits()),
        ),
        Bits(bits) => (declared != Type::Pred && declared.bits() == bits, format!("a {bits}-bit register")),
    };
    (!good).then_some(wanted)
}

/// Whether it is arithmetic, or a comparison, of 16-bit floats, one or two at a time.
fn computes_in_16_bits(instruction: &Instruction) -> bool {
    use Opcode::*;
    let is_half = |ty| matches!(ty, Type::F16 | Type::F16x2 | Type::Bf16 | Type::Bf16x2);
    matches!(instruction.op, Add | Sub | Mul | Fma | Min | Max | Abs | Neg | Setp | Set | Ex2 | Tanh)
        && instruction.ty(0).is_some_and(is_half)
        && instruction.ty(1).is_none_or(is_half)
}

/// What is wrong with an instruction's operands. `register` gives the declared type of a register.
pub(super) fn check(instruction: &Instruction, register: &dyn Fn(&str) -> Option<Type>) -> Vec<String> {
    let op = instruction.op;
    let mut problems = Vec::new();
    let given = instruction.operands.len();
    if let Some((least, most)) = operand_count(instruction)
        && !(least..=most).contains(&given)
    {
        let range = if least == most { least.to_string() } else { format!("{least} to {most}") };
        problems.push(format!("`{op}` takes {range} operands, and has {given}"));
        return problems;
    }
    let is_literal =
        |operand: &Operand| matches!(operand, Operand::Int(_) | Operand::F32(_) | Operand::F64(_));
    if computes_in_16_bits(instruction) && instruction.operands.iter().any(is_literal) {
        problems.push(format!("`{op}` over 16-bit floats takes registers, and no literals"));
    }
    let classes = classes(instruction);
    for (index, operand) in instruction.operands.iter().enumerate() {
        let Some(class) = classes.get(index).or(classes.last()).copied() else { break };
        let is_packing = op == Opcode::Mov && matches!(operand, Operand::Vector(_));
        if is_packing {
            problems.extend(packing(instruction, operand, register));
        } else {
            check_operand(instruction, operand, class, index, register, &mut problems);
        }
    }
    for operand in &instruction.operands {
        if let Operand::Address { base, .. } = operand {
            check_base(instruction, base, register, &mut problems);
        }
    }
    problems.extend(fragments(instruction));
    problems
}

fn check_operand(
    instruction: &Instruction,
    operand: &Operand,
    class: Class,
    index: usize,
    register: &dyn Fn(&str) -> Option<Type>,
    problems: &mut Vec<String>,
) {
    match operand {
        Operand::Register(name, _) | Operand::Lanes(name, _) => {
            if let Some(declared) = register(name)
                && let Some(wanted) = disagrees(class, declared)
            {
                let op = instruction.op;
                problems.push(format!(
                    "operand {} of `{op}`, `{name}`, is .{declared}: it takes {wanted}",
                    index + 1
                ));
            }
        }
        Operand::Not(inner) | Operand::Negate(inner) => {
            check_operand(instruction, inner, class, index, register, problems);
        }
        Operand::Vector(items) => {
            for item in items {
                check_operand(instruction, item, class, index, register, problems);
            }
        }
        // `setp` writes two predicates, `shfl` and `lop3` a value and a predicate.
        Operand::Pair(first, second) => {
            check_operand(instruction, first, class, index, register, problems);
            check_operand(instruction, second, PRED, index, register, problems);
        }
        _ => {}
    }
}

/// `mov.b64 {%lo, %hi}, %r`: the parts are as wide as the whole.
fn packing(
    instruction: &Instruction,
    operand: &Operand,
    register: &dyn Fn(&str) -> Option<Type>,
) -> Option<String> {
    let (Operand::Vector(items), Some(ty)) = (operand, instruction.ty(0)) else { return None };
    let mut bits = 0;
    for item in items {
        // Constants and sinks are as wide as they need to be.
        let Operand::Register(name, _) = item else { return None };
        bits += register(name)?.bits();
    }
    (bits != ty.bits() && instruction.mods.len() == 1).then(|| {
        format!("`mov.{ty}` packs {bits} bits into {}: the parts must be as wide as the whole", ty.bits())
    })
}

/// An address stands in a register of bits or integers.
fn check_base(
    instruction: &Instruction,
    base: &Operand,
    register: &dyn Fn(&str) -> Option<Type>,
    problems: &mut Vec<String>,
) {
    if let Operand::Register(name, _) = base
        && let Some(declared) = register(name)
        && (declared == Type::Pred || declared.is_float())
    {
        let op = instruction.op;
        problems.push(format!(
            "`{op}` takes an address from `{name}`, a .{declared}: it takes an integer register"
        ));
    }
}

/// The registers that each lane holds of the matrices of a product, and of what `ldmatrix` moves.
fn fragments(instruction: &Instruction) -> Option<String> {
    let has = |word| instruction.has(word);
    let length = |index: usize| match instruction.operands.get(index) {
        Some(Operand::Vector(items)) => Some(items.len()),
        Some(Operand::Register(..)) => Some(1),
        _ => None,
    };
    let shape = instruction.mods.iter().find_map(|m| match m {
        Mod::Shape { m, n, k } => Some((u32::from(*m), u32::from(*n), u32::from(*k))),
        _ => None,
    });
    let expect = |what: &str, index: usize, expected: u32| {
        let given = length(index)?;
        (given as u32 != expected).then(|| {
            format!(
                "`{}` takes {expected} registers as {what} (operand {}), and has {given}",
                instruction.op,
                index + 1
            )
        })
    };
    // Registers per lane of a matrix of `elements`, spread over `lanes`.
    let registers = |elements: u32, ty: Type, lanes: u32| {
        let per_register = if ty.bits() == 64 { 64 } else { 32 };
        elements * ty.bits() / (lanes * per_register)
    };
    match instruction.op {
        Opcode::Ldmatrix | Opcode::Stmatrix if has(Word::M8n8) => {
            let count = if has(Word::X4) {
                4
            } else if has(Word::X2) {
                2
            } else {
                1
            };
            expect("the matrices", usize::from(instruction.op == Opcode::Stmatrix), count)
        }
        Opcode::Mma if !has(Word::Sp) && !has(Word::SpOrderedMetadata) => {
            let ((m, n, k), d, a, b, c) =
                (shape?, instruction.ty(0)?, instruction.ty(1)?, instruction.ty(2)?, instruction.ty(3)?);
            // m8n8k4 of f16 is four products at once, each of a quarter of the warp.
            let lanes = if (m, n, k) == (8, 8, 4) && a == Type::F16 { 8 } else { 32 };
            expect("D", 0, registers(m * n, d, lanes))
                .or_else(|| expect("A", 1, registers(m * k, a, lanes)))
                .or_else(|| expect("B", 2, registers(n * k, b, lanes)))
                .or_else(|| expect("C", 3, registers(m * n, c, lanes)))
        }
        Opcode::Wgmma if has(Word::MmaAsync) && !has(Word::Sp) => {
            let ((m, n, k), d, a) = (shape?, instruction.ty(0)?, instruction.ty(1)?);
            let a_in_registers = matches!(instruction.operands.get(1), Some(Operand::Vector(_)));
            expect("D", 0, registers(m * n, d, 128))
                .or_else(|| if a_in_registers { expect("A", 1, registers(m * k, a, 128)) } else { None })
        }
        _ => None,
    }
}
