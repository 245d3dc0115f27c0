//! Attention for Ampere: `cp.async` into a ring of swizzled K and V tiles, `ldmatrix`, `mma.sync`.
//!
//! The kernel reads from top to bottom as [`lower`] does: which rows this block owns ([`instance`]), which
//! columns they can see ([`range`]), copies ([`copy`]), then for each tile of columns, right to left:
//! S = Q Kᵀ ([`product`]), maps and masks ([`score`]), online softmax ([`softmax`]), O += P V; at last O and
//! the log-sum-exp are stored ([`epilogue`]).

mod copy;
mod epilogue;
mod instance;
mod product;
mod range;
mod scalar;
mod score;
mod softmax;

use crate::abi::{AbiType, Meaning, SHARED_TILES as SHARED, abi};
use crate::attention::Attention;
use crate::program::{DType, Expr, Program};
use crate::schedule::{QueryIn, Schedule};
use crate::spec::Spec;
use flashpage_ptx::ast::{Function, Instruction, Item, Linkage, Mod, Module, Operand, Statement, Variable};
use flashpage_ptx::builder::{Builder, Reg};
use flashpage_ptx::words::{Opcode, Space, Type, Word};
use std::collections::HashSet;

/// The module around the entry.
pub(super) fn module(program: &Program, schedule: &Schedule, function: Function) -> Module {
    let shared = Variable {
        linkage: Linkage::Extern,
        space: Space::Shared,
        align: Some(128),
        ty: Type::B8,
        vector: None,
        pointer: None,
        name: SHARED.into(),
        dims: vec![None],
        init: None,
        line: 0,
    };
    let title = format!(
        "flashpage: {} for {}, {} x {} tiles",
        program.name, schedule.arch, schedule.rows, schedule.cols
    );
    Module {
        version: (7, 0),
        target: vec![schedule.arch.to_string()],
        address_size: 64,
        items: vec![Item::Comment(title), Item::Variable(shared), Item::Function(function)],
    }
}

/// What every part of the lowering needs.
struct Kernel<'a> {
    b: Builder,
    program: &'a Program,
    attention: &'a Attention,
    schedule: &'a Schedule,
    spec: &'a Spec,
    params: Vec<(Meaning, Reg)>,
    /// Uniform subexpressions computed so far, at the top of the kernel.
    uniform: Vec<(Expr, Reg)>,
    /// The register that the last scalar expression ended in.
    last_result: Option<Reg>,
    /// A register that holds +0.0: the C operand of a product that starts from nothing.
    zero: Option<Reg>,
}

/// The running state of a lane: accumulators and softmax, and what it multiplies.
struct State {
    /// `[row block of 16][column block of 8][element]`
    scores: Vec<Vec<[Reg; 4]>>,
    /// `[row block of 16][head_dim block of 8][element]`
    acc: Vec<Vec<[Reg; 4]>>,
    softmax: softmax::Softmax,
    fragments: product::Fragments,
}

/// Lowers to an entry function.
pub(super) fn lower(
    entry: &str,
    program: &Program,
    attention: &Attention,
    schedule: &Schedule,
    spec: &Spec,
) -> Function {
    let mut k = Kernel {
        b: Builder::entry(entry),
        program,
        attention,
        schedule,
        spec,
        params: Vec::new(),
        uniform: Vec::new(),
        last_result: None,
        zero: None,
    };
    k.parameters();

    let instance = k.instance();
    k.hoist_uniform(&instance);
    let range = k.column_range(&instance);
    k.copy_query(&instance);
    let mut ring = k.ring(&instance, &range);
    k.fill_ring(&mut ring, &range);
    let mut state = k.state(&instance, &ring);

    k.columns(&instance, &range, &mut ring, &mut state);

    // What the epilogue needs of the instance is worked out again: carrying it through the main loop would
    // cost registers there.
    let instance = k.instance();
    k.epilogue(&instance, &state);
    k.b.ret();

    let mut function = k.b.finish();
    drop_unread_parameters(&mut function, &k.params);
    function
}

