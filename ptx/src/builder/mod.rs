//! Building an entry function instruction by instruction.
//!
//! Registers are typed values that belong to a *named group*: `b.reg(F32, "acc")` gives `%acc0`, `%acc1`, …,
//! so that the printed kernel can be read. Every instruction method takes its destination first, either a
//! group name (a fresh register) or a register that exists, and returns it.

mod barriers;
mod copies;
mod products;

pub use products::WgmmaFactor;

use crate::ast::*;
use crate::words::{Opcode, Space, Special, Type, Word};
use hashbrown::HashMap;
use std::sync::Arc;

/// A register with its type. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Reg {
    name: Name,
    ty: Type,
}

impl Reg {
    /// The type it was declared with.
    pub fn ty(&self) -> Type {
        self.ty
    }

    /// Its name, with the `%`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl From<&Reg> for Operand {
    fn from(reg: &Reg) -> Operand {
        Operand::Register(reg.name.clone(), None)
    }
}

macro_rules! operand_from_int {
    ($($int:ty),*) => { $(impl From<$int> for Operand {
        fn from(value: $int) -> Operand { Operand::Int(value as i64) }
    })* };
}
operand_from_int!(i32, u32, i64, usize);

impl From<f32> for Operand {
    fn from(value: f32) -> Operand {
        Operand::F32(value.to_bits())
    }
}

/// Where a result goes: a fresh register of a named group, or a register that exists.
pub trait Destination {
    /// The register itself.
    fn register(self, builder: &mut Builder, ty: Type) -> Reg;
}

impl Destination for &str {
    fn register(self, builder: &mut Builder, ty: Type) -> Reg {
        builder.reg(ty, self)
    }
}

impl Destination for &Reg {
    fn register(self, _: &mut Builder, ty: Type) -> Reg {
        debug_assert_eq!(self.ty.bits(), ty.bits(), "{} is .{}, written as .{ty}", self.name, self.ty);
        self.clone()
    }
}

/// An entry function in the making.
pub struct Builder {
    name: Name,
    params: Vec<Variable>,
    directives: Vec<(String, Vec<u32>)>,
    /// Name, type and number of registers of each group.
    groups: Vec<(String, Type, u32)>,
    /// Groups by the name that was asked for.
    by_group: HashMap<String, Vec<(Type, usize)>>,
    statements: Vec<Statement>,
    guard: Option<Guard>,
    labels: u32,
}

impl Builder {
    /// An entry called `name` without parameters.
    pub fn entry(name: &str) -> Self {
        Builder {
            name: name.into(),
            params: Vec::new(),
            directives: Vec::new(),
            groups: Vec::new(),
            by_group: HashMap::new(),
            statements: Vec::new(),
            guard: None,
            labels: 0,
        }
    }

    /// Adds a scalar parameter.
    pub fn param(&mut self, ty: Type, name: &str) {
        self.params.push(Variable {
            linkage: Linkage::None,
            space: Space::Param,
            align: None,
            ty,
            vector: None,
            pointer: None,
            name: name.into(),
            dims: Vec::new(),
            init: None,
            line: 0,
        });
    }

    /// Adds a parameter of so many bytes: `.param .align N .b8 name[bytes]`.
    pub fn param_bytes(&mut self, name: &str, bytes: u32, align: u32) {
        self.param(Type::B8, name);
        if let Some(param) = self.params.last_mut() {
            param.align = Some(align);
            param.dims = vec![Some(u64::from(bytes))];
        }
    }

    /// Adds a performance directive, e.g. `reqntid 128`.
    pub fn directive(&mut self, word: &str, numbers: &[u32]) {
        self.directives.push((word.to_owned(), numbers.to_vec()));
    }

    /// The finished function: register declarations first, then the statements.
    pub fn finish(self) -> Function {
        let declare = |(name, ty, count): (String, Type, u32)| {
            Statement::Registers(RegisterDeclaration {
                ty,
                vector: None,
                name: format!("%{name}").into(),
                count: Some(count),
                line: 0,
            })
        };
        let mut body: Vec<Statement> = self.groups.into_iter().map(declare).collect();
        body.extend(self.statements);
        Function {
            linkage: Linkage::Visible,
            is_entry: true,
            name: self.name,
            returns: Vec::new(),
            params: self.params,
            directives: self.directives,
            body: Some(body),
            line: 0,
        }
    }

