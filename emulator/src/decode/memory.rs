//! Loads, stores, atomics, asynchronous copies, and conversions between address spaces.

use super::{Decoder, Fail, Place, Result, invalid};
use crate::address::{LOCAL_WINDOW, PARAM_WINDOW, RANK_SHIFT, SHARED_WINDOW, Space, resolve};
use crate::alu::float;
use crate::alu::halves::{Bf16, F16, Half};
use crate::alu::lanes::{Kernel, lift1, lift2, test};
use crate::program::{Access, Address, AsyncCopy, Atomic, AtomicFn, Constant, Op, Reg, Strength, Touch};
use flashpage_ptx::ast::{Instruction, Mod, Operand};
use flashpage_ptx::words::{Opcode, Space as Written, Type, Word};

/// The space that an instruction names.
pub(super) fn space_of(written: Option<Written>) -> Result<Space> {
    Ok(match written {
        None => Space::Generic,
        Some(Written::Global | Written::Const) => Space::Global,
        Some(Written::Shared | Written::SharedCta | Written::SharedCluster) => Space::Shared,
        Some(Written::Local) => Space::Local,
        Some(Written::Param | Written::ParamEntry | Written::ParamFunc) => Space::Param,
        Some(_) => return Err(Fail::Unsupported),
    })
}

