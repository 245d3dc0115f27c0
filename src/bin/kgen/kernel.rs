//! Which kernel, compiled for what: the arguments that most commands share.

use crate::Failure;
use clap::Args;
use flashpage::codegen::program::DType;
use flashpage::codegen::schedule::{F32Products, Family, OutputIn, Overlap, PassTurn, QueryIn, Sums, Tuning};
use flashpage::codegen::{
    Arch, Compiled, HeadDim, Program, ShapeClass, Spec, ValueLayout, Work, compile, frontend,
};
use flashpage::kernels;

/// A kernel by name or file.
pub fn program(name: &str) -> Result<Program, Failure> {
    if let Some(stock) = kernels::find(name) {
        return Ok((stock.program)().clone());
    }
    // `FILE.rs` or `FILE.rs:function`; a path may itself hold colons, a function's name does not.
    let (path, function) = match name.rsplit_once(':') {
        Some((path, function)) if path.ends_with(".rs") => (path, Some(function)),
        _ => (name, None),
    };
    if !path.ends_with(".rs") {
        let known: Vec<&str> = kernels::catalogue().iter().map(|stock| stock.name).collect();
        return Err(Failure::Usage(format!(
            "no stock kernel `{name}`: there are {}; or name a Rust file, as in my_kernels.rs:my_kernel",
            known.join(", ")
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|e| Failure::Usage(format!("{path}: {e}")))?;
    frontend::parse_file(&text, function).map_err(|error| {
        // `path:line:column: message`, a line each, as editors and terminals know to follow.
        let located = |d: &frontend::Diagnostic| format!("\n{path}:{d}");
        Failure::Usage(match &error {
            frontend::FrontendError::Kernel(all) => {
                format!("this is not a kernel yet{}", all.iter().map(located).collect::<String>())
            }
            frontend::FrontendError::Syntax(one) => format!("this is not Rust{}", located(one)),
            _ => format!("{path}: {error}"),
        })
    })
}

/// What a kernel is compiled for.
#[derive(Args, Clone)]
pub struct Target {
    /// Target: sm_80, or sm_90a for Hopper alone
    #[arg(long, default_value = "sm_80")]
    pub arch: Arch,
    /// Element type of q, and of k and v: f16, bf16 or f32; e4m3 or e5m2 for sm_90a
    #[arg(long, default_value = "f16")]
    pub dtype: DType,
    /// Element type of k and v, of a kernel that leaves it open: that of q, e4m3 or e5m2; the kernel's own, or that of q, if absent
    #[arg(long)]
    pub kv_dtype: Option<DType>,
    /// Element type of o, of a kernel that leaves it open: f16, bf16 or f32; the kernel's own, or that of q, k and v, if absent
    #[arg(long)]
    pub output_dtype: Option<DType>,
    /// Head dimension; 192/128 for keys of 192 and values of 128
    #[arg(long, default_value = "128")]
    pub head_dim: HeadDim,
    /// Tokens per block of a paged cache: 1, 2, 4 or a multiple of 8
    #[arg(long, default_value_t = 16)]
    pub block_size: usize,
    /// How values lie in a paged cache of 8 bits: rows, or transposed, as products of 8 bits read them
    #[arg(long, default_value = "rows")]
    pub values: ValueLayout,
    /// Shapes to make it for: prefill, append (at most 64 rows a sequence, packed heads counted) or decode (at
    /// most 16). Every kernel is right for every shape
    #[arg(long, default_value = "prefill")]
    pub shape: ShapeClass,
    /// Where tiles come from: grid, or list or partials for a planned kernel
    #[arg(long, default_value = "grid")]
    pub work: Work,
    #[command(flatten)]
    pub schedule: ScheduleChoice,
}

/// What of the schedule is said by hand.
#[derive(Args, Clone)]
pub struct ScheduleChoice {
    /// Tile instead of the schedule's own, as ROWSxCOLUMNS
    #[arg(long, value_parser = tile, value_name = "MxN")]
    tile: Option<(usize, usize)>,
    /// Warps that multiply, each with 16 or 32 rows; 16 on sm_90a
    #[arg(long, value_name = "N")]
    warps: Option<usize>,
    /// Column tiles in flight
    #[arg(long, value_name = "N")]
    stages: Option<usize>,
    /// Where Q is during the main loop: registers or shared
    #[arg(long, value_name = "WHERE")]
    query: Option<QueryIn>,
    /// Blocks that should fit on a multiprocessor together
    #[arg(long, value_name = "N")]
    blocks_per_sm: Option<u32>,
    /// When the accumulator is rescaled: grown (when a row maximum has grown by much) or always; sm_90a only
    #[arg(long, value_parser = rescale, value_name = "WHEN")]
    rescale: Option<bool>,
    /// Where O is before it is stored: own memory, or over-query; sm_90a only
    #[arg(long, value_name = "WHERE")]
    output_in: Option<OutputIn>,
    /// Of every 16 exponentials, how many are polynomials; sm_90a only
    #[arg(long, value_name = "N")]
    polynomial: Option<usize>,
    /// Whether exponentials stay before the wait for O: pinned, or free; sm_90a only
    #[arg(long, value_name = "HOW")]
    overlap: Option<Overlap>,
    /// When a consumer passes its turn on: issued (its products are) or scored (its scores are there); sm_90a only
    #[arg(long, value_name = "WHEN")]
    pass_turn: Option<PassTurn>,
    /// How products of 8 bits add up: one (on tensor cores, which keep 13 bits behind the point) or two (those of a tile there, then in f32);
    /// sm_90a only
    #[arg(long)]
    levels: Option<Sums>,
    /// How f32 inputs are multiplied: bf16x3 (each number split into two of bf16; some 16 bits are right) or tf32 (three decimal
    /// digits, and faster); bf16x3 if absent
    #[arg(long, value_name = "HOW")]
    f32_products: Option<F32Products>,
    /// Which family makes the kernel, where two can, of f32 on sm_90a: roles (a producer beside consumers, products by wgmma) or ring
    /// (warps that are all alike, by mma.sync); roles if absent, where they multiply as asked
    #[arg(long, value_name = "WHICH")]
    family: Option<Family>,
}

impl ScheduleChoice {
    pub fn tuning(&self) -> Tuning {
        Tuning {
            tile: self.tile,
            warps: self.warps,
            stages: self.stages,
            query: self.query,
            blocks_per_sm: self.blocks_per_sm,
            rescale: self.rescale,
            output: self.output_in,
            polynomial: self.polynomial,
            overlap: self.overlap,
            pass: self.pass_turn,
            sums: self.levels,
            f32_products: self.f32_products,
            family: self.family,
        }
    }
}

/// `128x64`
pub fn tile(text: &str) -> Result<(usize, usize), String> {
    let parse = || -> Option<(usize, usize)> {
        let (rows, cols) = text.split_once('x')?;
        Some((rows.parse().ok()?, cols.parse().ok()?))
    };
    parse().ok_or_else(|| format!("`{text}` is no tile: write rows x columns, as in 128x64"))
}

/// Whether rescaling is skipped while maxima grow little.
fn rescale(text: &str) -> Result<bool, String> {
    match text {
        "grown" => Ok(true),
        "always" => Ok(false),
        _ => Err(format!("no rescaling `{text}`: write grown or always")),
    }
}

impl Target {
    /// The spec of `program` on this target.
    pub fn spec(&self, program: &Program) -> Spec {
        let paged =
            program.params.iter().any(|p| p.kind == flashpage::codegen::program::ParamKind::BlockTable);
        Spec {
            arch: self.arch,
            dtype: self.dtype,
            kv_dtype: self.kv_dtype.unwrap_or_else(|| program.kv_type(self.dtype)),
            output: self.output_dtype.unwrap_or_else(|| program.output_type(self.dtype)),
            head_dim: self.head_dim,
            block_size: paged.then_some(self.block_size),
            shape: self.shape,
            tuning: self.schedule.tuning(),
            work: self.work,
            values: self.values,
            fold_scale: true,
        }
    }

    /// The named kernel, compiled.
    pub fn compile(&self, name: &str) -> Result<(Program, Compiled), Failure> {
        let program = program(name)?;
        let compiled = compile(&program, &self.spec(&program))?;
        Ok((program, compiled))
    }
}
