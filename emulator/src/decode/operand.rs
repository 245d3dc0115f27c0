//! Operands: names to registers, numbers and addresses to constant rows.

use super::{Binding, Declared, Decoder, Place, Result, invalid};
use crate::address::{LOCAL_WINDOW, PARAM_WINDOW, SHARED_WINDOW};
use crate::alu::lanes::{LANES, lift1, lift2};
use crate::program::{Condition, Constant, Op, Pred, Reg, TRUE, Touch};
use flashpage_ptx::ast::{Axis, Name, Operand};
use flashpage_ptx::words::{Special, Type};

/// A register as declared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// Row, or number of the predicate.
    index: u32,
    /// Its type.
    pub ty: Type,
}

impl Slot {
    pub fn is_pred(self) -> bool {
        self.ty == Type::Pred
    }

    pub fn wide(self) -> bool {
        self.ty.bits() == 64
    }

    pub fn reg(self) -> Reg {
        Reg(self.index)
    }

    /// Registers of 128 bits go where [`super::quad`] takes them, and nowhere else.
    fn not_quad(self, name: &str) -> Result<()> {
        if self.ty == Type::B128 {
            invalid(format!("the 128-bit register `{name}` cannot stand here"))
        } else {
            Ok(())
        }
    }
}

/// Every way to see a name as a stem and a number: `%r12` is `%r1` and 2, or `%r` and 12.
fn numbered(name: &str) -> impl Iterator<Item = (&str, u32)> {
    let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
    // A number of 32 bits has ten digits at most.
    (1..=digits.min(10)).filter_map(|taken| {
        let (stem, number) = name.split_at(name.len() - taken);
        if taken > 1 && number.starts_with('0') { None } else { Some((stem, number.parse().ok()?)) }
    })
}

impl super::Scope {
    /// The register of this name that this scope declares, and its number within its declaration.
    fn register(&self, name: &str) -> Option<(Declared, u32)> {
        if let Some(Binding::Register(declared)) = self.names.get(name) {
            return Some((*declared, 0));
        }
        if self.families.is_empty() {
            return None;
        }
        numbered(name).find_map(|(stem, n)| {
            let (declared, count) = self.families.get(stem)?;
            (n < *count).then_some((*declared, n))
        })
    }
}

