//! From a [`Program`] and a [`Spec`] to a PTX module: recognise, choose a schedule, lower for the target.

mod direct;
mod finish;
mod instance;
mod kernel;
mod lane;
mod partial;
mod range;
mod scalar;
mod score;
mod sequence;
mod sm80;
mod sm90;
mod softmax;
mod split;
mod state;
mod table;
mod widen;

use crate::abi::{AbiArg, SHARED_TILES, abi, ptx_name};
use crate::analysis::attention::{Attention, recognise};
use crate::analysis::obstacles::NotAttention;
use crate::choice::{ScheduleError, choose};
use crate::plan::Plan;
use crate::plan::attention::Form;
use crate::plan::verify::verify;
use crate::program::{DType, Program};
use crate::schedule::Schedule;
use crate::spec::{Arch, BLOCK_SIZES, HeadDim, Spec, ValueLayout, takes_block_size};
use flashpage_ptx::ast::{Function, Item, Linkage, Module, Variable};
use flashpage_ptx::words::{Space, Type};
use kernel::Kernel;

/// A kernel ready to be loaded.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The PTX.
    pub module: Module,
    /// Name of its entry.
    pub entry: String,
    /// The schedule it follows.
    pub schedule: Schedule,
    /// What it does, step by step.
    pub plan: Plan,
    /// What was recognised in the program.
    pub attention: Attention,
    /// The entry's parameters.
    pub abi: Vec<AbiArg>,
    /// Dynamic shared memory to launch with.
    pub dynamic_shared_bytes: u32,
    /// Threads to launch with.
    pub block: [u32; 3],
}

impl Compiled {
    /// The PTX as text.
    pub fn text(&self) -> String {
        flashpage_ptx::print(&self.module)
    }
}