impl Kernel<'_> {
    /// Declares the entry's parameters and loads them.
    fn parameters(&mut self) {
        self.b.directive("maxntid", &[self.schedule.threads() as u32, 1, 1]);
        self.b.directive("minnctapersm", &[self.schedule.blocks_per_sm]);
        self.b.comment("parameters");
        for arg in abi(self.program) {
            let ty = match arg.ty {
                AbiType::U64 => Type::U64,
                AbiType::U32 => Type::U32,
                AbiType::I32 => Type::S32,
                AbiType::F32 => Type::F32,
            };
            self.b.param(ty, &arg.name);
            let reg = self.b.ld_param(ty, arg.name.as_str(), &arg.name);
            self.params.push((arg.meaning, reg));
        }
        self.zero = Some(self.b.mov(Type::F32, "zero", 0.0f32));
    }

    /// The register that holds a parameter. Every meaning that a lowering asks for is in the ABI of a
    /// recognised program.
    fn param(&self, meaning: Meaning) -> Reg {
        let found = self.params.iter().find(|(m, _)| *m == meaning);
        found.map(|(_, reg)| reg.clone()).expect("a recognised program's ABI has every stride and pointer")
    }

    fn zero(&self) -> Reg {
        self.zero.clone().expect("parameters() comes first")
    }

    /// The type of two packed elements, for conversions.
    fn packed(&self) -> Type {
        if self.spec.dtype == DType::Bf16 { Type::Bf16x2 } else { Type::F16x2 }
    }

    /// Row blocks of 16 that a warp owns.
    fn row_blocks(&self) -> usize {
        self.schedule.rows_per_warp() / 16
    }

    /// Accumulators at zero, softmax at nothing, and Q in registers if it stays there.
    fn state(&mut self, instance: &instance::Instance, ring: &copy::Ring) -> State {
        let (rows, cols, dims) = (self.row_blocks(), self.schedule.cols / 8, self.schedule.head_dim / 8);
        self.b.stage("accumulators and running softmax");
        let mut grid = |group: &str, blocks: usize| -> Vec<Vec<[Reg; 4]>> {
            (0..rows)
                .map(|_| (0..blocks).map(|_| std::array::from_fn(|_| self.b.reg(Type::F32, group))).collect())
                .collect()
        };
        let scores = grid("s", cols);
        let acc = grid("acc", dims);
        for register in acc.iter().flatten().flatten() {
            self.b.mov(Type::F32, register, 0.0f32);
        }
        let softmax = self.softmax();
        let fragments = self.fragments(instance, ring);
        if self.schedule.query == QueryIn::Registers {
            self.b.stage("Q is in shared memory: read its fragments once");
            self.cp_async_wait(self.schedule.slots() - 1);
            self.b.bar_warp_sync();
        }
        let mut state = State { scores, acc, softmax, fragments };
        if self.schedule.query == QueryIn::Registers {
            self.load_query_fragments(&mut state.fragments);
        }
        state
    }

    /// The main loop in up to three parts, right to left: boundary tiles with masks, inner tiles without,
    /// boundary tiles of a mask that also has a left end.
    fn columns(
        &mut self,
        instance: &instance::Instance,
        range: &range::ColumnRange,
        ring: &mut copy::Ring,
        state: &mut State,
    ) {
        let tile = ring.tile.clone();
        for (index, phase) in range.phases.iter().enumerate() {
            self.b.stage(phase.title);
            // A left boundary comes last: rather than carry rows and lengths through the inner loop, ask again.
            let again = (index > 0 && phase.masked).then(|| self.instance());
            let instance = again.as_ref().unwrap_or(instance);
            let masks = self.prepare_scores(instance, phase.masked);
            let (top, done) = (self.b.label("columns"), self.b.label("columns_done"));
            let finished = self.b.setp(Word::Lt, Type::S32, "p", &tile, &phase.first);
            self.b.guarded(&finished, false, |b| b.bra(&done));
            self.b.place(&top);

            self.b.comment("wait for K, let V come");
            self.acquire();
            self.copy_values(ring, range, phase.masked);
            self.product_scores(state, ring);
            self.b.comment("wait for V, let the next K come");
            self.acquire();
            self.copy_next_keys(ring, range);
            self.scores(instance, &masks, state, ring);
            self.softmax_step(state);
            self.product_output(state, ring);
            self.next_stage(ring);

            self.b.sub(Type::S32, &tile, &tile, 1);
            let more = self.b.setp(Word::Ge, Type::S32, "p", &tile, &phase.first);
            self.b.guarded(&more, false, |b| b.bra(&top));
            self.b.place(&done);
        }
    }

    /// Waits until the oldest slot in flight has arrived, for all warps. The slot before it is free then.
    fn acquire(&mut self) {
        self.cp_async_wait(self.schedule.slots() - 2);
        self.b.bar_sync(0);
    }

    fn cp_async_wait(&mut self, groups: usize) {
        let mods = [Mod::Word(Word::Async), Mod::Word(Word::WaitGroup)];
        self.b.emit(Opcode::Cp, &mods, vec![groups.into()]);
    }

    fn cp_async_commit(&mut self) {
        self.b.emit(Opcode::Cp, &[Mod::Word(Word::Async), Mod::Word(Word::CommitGroup)], vec![]);
    }
}

/// Removes the loads of parameters that nothing reads, so that the text shows what the kernel uses.
fn drop_unread_parameters(function: &mut Function, params: &[(Meaning, Reg)]) {
    let Some(body) = &mut function.body else { return };
    let mut unread: HashSet<&str> = params.iter().map(|(_, reg)| reg.name()).collect();
    let is_param_load = |i: &Instruction| i.op == Opcode::Ld && i.space() == Some(Space::Param);
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