impl Decoder<'_> {
    /// The register of this name, given a row when it is first seen.
    pub(super) fn slot(&mut self, name: &str, axis: Option<Axis>) -> Result<Slot> {
        let found = self.scopes.iter().rev().find_map(|scope| scope.register(name));
        let Some((Declared { number: declaration, ty, vector }, n)) = found else {
            return invalid(format!("register `{name}` is not declared"));
        };
        let component = match (vector, axis) {
            (None, None) => 0,
            (Some(width), Some(axis)) if (axis as u32) < width => axis as u32,
            _ => return invalid(format!("`{name}` is a vector register used as a scalar, or the reverse")),
        };
        let index = match self.registers.get(&(declaration, n, component)) {
            Some(index) => *index,
            None => {
                let called = match axis {
                    None => name.to_string(),
                    Some(axis) => format!("{name}.{}", ["x", "y", "z", "w"][axis as usize]),
                };
                let index = if ty == Type::Pred {
                    let pred = self.new_pred();
                    self.program.predicate_names.insert(pred, called);
                    pred.0
                } else {
                    let reg = self.new_row(ty.bits() >= 64);
                    if ty == Type::B128 {
                        // Two registers of 64 bits, one after the other.
                        let upper = self.new_row(true);
                        self.program.names.insert(upper, called.clone());
                    }
                    self.program.names.insert(reg, called);
                    reg.0
                };
                self.registers.insert((declaration, n, component), index);
                index
            }
        };
        Ok(Slot { index, ty })
    }

    /// The register that an operand names, if it is one.
    pub(super) fn slot_of(&mut self, operand: &Operand) -> Result<Option<Slot>> {
        match operand {
            Operand::Register(name, axis) => self.slot(name, *axis).map(Some),
            _ => Ok(None),
        }
    }

    /// A source of this type; registers must have its width.
    pub(super) fn source(&mut self, operand: &Operand, ty: Type) -> Result<Reg> {
        let wide = ty.bits() == 64;
        let (reg, is_wide) = self.loose_source(operand, ty)?;
        if wide != is_wide {
            return invalid(format!("a {}-bit operand where .{ty} is needed", if is_wide { 64 } else { 32 }));
        }
        Ok(reg)
    }

    /// A source whose register may be wider than its type, as in `st` and `cvt`; says whether it has 64 bits.
    pub(super) fn loose_source(&mut self, operand: &Operand, ty: Type) -> Result<(Reg, bool)> {
        let wide = ty.bits() == 64;
        let value = match operand {
            Operand::Register(name, axis) => {
                let slot = self.slot(name, *axis)?;
                if slot.is_pred() {
                    return invalid(format!("predicate `{name}` used as a .{ty} operand"));
                }
                slot.not_quad(name)?;
                self.reads.push(Touch::Row(slot.reg()));
                return Ok((slot.reg(), slot.wide()));
            }
            Operand::Special(special, axis) => return Ok((self.special(*special, *axis, wide)?, wide)),
            Operand::Int(value) => *value as u64,
            Operand::F32(bits) if ty == Type::F64 => (f32::from_bits(*bits) as f64).to_bits(),
            Operand::F32(bits) => *bits as u64,
            Operand::F64(bits) if ty == Type::F64 || (wide && !ty.is_float()) => *bits,
            Operand::F64(bits) => (f64::from_bits(*bits) as f32).to_bits() as u64,
            Operand::Environment(name) if matches!(&**name, "%envreg1" | "%envreg2") => {
                return Ok((self.grid_workspace(&**name == "%envreg1", wide), wide));
            }
            Operand::Environment(_) => 0,
            Operand::Symbol { name, offset, generic } => {
                let constant = self.symbol(name, *offset, *generic)?;
                if let (Some(frame), Constant::Value(at)) = (self.frame, constant)
                    && self.is_in_frame(name)
                {
                    return Ok((self.address_in_frame(frame, at, wide), wide));
                }
                return Ok((self.constant(constant, wide), wide));
            }
            _ => return invalid("this kind of operand cannot stand here"),
        };
        let value = if wide { value } else { value & u32::MAX as u64 };
        Ok((self.constant(Constant::Value(value), wide), wide))
    }

    /// A source of 32 bits read from whatever holds it: a 64-bit register is truncated first.
    pub(super) fn narrow_source(&mut self, operand: &Operand, ty: Type) -> Result<Reg> {
        let (reg, wide) = self.loose_source(operand, ty)?;
        if !wide {
            return Ok(reg);
        }
        let narrow = self.scratch(false);
        self.writes.push(Touch::Row(narrow));
        self.emit_kernel(lift1(|a: u64| a as u32), narrow, &[reg]);
        self.reads.push(Touch::Row(narrow));
        Ok(narrow)
    }

    /// A row that holds this constant.
    pub(super) fn constant(&mut self, constant: Constant, wide: bool) -> Reg {
        if let Some(reg) = self.constants.get(&(constant, wide)) {
            return *reg;
        }
        // Always with room for 64 bits: an address is filled in as such, whichever width is read.
        let reg = self.new_row(true);
        self.constants.insert((constant, wide), reg);
        self.program.constants.push((reg, constant, wide));
        reg
    }

    pub(super) fn integer(&mut self, value: u64, wide: bool) -> Reg {
        self.constant(Constant::Value(value), wide)
    }

    fn special(&mut self, special: Special, axis: Option<Axis>, wide: bool) -> Result<Reg> {
        use Special::*;
        let three = matches!(
            special,
            Tid | Ntid | Ctaid | Nctaid | Clusterid | Nclusterid | ClusterCtaid | ClusterNctaid
        );
        if three != axis.is_some() {
            return invalid(format!("%{special} {} a component", if three { "needs" } else { "has not" }));
        }
        if matches!(special, Clock | ClockHi | Clock64 | Globaltimer | GlobaltimerLo | GlobaltimerHi) {
            return invalid(format!("%{special} can only be read by mov"));
        }
        if let Some(reg) = self.specials.get(&(special, axis, wide)) {
            return Ok(*reg);
        }
        let reg = self.new_row(wide);
        self.specials.insert((special, axis, wide), reg);
        self.program.specials.push((reg, special, axis, wide));
        Ok(reg)
    }

    /// The value of a variable's name: its address in its own space.
    pub(super) fn symbol(&mut self, name: &Name, offset: i64, generic: bool) -> Result<Constant> {
        let add = |base: u64| Constant::Value(base.wrapping_add_signed(offset));
        if &**name == "WARP_SZ" {
            return Ok(add(LANES as u64));
        }
        if let Some(address) = self.source.addresses.get(name)
            && !self.scopes.iter().any(|scope| scope.names.contains_key(name))
        {
            return Ok(add(address));
        }
        Ok(match self.place(name)? {
            Place::Global(index) => Constant::Global(index, offset),
            Place::Shared(at) if generic => add(SHARED_WINDOW + at as u64),
            Place::Shared(at) => match i32::try_from(offset) {
                Ok(offset) => Constant::Shared(at.wrapping_add_signed(offset)),
                Err(_) => {
                    return invalid(format!(
                        "`{name}` and {offset} bytes: shared memory has 32-bit addresses"
                    ));
                }
            },
            Place::DynamicShared => Constant::DynamicShared(offset),
            Place::Local(at) if generic => add(LOCAL_WINDOW + at as u64),
            Place::Local(at) => add(at as u64),
            Place::Parameter(at) if generic => add(PARAM_WINDOW + at as u64),
            Place::Parameter(at) => add(at as u64),
            // A function's parameter whose address is taken lies in the thread's stack (§7.1).
            Place::Frame(at, _) => add(LOCAL_WINDOW + at as u64),
        })
    }

    /// Whether this is a variable in the thread's memory.
    fn is_in_frame(&self, name: &Name) -> bool {
        let binding = self.scopes.iter().rev().find_map(|scope| scope.names.get(name));
        matches!(binding, Some(Binding::Variable(Place::Local(_) | Place::Frame(..))))
    }

    /// The address of such a variable where frames move: computed by a step of its own.
    fn address_in_frame(&mut self, frame: Reg, at: u64, wide: bool) -> Reg {
        let at = self.integer(at, true);
        let address = self.scratch(wide);
        let (reads, writes) = (std::mem::take(&mut self.reads), std::mem::take(&mut self.writes));
        self.writes.push(Touch::Row(address));
        let add = if wide {
            lift2(|a: u64, b: u64| a.wrapping_add(b))
        } else {
            lift2(|a: u64, b: u64| a.wrapping_add(b) as u32)
        };
        self.emit_kernel(add, address, &[frame, at]);
        (self.reads, self.writes) = (reads, writes);
        self.reads.push(Touch::Row(address));
        address
    }

    /// Half of the address of the grid's barrier: read by a step of its own, which only cooperative launches can make.
    fn grid_workspace(&mut self, upper: bool, wide: bool) -> Reg {
        let d = self.scratch(wide);
        let (reads, writes) = (std::mem::take(&mut self.reads), std::mem::take(&mut self.writes));
        self.writes.push(Touch::Row(d));
        self.emit(Op::GridWorkspace { d, upper, wide });
        (self.reads, self.writes) = (reads, writes);
        self.reads.push(Touch::Row(d));
        d
    }

    /// Where the variable of this name lies; a module's shared variable is laid out when it is first named.
    pub(super) fn place(&mut self, name: &Name) -> Result<Place> {
        for scope in self.scopes.iter().rev() {
            if let Some(Binding::Variable(place)) = scope.names.get(name) {
                return Ok(*place);
            }
        }
        if let Some(index) = self.source.global(name) {
            return Ok(Place::Global(index));
        }
        let Some(variable) = self.source.shared(name) else {
            return invalid(format!("`{name}` is not declared"));
        };
        let place = self.shared_variable(variable)?;
        self.scopes[0].names.insert(name.clone(), Binding::Variable(place));
        Ok(place)
    }

    /// The predicate of this name.
    pub(super) fn named_predicate(&mut self, name: &str) -> Result<Pred> {
        let slot = self.slot(name, None)?;
        if !slot.is_pred() {
            return invalid(format!("`{name}` is not a predicate"));
        }
        self.reads.push(Touch::Pred(Pred(slot.index)));
        Ok(Pred(slot.index))
    }

    /// `p`, `!p`, or a number.
    pub(super) fn condition(&mut self, operand: &Operand) -> Result<Condition> {
        match operand {
            Operand::Register(name, None) => {
                Ok(Condition { pred: self.named_predicate(name)?, negated: false })
            }
            Operand::Not(inner) => {
                let inner = self.condition(inner)?;
                Ok(Condition { pred: inner.pred, negated: !inner.negated })
            }
            Operand::Int(value) => Ok(Condition { pred: TRUE, negated: *value == 0 }),
            _ => invalid("a predicate is needed here"),
        }
    }

    /// A register to write, of 32 or 64 bits.
    pub(super) fn destination(&mut self, operand: &Operand, wide: bool) -> Result<Reg> {
        let (reg, is_wide) = self.loose_destination(operand, wide)?;
        if is_wide != wide {
            return invalid(format!(
                "a {}-bit destination where {} bits are written",
                if is_wide { 64 } else { 32 },
                if wide { 64 } else { 32 }
            ));
        }
        Ok(reg)
    }

    /// A register to write of whatever width; says whether it has 64 bits. `_` has the width that is asked for.
    pub(super) fn loose_destination(&mut self, operand: &Operand, wide: bool) -> Result<(Reg, bool)> {
        match operand {
            Operand::Register(name, axis) => {
                let slot = self.slot(name, *axis)?;
                if slot.is_pred() {
                    return invalid(format!("predicate `{name}` cannot be written here"));
                }
                slot.not_quad(name)?;
                self.writes.push(Touch::Row(slot.reg()));
                Ok((slot.reg(), slot.wide()))
            }
            Operand::Sink => Ok((Reg(0), wide)),
            _ => invalid("a register is needed as destination"),
        }
    }

    /// A predicate to write.
    pub(super) fn predicate_destination(&mut self, operand: &Operand) -> Result<Option<Pred>> {
        match operand {
            Operand::Register(name, None) => {
                let slot = self.slot(name, None)?;
                if !slot.is_pred() {
                    return invalid(format!("`{name}` is not a predicate"));
                }
                self.writes.push(Touch::Pred(Pred(slot.index)));
                Ok(Some(Pred(slot.index)))
            }
            Operand::Sink => Ok(None),
            _ => invalid("a predicate is needed as destination"),
        }
    }

    /// A predicate to write, or one that nobody reads.
    pub(super) fn predicate_or_sink(&mut self, operand: &Operand) -> Result<Pred> {
        match self.predicate_destination(operand)? {
            Some(pred) => Ok(pred),
            None => Ok(self.new_pred()),
        }
    }
}