impl Decoder<'_> {
    pub(super) fn memory(&mut self, inst: &Instruction) -> Result<()> {
        match inst.op {
            Opcode::Ld | Opcode::Ldu => self.load(inst),
            Opcode::St => self.store(inst),
            Opcode::Atom | Opcode::Red => self.atomic(inst),
            _ => self.async_copy(inst),
        }
    }

    /// The address in brackets, and the space it turns out to be in.
    pub(super) fn address(&mut self, operand: &Operand, space: Space) -> Result<(Address, Space)> {
        let (base, offset) = match operand {
            Operand::Address { base, offset } => (&**base, *offset),
            _ => return invalid("an address in brackets is needed"),
        };
        match base {
            Operand::Symbol { name, offset: more, .. } => {
                let offset = offset.wrapping_add(*more);
                let place = self.place(name)?;
                let found = match place {
                    Place::Global(_) => Space::Global,
                    Place::Shared(_) | Place::DynamicShared => Space::Shared,
                    Place::Local(_) | Place::Frame(..) => Space::Local,
                    Place::Parameter(_) => Space::Param,
                };
                let fits = space == found
                    || space == Space::Generic
                    || (space == Space::Param && matches!(place, Place::Frame(..)));
                if !fits {
                    return invalid(format!("`{name}` is not in {} memory", space.name()));
                }
                if let (Some(frame), Place::Frame(at, _) | Place::Local(at)) = (self.frame, place) {
                    let offset = offset.wrapping_add(at as i64);
                    return Ok((Address { base: frame, wide: true, offset }, found));
                }
                let constant = match place {
                    Place::Frame(at, _) => Constant::Value(at as u64),
                    _ => self.symbol(name, 0, false)?,
                };
                let base = self.constant(constant, true);
                Ok((Address { base, wide: true, offset }, found))
            }
            _ => {
                let (base, wide) = self.loose_source(base, Type::U64)?;
                Ok((Address { base, wide, offset }, space))
            }
        }
    }

    /// Elements of a vector operand, or the one of a scalar.
    fn elements<'o>(&self, inst: &Instruction, operand: &'o Operand) -> Result<Vec<&'o Operand>> {
        let count = inst.mods.iter().find_map(|m| match m {
            Mod::Word(Word::V2) => Some(2),
            Mod::Word(Word::V4) => Some(4),
            Mod::Word(Word::V8) => Some(8),
            _ => None,
        });
        let elements: Vec<&Operand> = match operand {
            Operand::Vector(list) => list.iter().collect(),
            one => vec![one],
        };
        if elements.len() != count.unwrap_or(1) {
            return invalid(format!("{} registers for {} elements", elements.len(), count.unwrap_or(1)));
        }
        Ok(elements)
    }

    fn load(&mut self, inst: &Instruction) -> Result<()> {
        if inst.ty(0) == Some(Type::B128) {
            return self.load_quad(inst);
        }
        let ty = element_type(inst)?;
        let [d, address, ..] = &inst.operands[..] else { return invalid("ld takes two operands") };
        let (base, space) = self.address(address, space_of(inst.space())?)?;
        let mut elements = Vec::new();
        for part in self.elements(inst, d)? {
            let element = self.loose_destination(part, ty.bits() == 64)?;
            if ty.bits() == 64 && !element.1 {
                return invalid("the destination is narrower than what is loaded");
            }
            elements.push(element);
        }
        self.emit(Op::Load(Box::new(Access {
            space,
            base,
            width: ty.bytes() as u8,
            signed: ty.is_signed(),
            strength: strength_of(inst),
            elements: elements.into(),
            constant: inst.space() == Some(Written::Const),
        })));
        Ok(())
    }

    fn store(&mut self, inst: &Instruction) -> Result<()> {
        if inst.has(Word::Async) || inst.has(Word::Bulk) {
            return Err(Fail::Unsupported);
        }
        if inst.ty(0) == Some(Type::B128) {
            return self.store_quad(inst);
        }
        let ty = element_type(inst)?;
        let [address, a, ..] = &inst.operands[..] else { return invalid("st takes two operands") };
        let (base, space) = self.address(address, space_of(inst.space())?)?;
        if space == Space::Param {
            return invalid("a kernel's parameters cannot be written");
        }
        let mut elements = Vec::new();
        for part in self.elements(inst, a)? {
            let element = self.loose_source(part, ty)?;
            if ty.bits() == 64 && !element.1 {
                return invalid("the source is narrower than what is stored");
            }
            elements.push(element);
        }
        self.emit(Op::Store(Box::new(Access {
            space,
            base,
            width: ty.bytes() as u8,
            signed: false,
            strength: strength_of(inst),
            elements: elements.into(),
            constant: false,
        })));
        Ok(())
    }

    fn atomic(&mut self, inst: &Instruction) -> Result<()> {
        let ty = inst.ty(0).ok_or(Fail::Unsupported)?;
        if inst.has(Word::Async) {
            return Err(Fail::Unsupported);
        }
        if ty == Type::B128 {
            return self.atomic_quad(inst);
        }
        let update = atomic_function(inst, ty).ok_or(Fail::Unsupported)?;
        let wide = ty.bits() == 64;
        let (d, rest) = match (inst.op, &inst.operands[..]) {
            (Opcode::Atom, [d, rest @ ..]) => (Some(d), rest),
            (_, rest) => (None, rest),
        };
        let [address, b, more @ ..] = rest else { return invalid("an atomic takes an address and a value") };
        let (base, space) = self.address(address, space_of(inst.space())?)?;
        if let Operand::Vector(values) = b {
            return self.atomic_vector(inst, (base, space), update, d, values);
        }
        let b = self.source(b, ty)?;
        let c = match (inst.has(Word::Cas), more) {
            (true, [c, ..]) => self.source(c, ty)?,
            (true, []) => return invalid("cas takes two values"),
            (false, _) => b,
        };
        let d = match d {
            None | Some(Operand::Sink) => None,
            Some(d) => Some(self.destination(d, wide)?),
        };
        let width = ty.bytes() as u8;
        let strength = atomic_strength(inst);
        self.emit(Op::Atomic(Box::new(Atomic {
            space,
            base,
            width,
            align: width,
            strength,
            update,
            d,
            b,
            c,
        })));
        Ok(())
    }

    /// `atom` and `red` of a vector: each element is atomic by itself (§9.7.13.13).
    fn atomic_vector(
        &mut self,
        inst: &Instruction,
        (mut base, space): (Address, Space),
        update: AtomicFn,
        d: Option<&Operand>,
        values: &[Operand],
    ) -> Result<()> {
        let ty = inst.ty(0).ok_or(Fail::Unsupported)?;
        if ty.bits() == 64 || inst.has(Word::Cas) || space == Space::Shared {
            return Err(Fail::Unsupported);
        }
        let count = self.elements(inst, &Operand::Vector(values.to_vec()))?.len();
        let results = match d {
            None | Some(Operand::Sink) => None,
            Some(d) => Some(self.elements(inst, d)?),
        };
        let mut sources = Vec::new();
        for value in values {
            sources.push(self.source(value, ty)?);
        }
        let reads = std::mem::take(&mut self.reads);
        if results.is_some() {
            // A result may be the address's register.
            let copied = self.scratch(base.wide);
            self.reads.push(Touch::Row(base.base));
            self.writes.push(Touch::Row(copied));
            self.emit_kernel(
                if base.wide { lift1(|a: u64| a) } else { lift1(|a: u32| a) },
                copied,
                &[base.base],
            );
            base.base = copied;
            // So may it be a source of a later element.
            for source in &mut sources {
                let copied = self.scratch(false);
                self.reads.push(Touch::Row(*source));
                self.writes.push(Touch::Row(copied));
                self.emit_kernel(lift1(|a: u32| a), copied, &[*source]);
                *source = copied;
            }
        } else {
            self.reads = reads;
        }
        let width = ty.bytes() as u8;
        for (i, b) in sources.into_iter().enumerate() {
            let d = match &results {
                Some(results) if !matches!(results[i], Operand::Sink) => {
                    Some(self.destination(results[i], false)?)
                }
                _ => None,
            };
            self.reads.extend([Touch::Row(base.base), Touch::Row(b)]);
            // The whole vector is aligned, which its first element sees to.
            let align = if i == 0 { width * count as u8 } else { width };
            let element = Address { offset: base.offset.wrapping_add(i as i64 * width as i64), ..base };
            self.emit(Op::Atomic(Box::new(Atomic {
                space,
                base: element,
                width,
                align,
                strength: atomic_strength(inst),
                update,
                d,
                b,
                c: b,
            })));
        }
        Ok(())
    }

    fn async_copy(&mut self, inst: &Instruction) -> Result<()> {
        let has = |w| inst.has(w);
        if !has(Word::Async) || has(Word::Bulk) || has(Word::Mbarrier) {
            return Err(Fail::Unsupported);
        }
        if has(Word::CommitGroup) {
            self.emit(Op::CommitGroup);
            return Ok(());
        }
        if has(Word::WaitAll) {
            self.emit(Op::CommitGroup);
            self.emit(Op::WaitGroup { pending: 0 });
            return Ok(());
        }
        if has(Word::WaitGroup) {
            let [Operand::Int(pending)] = inst.operands[..] else {
                return invalid("cp.async.wait_group takes a number");
            };
            self.emit(Op::WaitGroup { pending: pending.clamp(0, u32::MAX as i64) as u32 });
            return Ok(());
        }
        let [to, from, Operand::Int(bytes), rest @ ..] = &inst.operands[..] else {
            return invalid("cp.async takes two addresses and a size");
        };
        let allowed: &[i64] = if has(Word::Cg) { &[16] } else { &[4, 8, 16] };
        if !allowed.contains(bytes) {
            return invalid(format!("cp.async cannot copy {bytes} bytes"));
        }
        let (to, to_space) = self.address(to, Space::Shared)?;
        let (from, _) = self.address(from, Space::Global)?;
        // A cache policy comes last and means nothing here.
        let rest =
            if has(Word::L2CacheHint) { rest.split_last().map_or(rest, |(_, rest)| rest) } else { rest };
        let (mut source_bytes, mut ignore_source) = (None, None);
        for operand in rest {
            match self.slot_of(operand)? {
                Some(slot) if slot.is_pred() => ignore_source = Some(self.condition(operand)?),
                _ if matches!(operand, Operand::Not(_)) => ignore_source = Some(self.condition(operand)?),
                _ => source_bytes = Some(self.source(operand, Type::U32)?),
            }
        }
        let bytes = *bytes as u8;
        self.emit(Op::AsyncCopy(Box::new(AsyncCopy {
            to,
            to_space,
            from,
            bytes,
            source_bytes,
            ignore_source,
        })));
        Ok(())
    }

    /// `cvta`, `isspacep`, `mapa`, `getctarank`.
    pub(super) fn addresses(&mut self, inst: &Instruction) -> Result<()> {
        let [d, a, rest @ ..] = &inst.operands[..] else { return invalid("two operands are needed") };
        let space = space_of(inst.space())?;
        if inst.op == Opcode::Isspacep {
            let test = match space {
                Space::Global => test(|a: u64, _| resolve(a).0 == Space::Global),
                Space::Shared => test(|a: u64, _| resolve(a).0 == Space::Shared),
                Space::Local => test(|a: u64, _| resolve(a).0 == Space::Local),
                Space::Param => test(|a: u64, _| resolve(a).0 == Space::Param),
                Space::Generic => return Err(Fail::Unsupported),
            };
            let a = self.source(a, Type::U64)?;
            let d = self.predicate_or_sink(d)?;
            self.emit(Op::Compare { run: test.run, a, b: a, d, q: None, combine: None });
            return Ok(());
        }
        let ty = inst.ty(0).ok_or(Fail::Unsupported)?;
        let wide = ty.bits() == 64;
        let mut sources = vec![self.source(a, ty)?];
        let kernel: Kernel = match (inst.op, space, wide) {
            (Opcode::Cvta, Space::Global, true) => lift1(|a: u64| a),
            (Opcode::Cvta, Space::Global, false) => lift1(|a: u32| a),
            (Opcode::Cvta, Space::Shared, true) if inst.has(Word::To) => {
                lift1(|a: u64| a.wrapping_sub(SHARED_WINDOW))
            }
            (Opcode::Cvta, Space::Shared, true) => lift1(|a: u64| a.wrapping_add(SHARED_WINDOW)),
            (Opcode::Cvta, Space::Local, true) if inst.has(Word::To) => {
                lift1(|a: u64| a.wrapping_sub(LOCAL_WINDOW))
            }
            (Opcode::Cvta, Space::Local, true) => lift1(|a: u64| a.wrapping_add(LOCAL_WINDOW)),
            (Opcode::Cvta, Space::Param, true) if inst.has(Word::To) => {
                lift1(|a: u64| a.wrapping_sub(PARAM_WINDOW))
            }
            (Opcode::Cvta, Space::Param, true) => lift1(|a: u64| a.wrapping_add(PARAM_WINDOW)),
            (Opcode::Mapa, Space::Shared, false) => {
                lift2(|a: u32, rank: u32| a & 0xff_ffff | rank << RANK_SHIFT)
            }
            (Opcode::Mapa, Space::Shared, true) => {
                lift2(|a: u64, rank: u32| a & 0xff_ffff | (rank as u64) << RANK_SHIFT)
            }
            (Opcode::Mapa, Space::Generic, true) => {
                lift2(|a: u64, rank: u32| a & !0xff00_0000 | (rank as u64) << RANK_SHIFT)
            }
            (Opcode::Getctarank, Space::Shared, false) => lift1(|a: u32| a >> RANK_SHIFT),
            (Opcode::Getctarank, _, true) => lift1(|a: u64| a as u32 >> RANK_SHIFT),
            _ => return Err(Fail::Unsupported),
        };
        if inst.op == Opcode::Mapa {
            let [rank] = rest else { return invalid("mapa takes three operands") };
            sources.push(self.source(rank, Type::U32)?);
        }
        let d = self.destination(d, kernel.out == 2)?;
        self.emit_kernel(kernel, d, &sources);
        Ok(())
    }
}