/// Why a program could not be compiled.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// Not well-formed.
    #[error(transparent)]
    Program(#[from] crate::program::ProgramError),
    /// Well-formed, but no attention.
    #[error(transparent)]
    NotAttention(#[from] NotAttention),
    /// No schedule for the spec.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// An element type without tensor-core products.
    #[error("element type {0} has no kernels: use f16, bf16, f32, e4m3 or e5m2")]
    Element(DType),
    /// Keys and values that no kernel multiplies with such queries.
    #[error(
        "no kernel multiplies queries of {dtype} with keys and values of {kv_dtype}: give keys and values the queries' type, or e4m3 \
         or e5m2 where the queries are not f32"
    )]
    KeysAndValues {
        /// Of the queries.
        dtype: DType,
        /// Of keys and values.
        kv_dtype: DType,
    },
    /// An element type that no kernel stores.
    #[error(
        "no kernel stores an output of {0}: use f16, bf16 or f32; a kernel that has one element type for inputs and output can have another \
         for the output (`Output<U, D>` with `U: Element`)"
    )]
    Output(DType),
    /// Element types that the program cannot have.
    #[error(transparent)]
    Elements(#[from] crate::program::ElementError),
    /// A head dimension that the program cannot have.
    #[error(transparent)]
    HeadDim(#[from] crate::program::HeadDimError),
    /// A block size that tiles cannot be cut into.
    #[error("block size {0} has no kernels: blocks have {BLOCK_SIZES} tokens", BLOCK_SIZES = BLOCK_SIZES)]
    BlockSize(usize),
    /// A paged kernel without a block size.
    #[error("kernel `{0}` reads a paged cache: give its block size (`--block-size 16`)")]
    NoBlockSize(String),
}

/// Compiles `program` for `spec`.
pub fn compile(program: &Program, spec: &Spec) -> Result<Compiled, CompileError> {
    program.validate()?;
    let attention = recognise(program, spec.fold_scale)?;
    program.takes_elements(spec.elements())?;
    program.takes(spec.head_dim)?;
    if spec.dtype == DType::I32 {
        return Err(CompileError::Element(spec.dtype));
    }
    if !spec.dtype.multiplies(spec.kv_dtype) {
        return Err(CompileError::KeysAndValues { dtype: spec.dtype, kv_dtype: spec.kv_dtype });
    }
    if !matches!(spec.output, DType::F16 | DType::Bf16 | DType::F32) {
        return Err(CompileError::Output(spec.output));
    }
    if attention.table.is_some() {
        match spec.block_size {
            None => return Err(CompileError::NoBlockSize(program.name.clone())),
            Some(size) if !takes_block_size(size) => return Err(CompileError::BlockSize(size)),
            Some(_) => {}
        }
    }
    let schedule = choose(spec, &attention)?;
    let entry = entry_name(program, spec, &attention);
    let form = Form::of(&attention, spec);
    let plan = schedule.plan(form);
    if cfg!(debug_assertions)
        && let Err(fault) = verify(&plan)
    {
        panic!("the plan of {entry} is wrong: {fault}\n{plan}");
    }
    let kernel = Kernel::new(&entry, program, &attention, &schedule, (spec, form));
    let function = match &schedule {
        Schedule::Ring(ring) => sm80::lower(kernel, ring, &plan),
        Schedule::Roles(roles) => sm90::lower(kernel, roles, &plan),
    };
    let module = module(program, &schedule, function);
    if cfg!(debug_assertions) {
        let problems = flashpage_ptx::verify(&module);
        assert!(problems.is_empty(), "{entry} does not verify: {:?}", problems.first());
    }
    let compiled = Compiled {
        module,
        entry,
        schedule,
        abi: abi(program, &schedule, form),
        plan,
        attention,
        dynamic_shared_bytes: schedule.shared_bytes() as u32,
        block: [schedule.threads() as u32, 1, 1],
    };
    crate::dump::dump(program, &compiled.schedule, &compiled.plan, &compiled.module);
    Ok(compiled)
}

/// The module around the entry, of the lowest version that has its instructions.
fn module(program: &Program, schedule: &Schedule, function: Function) -> Module {
    let (version, align) = match schedule.arch() {
        // `.L2::128B` of `cp.async`.
        Arch::Sm80 => ((7, 4), 128),
        // The swizzle of bulk copies and `wgmma` goes by address: eight rows of 128 bytes.
        Arch::Sm90a => ((8, 0), 1024),
    };
    let shared = Variable {
        linkage: Linkage::Extern,
        space: Space::Shared,
        align: Some(align),
        ty: Type::B8,
        vector: None,
        pointer: None,
        name: SHARED_TILES.into(),
        dims: vec![None],
        init: None,
        line: 0,
    };
    let title = format!(
        "flashpage: {} for {}, {} x {} tiles",
        program.name,
        schedule.arch(),
        schedule.rows,
        schedule.cols
    );
    Module {
        version,
        target: vec![schedule.arch().to_string()],
        address_size: 64,
        items: vec![Item::Comment(title), Item::Variable(shared), Item::Function(function)],
    }
}

/// `paged_attention_bf16_d128_b16_prefill`, `paged_attention_tf32_d128_b16_prefill`, or `paged_attention_bf16of32_d128_b16_prefill` where the output is of another type than the
/// inputs.
fn entry_name(program: &Program, spec: &Spec, attention: &Attention) -> String {
    let transposed = if spec.values == ValueLayout::Transposed { "t" } else { "" };
    let block = match spec.block_size {
        Some(size) if attention.table.is_some() => format!("_b{size}{transposed}"),
        _ => String::new(),
    };
    let work = if spec.work.is_planned() { format!("_{}", spec.work) } else { String::new() };
    let HeadDim { qk, v } = spec.head_dim;
    let head_dim = if qk == v { qk.to_string() } else { format!("{qk}v{v}") };
    let dtype = match spec.dtype {
        // Of which there are two kernels, by what multiplies it.
        DType::F32 => spec.tuning.f32_products().to_string(),
        dtype => dtype.to_string(),
    };
    let kv = if spec.kv_dtype == spec.dtype { String::new() } else { format!("kv{}", spec.kv_dtype) };
    let output = if spec.output == spec.dtype { String::new() } else { format!("o{}", spec.output) };
    let types = [dtype, kv, output].concat();
    format!("{}_{types}_d{head_dim}{block}_{}{work}", ptx_name(&program.name), spec.shape)
}