    /// A fresh register of group `group`. Integers are declared untyped (`.b32`, `.b64`); a group that exists
    /// with another kind of register is told apart by its type.
    pub fn reg(&mut self, ty: Type, group: &str) -> Reg {
        let ty = untyped(ty);
        let known = self.by_group.get(group).and_then(|list| list.iter().find(|(t, _)| *t == ty));
        let index = match known {
            Some((_, index)) => *index,
            None => self.new_group(ty, group),
        };
        let (name, _, count) = &mut self.groups[index];
        let reg = Reg { name: format!("%{name}{count}").into(), ty };
        *count += 1;
        reg
    }

    fn new_group(&mut self, ty: Type, group: &str) -> usize {
        // A group name that ends in a digit would run into the register's number.
        let mut name = group.to_owned();
        if name.ends_with(|c: char| c.is_ascii_digit()) {
            name.push('_');
        }
        if self.groups.iter().any(|(n, _, _)| *n == name) {
            name = format!("{name}_{ty}_");
        }
        while self.groups.iter().any(|(n, _, _)| *n == name) {
            name.push('_');
        }
        self.groups.push((name, ty, 0));
        let index = self.groups.len() - 1;
        self.by_group.entry(group.to_owned()).or_default().push((ty, index));
        index
    }

    /// A comment line.
    pub fn comment(&mut self, text: impl Into<String>) {
        self.statements.push(Statement::Comment(text.into()));
    }

    /// An empty line and a comment line: the start of a stage.
    pub fn stage(&mut self, text: impl Into<String>) {
        self.comment("");
        self.comment(text);
    }

    /// A label that does not exist yet, to be placed with [`Builder::place`].
    pub fn label(&mut self, hint: &str) -> Name {
        self.labels += 1;
        Arc::from(format!("${hint}_{}", self.labels))
    }

    /// Puts a label here.
    pub fn place(&mut self, label: &Name) {
        self.statements.push(Statement::Label(label.clone(), 0));
    }

    /// Asks the assembler not to unroll the loop that begins at the label just put here.
    pub fn do_not_unroll(&mut self) {
        self.statements.push(Statement::Pragma("nounroll"));
    }

    /// Everything `body` emits is guarded by `predicate` (`@p`), or by its opposite (`@!p`) if `negated`.
    pub fn guarded(&mut self, predicate: &Reg, negated: bool, body: impl FnOnce(&mut Self)) {
        debug_assert!(self.guard.is_none(), "guards do not nest");
        self.guard = Some(Guard { predicate: predicate.name.clone(), negated });
        body(self);
        self.guard = None;
    }

    /// Sets or lifts the guard of what follows, where a closure over the builder alone is too narrow.
    pub fn set_guard(&mut self, predicate: Option<&Reg>) {
        self.guard = predicate.map(|p| Guard { predicate: p.name.clone(), negated: false });
    }

    /// Any instruction.
    pub fn emit(&mut self, op: Opcode, mods: &[Mod], operands: Vec<Operand>) {
        self.statements.push(Statement::Instruction(Instruction {
            guard: self.guard.clone(),
            op,
            mods: mods.to_vec(),
            operands,
            line: 0,
        }));
    }

    /// `op.mods d, operands…`: the common form with one destination of type `ty`.
    pub fn op(&mut self, op: Opcode, mods: &[Mod], ty: Type, d: impl Destination, from: Vec<Operand>) -> Reg {
        let d = d.register(self, ty);
        let mut operands = vec![Operand::from(&d)];
        operands.extend(from);
        self.emit(op, mods, operands);
        d
    }
}

/// The type that a register of `ty` is declared with.
fn untyped(ty: Type) -> Type {
    match ty {
        Type::U16 | Type::S16 => Type::B16,
        Type::U32 | Type::S32 => Type::B32,
        Type::U64 | Type::S64 => Type::B64,
        other => other,
    }
}

/// Shorthand for a word modifier.
pub const fn word(word: Word) -> Mod {
    Mod::Word(word)
}