/// What a load or a store promises (PTX ISA §8.7). Whether a load polls is seen later, from where its value goes.
pub(super) fn strength_of(inst: &Instruction) -> Strength {
    let words = [
        (Word::Volatile, Strength::Volatile { polls: false }),
        (Word::Acquire, Strength::Acquire),
        (Word::Release, Strength::Release),
        (Word::Relaxed, Strength::Relaxed),
        (Word::Mmio, Strength::Relaxed),
    ];
    words.into_iter().find(|(word, _)| inst.has(*word)).map_or(Strength::Weak, |(_, strength)| strength)
}

/// What an atomic promises: nothing about its order without a word on it.
pub(super) fn atomic_strength(inst: &Instruction) -> Strength {
    match strength_of(inst) {
        _ if inst.has(Word::AcqRel) => Strength::Both,
        Strength::Weak | Strength::Volatile { .. } => Strength::Relaxed,
        strength => strength,
    }
}

/// Type of what is loaded or stored: the last one, since `.b128` may be a modifier of the cache.
fn element_type(inst: &Instruction) -> Result<Type> {
    match inst.ty(0) {
        Some(Type::B128 | Type::Pred) | None => Err(Fail::Unsupported),
        Some(ty) => Ok(ty),
    }
}

/// The value that an atomic leaves (PTX ISA §9.7.13.13).
fn atomic_function(inst: &Instruction, ty: Type) -> Option<AtomicFn> {
    let operation = inst.mods.iter().find_map(|m| match m {
        Mod::Word(
            w @ (Word::Add
            | Word::Min
            | Word::Max
            | Word::Inc
            | Word::Dec
            | Word::Exch
            | Word::Cas
            | Word::And
            | Word::Or
            | Word::Xor),
        ) => Some(*w),
        _ => None,
    })?;
    fn pairwise<H: Half>(a: u64, b: u64, f: fn(f32, f32) -> f32) -> u64 {
        let one = |shift: u32| {
            let (a, b) = (H::from_bits((a >> shift) as u16), H::from_bits((b >> shift) as u16));
            (H::nearest(f(a.f32(), b.f32())).bits() as u64) << shift
        };
        one(0) | one(16)
    }
    fn halves<H: Half>(a: u64, b: u64, f: fn(f32, f32) -> f32) -> u64 {
        pairwise::<H>(a & 0xffff, b & 0xffff, f) & 0xffff
    }
    Some(match (operation, ty) {
        (Word::Exch, _) => |_, b, _| b,
        (Word::Cas, Type::B16) => |old, b, c| if old as u16 == b as u16 { c } else { old },
        (Word::Cas, t) if t.bits() == 32 => |old, b, c| if old as u32 == b as u32 { c } else { old },
        (Word::Cas, _) => |old, b, c| if old == b { c } else { old },
        (Word::And, _) => |a, b, _| a & b,
        (Word::Or, _) => |a, b, _| a | b,
        (Word::Xor, _) => |a, b, _| a ^ b,
        (Word::Inc, Type::U32) => |a, b, _| if a as u32 >= b as u32 { 0 } else { a + 1 },
        (Word::Dec, Type::U32) => |a, b, _| if a as u32 == 0 || a as u32 > b as u32 { b } else { a - 1 },
        (Word::Add, Type::U32 | Type::S32 | Type::U64 | Type::S64) => |a, b, _| a.wrapping_add(b),
        (Word::Min, Type::U32 | Type::U64) => |a, b, _| a.min(b),
        (Word::Max, Type::U32 | Type::U64) => |a, b, _| a.max(b),
        (Word::Min, Type::S32) => |a, b, _| (a as i32).min(b as i32) as u32 as u64,
        (Word::Max, Type::S32) => |a, b, _| (a as i32).max(b as i32) as u32 as u64,
        (Word::Min, Type::S64) => |a, b, _| (a as i64).min(b as i64) as u64,
        (Word::Max, Type::S64) => |a, b, _| (a as i64).max(b as i64) as u64,
        // Global single-precision sums flush subnormals and shared ones do not; neither is modelled.
        (Word::Add, Type::F32) => {
            |a, b, _| float::canonical(f32::from_bits(a as u32) + f32::from_bits(b as u32)).to_bits() as u64
        }
        (Word::Add, Type::F64) => {
            |a, b, _| float::canonical64(f64::from_bits(a) + f64::from_bits(b)).to_bits()
        }
        (Word::Add, Type::F16x2) => |a, b, _| pairwise::<F16>(a, b, |a, b| a + b),
        (Word::Add, Type::Bf16x2) => |a, b, _| pairwise::<Bf16>(a, b, |a, b| a + b),
        (Word::Add, Type::F16) => |a, b, _| halves::<F16>(a, b, |a, b| a + b),
        (Word::Add, Type::Bf16) => |a, b, _| halves::<Bf16>(a, b, |a, b| a + b),
        (Word::Min, Type::F16) => |a, b, _| halves::<F16>(a, b, float::minimum),
        (Word::Max, Type::F16) => |a, b, _| halves::<F16>(a, b, float::maximum),
        (Word::Min, Type::Bf16) => |a, b, _| halves::<Bf16>(a, b, float::minimum),
        (Word::Max, Type::Bf16) => |a, b, _| halves::<Bf16>(a, b, float::maximum),
        (Word::Min, Type::F16x2) => |a, b, _| pairwise::<F16>(a, b, float::minimum),
        (Word::Max, Type::F16x2) => |a, b, _| pairwise::<F16>(a, b, float::maximum),
        (Word::Min, Type::Bf16x2) => |a, b, _| pairwise::<Bf16>(a, b, float::minimum),
        (Word::Max, Type::Bf16x2) => |a, b, _| pairwise::<Bf16>(a, b, float::maximum),
        _ => return None,
    })
}

/// A register of 32 bits as a source, for collectives.
impl Decoder<'_> {
    pub(super) fn word(&mut self, operand: &Operand) -> Result<Reg> {
        self.source(operand, Type::B32)
    }
}