/// Shorthand for a type modifier.
pub const fn ty(ty: Type) -> Mod {
    Mod::Ty(ty)
}

/// Shorthand for a state-space modifier.
pub const fn space(space: Space) -> Mod {
    Mod::Space(space)
}

/// `[base+offset]`
pub fn address(base: &Reg, offset: i64) -> Operand {
    Operand::Address { base: Box::new(base.into()), offset }
}

/// `{a, b, …}`
pub fn vector(regs: &[&Reg]) -> Operand {
    Operand::Vector(regs.iter().map(|reg| Operand::from(*reg)).collect())
}

/// Declares methods `fn name(&mut self, ty, d, a, b)` for two-operand instructions that carry only a type.
macro_rules! binary {
    ($($(#[$meta:meta])* $name:ident = $op:ident $([$($word:ident),*])?;)*) => { impl Builder { $(
        $(#[$meta])*
        pub fn $name(
            &mut self, t: Type, d: impl Destination, a: impl Into<Operand>, b: impl Into<Operand>,
        ) -> Reg {
            self.op(Opcode::$op, &[$($(word(Word::$word),)*)? ty(t)], t, d, vec![a.into(), b.into()])
        }
    )* } };
}

binary! {
    /// `add`
    add = Add;
    /// `sub`
    sub = Sub;
    /// `mul.lo`
    mul_lo = Mul [Lo];
    /// `mul` of floats
    mul = Mul;
    /// `min`
    min = Min;
    /// `max`
    max = Max;
    /// `and`
    and = And;
    /// `or`
    or = Or;
    /// `xor`
    xor = Xor;
    /// `shl`
    shl = Shl;
    /// `shr`
    shr = Shr;
}

impl Builder {
    /// `mov`
    pub fn mov(&mut self, t: Type, d: impl Destination, a: impl Into<Operand>) -> Reg {
        self.op(Opcode::Mov, &[ty(t)], t, d, vec![a.into()])
    }

    /// `mov.u32 d, %special.axis`
    pub fn special(&mut self, d: impl Destination, special: Special, axis: Option<Axis>) -> Reg {
        self.op(Opcode::Mov, &[ty(Type::U32)], Type::U32, d, vec![Operand::Special(special, axis)])
    }

    /// `mov.b64 d, name; cvta.param.u64 d, d`: the generic address of a parameter.
    pub fn param_address(&mut self, d: impl Destination, name: &str) -> Reg {
        let symbol = Operand::Symbol { name: name.into(), offset: 0, generic: false };
        let d = self.op(Opcode::Mov, &[ty(Type::B64)], Type::B64, d, vec![symbol]);
        self.op(Opcode::Cvta, &[space(Space::Param), ty(Type::U64)], Type::U64, &d, vec![(&d).into()])
    }

    /// `mov.u32 d, symbol`: a shared variable's address.
    pub fn shared_address(&mut self, d: impl Destination, symbol: &str) -> Reg {
        let symbol = Operand::Symbol { name: symbol.into(), offset: 0, generic: false };
        self.op(Opcode::Mov, &[ty(Type::U32)], Type::U32, d, vec![symbol])
    }

    /// `neg`
    pub fn neg(&mut self, t: Type, d: impl Destination, a: impl Into<Operand>) -> Reg {
        self.op(Opcode::Neg, &[ty(t)], t, d, vec![a.into()])
    }

    /// `mad.lo d, a, b, c`
    pub fn mad_lo(
        &mut self,
        t: Type,
        d: impl Destination,
        a: impl Into<Operand>,
        b: impl Into<Operand>,
        c: impl Into<Operand>,
    ) -> Reg {
        let from = vec![a.into(), b.into(), c.into()];
        self.op(Opcode::Mad, &[word(Word::Lo), ty(t)], t, d, from)
    }

    /// `mad.wide.u32 d, a, b, c`: 64-bit `c` plus the product of 32-bit `a` and `b`.
    pub fn mad_wide(
        &mut self,
        d: impl Destination,
        a: impl Into<Operand>,
        b: impl Into<Operand>,
        c: impl Into<Operand>,
    ) -> Reg {
        let mods = [word(Word::Wide), ty(Type::U32)];
        self.op(Opcode::Mad, &mods, Type::U64, d, vec![a.into(), b.into(), c.into()])
    }

    /// `mad.wide.s32 d, a, b, c`: the same of signed numbers.
    pub fn mad_wide_signed(
        &mut self,
        d: impl Destination,
        a: impl Into<Operand>,
        b: impl Into<Operand>,
        c: impl Into<Operand>,
    ) -> Reg {
        let mods = [word(Word::Wide), ty(Type::S32)];
        self.op(Opcode::Mad, &mods, Type::U64, d, vec![a.into(), b.into(), c.into()])
    }

    /// `cvt.to.from`, with rounding or saturation words in front.
    pub fn cvt(
        &mut self,
        words: &[Word],
        to: Type,
        from: Type,
        d: impl Destination,
        a: impl Into<Operand>,
    ) -> Reg {
        let mut mods: Vec<Mod> = words.iter().map(|w| word(*w)).collect();
        mods.extend([ty(to), ty(from)]);
        self.op(Opcode::Cvt, &mods, to, d, vec![a.into()])
    }

    /// `cvt.rn.PACKED.f32 d, high, low`: two floats rounded into one 32-bit register.
    pub fn pack(&mut self, packed: Type, d: impl Destination, high: &Reg, low: &Reg) -> Reg {
        let mods = [word(Word::Rn), ty(packed), ty(Type::F32)];
        self.op(Opcode::Cvt, &mods, Type::B32, d, vec![high.into(), low.into()])
    }

    /// Four numbers as e4m3, the first in the lowest byte: `cvt.rn.satfinite.e4m3x2.f32` twice. What is above 448 becomes it.
    pub fn pack_e4m3(&mut self, d: impl Destination, numbers: [&Reg; 4]) -> Reg {
        let mods = [word(Word::Rn), word(Word::Satfinite), ty(Type::E4m3x2), ty(Type::F32)];
        let [low, high] = [&numbers[..2], &numbers[2..]]
            .map(|pair| self.op(Opcode::Cvt, &mods, Type::B16, "h", vec![pair[1].into(), pair[0].into()]));
        self.op(Opcode::Mov, &[ty(Type::B32)], Type::B32, d, vec![vector(&[&low, &high])])
    }

    /// `prmt.b32 d, a, b, selector`: four of the eight bytes of `a` and `b`.
    pub fn prmt(&mut self, d: impl Destination, a: &Reg, b: &Reg, selector: impl Into<Operand>) -> Reg {
        self.op(Opcode::Prmt, &[ty(Type::B32)], Type::B32, d, vec![a.into(), b.into(), selector.into()])
    }

    /// `fma.rn.f32`
    pub fn fma(
        &mut self,
        d: impl Destination,
        a: impl Into<Operand>,
        b: impl Into<Operand>,
        c: impl Into<Operand>,
    ) -> Reg {
        let mods = [word(Word::Rn), ty(Type::F32)];
        self.op(Opcode::Fma, &mods, Type::F32, d, vec![a.into(), b.into(), c.into()])
    }

    /// `ex2.approx.ftz.f32`, `lg2`, `rcp`, `sqrt`, …: the approximate unary functions.
    pub fn approx(&mut self, op: Opcode, d: impl Destination, a: impl Into<Operand>) -> Reg {
        let mods = [word(Word::Approx), word(Word::Ftz), ty(Type::F32)];
        self.op(op, &mods, Type::F32, d, vec![a.into()])
    }

    /// `setp.CMP.ty p, a, b`
    pub fn setp(
        &mut self,
        compare: Word,
        t: Type,
        d: impl Destination,
        a: impl Into<Operand>,
        b: impl Into<Operand>,
    ) -> Reg {
        self.op(Opcode::Setp, &[word(compare), ty(t)], Type::Pred, d, vec![a.into(), b.into()])
    }

    /// `setp.CMP.and.ty p, a, b, q`
    pub fn setp_and(
        &mut self,
        compare: Word,
        t: Type,
        d: impl Destination,
        a: impl Into<Operand>,
        b: impl Into<Operand>,
        q: &Reg,
    ) -> Reg {
        let mods = [word(compare), word(Word::And), ty(t)];
        self.op(Opcode::Setp, &mods, Type::Pred, d, vec![a.into(), b.into(), q.into()])
    }

    /// `selp d, a, b, p`: `a` where `p` holds.
    pub fn selp(
        &mut self,
        t: Type,
        d: impl Destination,
        a: impl Into<Operand>,
        b: impl Into<Operand>,
        p: &Reg,
    ) -> Reg {
        self.op(Opcode::Selp, &[ty(t)], t, d, vec![a.into(), b.into(), p.into()])
    }

    /// `shfl.sync.MODE.b32 d, a, lane, clamp, all lanes`
    pub fn shfl(
        &mut self,
        mode: Word,
        t: Type,
        d: impl Destination,
        a: impl Into<Operand>,
        lane: impl Into<Operand>,
    ) -> Reg {
        let mods = [word(Word::Sync), word(mode), ty(Type::B32)];
        let from = vec![a.into(), lane.into(), Operand::Int(31), Operand::Int(-1)];
        self.op(Opcode::Shfl, &mods, t, d, from)
    }

    /// `shfl.sync.idx.b32 d, a, lane, segments of `width` lanes, all lanes`: from that lane of the segment that asks.
    pub fn shfl_in_segment(
        &mut self,
        t: Type,
        d: impl Destination,
        a: impl Into<Operand>,
        (lane, width): (usize, usize),
    ) -> Reg {
        // The mask of bits that tell segments apart, and the last lane.
        let segments = (32 - width as i64) << 8 | 31;
        let mods = [word(Word::Sync), word(Word::Idx), ty(Type::B32)];
        let from = vec![a.into(), lane.into(), Operand::Int(segments), Operand::Int(-1)];
        self.op(Opcode::Shfl, &mods, t, d, from)
    }

    /// `ld.param.ty d, [name]`
    pub fn ld_param(&mut self, t: Type, d: impl Destination, name: &str) -> Reg {
        let base = Box::new(Operand::Symbol { name: name.into(), offset: 0, generic: false });
        let from = vec![Operand::Address { base, offset: 0 }];
        self.op(Opcode::Ld, &[space(Space::Param), ty(t)], t, d, from)
    }

    /// `ld.global.nc.ty d, [base+offset]`: memory that nobody writes while the kernel runs.
    pub fn ld_constant(&mut self, t: Type, d: impl Destination, base: &Reg, offset: i64) -> Reg {
        let mods = [space(Space::Global), word(Word::Nc), ty(t)];
        self.op(Opcode::Ld, &mods, t, d, vec![address(base, offset)])
    }

    /// `bra label`; uniform when no guard is set.
    pub fn bra(&mut self, label: &Name) {
        let target = Operand::Symbol { name: label.clone(), offset: 0, generic: false };
        let mods: &[Mod] = if self.guard.is_none() { &[Mod::Word(Word::Uni)] } else { &[] };
        self.emit(Opcode::Bra, mods, vec![target]);
    }

    /// `bar.sync id`
    pub fn bar_sync(&mut self, id: u32) {
        self.emit(Opcode::Bar, &[word(Word::Sync)], vec![id.into()]);
    }

    /// `bar.warp.sync` of all lanes
    pub fn bar_warp_sync(&mut self) {
        self.emit(Opcode::Bar, &[word(Word::Warp), word(Word::Sync)], vec![Operand::Int(-1)]);
    }

    /// `griddepcontrol.wait`: until all prerequisite grids have ended, and what they wrote is visible.
    pub fn griddepcontrol_wait(&mut self) {
        self.emit(Opcode::Griddepcontrol, &[word(Word::Wait)], vec![]);
    }

    /// `griddepcontrol.launch_dependents`: dependent grids may begin once every block has come here or has ended.
    pub fn griddepcontrol_launch_dependents(&mut self) {
        self.emit(Opcode::Griddepcontrol, &[word(Word::LaunchDependents)], vec![]);
    }

    /// `ret`
    pub fn ret(&mut self) {
        self.emit(Opcode::Ret, &[], vec![]);
    }
}
