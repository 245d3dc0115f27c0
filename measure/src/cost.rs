//! Everything that can be told of a kernel without a GPU: what the assembler and the disassembler say of it, the limits
//! that follow, and what the emulator counts.

use crate::gpu::{Gpu, Occupancy};
use crate::limits::{Bound, bounds, limit};
use crate::machine_code::{InnerLoop, Listing, inner_loops};
use crate::predict::{self, Prediction, predict};
use crate::toolchain::{Assembled, Nvdisasm, Ptxas, ToolError};
use crate::workload::Workload;
use flashpage_codegen::program::DType;
use flashpage_codegen::schedule::{Schedule, ScoreProducts, Tuning};
use flashpage_codegen::{Arch, CompileError, Compiled, Program, ShapeClass, Spec, Work, compile};

/// The tools that machine code is read with.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The assembler.
    pub ptxas: Ptxas,
    /// The disassembler.
    pub nvdisasm: Nvdisasm,
}

impl Tools {
    /// Both.
    ///
    /// # Errors
    /// One is missing.
    pub fn find() -> Result<Tools, ToolError> {
        Ok(Tools { ptxas: Ptxas::find()?, nvdisasm: Nvdisasm::find()? })
    }

    /// Assembles PTX text for `arch`, and reads the main loops of what comes out. Their scores are counted by what one takes
    /// in products: [`Sizes::of_score`](flashpage_codegen::schedule::Sizes::of_score) of a kernel of ours.
    ///
    /// # Errors
    /// A tool that cannot be run. What the assembler does not take is in the complaints.
    pub fn read(&self, arch: &str, text: &str, of_score: ScoreProducts) -> Result<Code, ToolError> {
        let assembled = self.ptxas.assemble(arch, text)?;
        let loops = match assembled.cubin.is_empty() {
            true => Vec::new(),
            false => inner_loops(&Listing::read(&self.nvdisasm.disassemble(&assembled.cubin)?), of_score),
        };
        Ok(Code { assembled, loops })
    }
}

/// Why there is no cost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CostError {
    /// A tool that cannot be run.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A kernel that cannot be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// Machine code that has been read.
#[derive(Clone, Debug, PartialEq)]
pub struct Code {
    /// What the assembler said.
    pub assembled: Assembled,
    /// The main loops, in the order of the code.
    pub loops: Vec<InnerLoop>,
}

impl Code {
    /// The loop over tiles that every row sees whole: the cheapest one.
    pub fn inside(&self) -> Option<&InnerLoop> {
        self.loops.iter().min_by(|a, b| a.non_products().total_cmp(&b.non_products()))
    }

    /// The loop over tiles that need a mask; the other one where there is none.
    pub fn boundary(&self) -> Option<&InnerLoop> {
        self.loops
            .iter()
            .filter(|code| code.is_boundary)
            .min_by(|a, b| a.non_products().total_cmp(&b.non_products()))
            .or(self.inside())
    }

    /// Of the loops' shares of exponentials that come too late to go on beside products, the worst; `None` where no loop
    /// waits for products twice.
    pub fn late_exponentials(&self) -> Option<f64> {
        self.loops.iter().filter_map(|code| code.late_exponentials).max_by(f64::total_cmp)
    }
}

/// What share of a loop's exponentials may stand behind the wait of a kernel that was made to keep them before it.
pub const LATE_ALLOWED: f64 = 0.05;

/// A kernel of ours, read.
#[derive(Clone, Debug)]
pub struct Cost {
    /// Its machine code.
    pub code: Code,
    /// How it is tiled.
    pub schedule: Schedule,
    /// What it is made for.
    pub shape: ShapeClass,
    /// Blocks that fit on a multiprocessor.
    pub occupancy: Occupancy,
    /// Bounds of the loop inside the mask, unit by unit.
    pub bounds: Vec<Bound>,
}

impl Cost {
    /// Reads a compiled kernel.
    ///
    /// # Errors
    /// A tool that cannot be run.
    pub fn of(tools: &Tools, compiled: &Compiled, shape: ShapeClass, gpu: &Gpu) -> Result<Cost, ToolError> {
        let schedule = compiled.schedule;
        let code = tools.read(schedule.arch().as_str(), &compiled.text(), schedule.of_score())?;
        let shared = compiled.dynamic_shared_bytes as usize + code.assembled.static_shared as usize;
        let occupancy = gpu.occupancy(code.assembled.registers, shared, schedule.threads());
        let bounds = code.inside().map_or(Vec::new(), |inside| {
            let flops = 2 * schedule.rows * schedule.cols * (schedule.head_dim.qk + schedule.head_dim.v);
            let reads = Some(schedule.kv_copied_bytes() as f64 / flops as f64);
            bounds(inside, gpu, schedule.warps * occupancy.blocks, schedule.useful_share(), reads)
        });
        Ok(Cost { code, schedule, shape, occupancy, bounds })
    }

    /// Reads the kernel that a launch of a workload would run.
    ///
    /// # Errors
    /// A program that cannot be compiled for it, or a tool that cannot be run.
    pub fn of_workload(
        tools: &Tools,
        program: &Program,
        workload: &Workload,
        arch: Arch,
        gpu: &Gpu,
    ) -> Result<Cost, CostError> {
        let shape = ShapeClass::for_rows(workload.q_len * workload.heads / workload.kv_heads.max(1));
        let dtype = workload.dtype.parse().unwrap_or(DType::Bf16);
        let spec = Spec {
            arch,
            dtype,
            kv_dtype: workload.kv_dtype.as_ref().and_then(|kv| kv.parse().ok()).unwrap_or(dtype),
            output: program.output_type(dtype),
            head_dim: workload.head_dim,
            block_size: workload.block_size,
            shape,
            tuning: Tuning::default(),
            work: Work::Grid,
            values: Default::default(),
            fold_scale: true,
        };
        Ok(Cost::of(tools, &compile(program, &spec)?, shape, gpu)?)
    }

    /// The narrowest bound.
    pub fn limit(&self) -> Option<Bound> {
        limit(&self.bounds)
    }

    /// How long a workload should take at the least.
    pub fn predict(&self, workload: &Workload, gpu: &Gpu) -> Option<Prediction> {
        let kernel = predict::Kernel {
            schedule: &self.schedule,
            shape: self.shape,
            inside: self.code.inside()?,
            boundary: self.code.boundary()?,
            blocks_per_sm: self.occupancy.blocks,
        };
        (self.occupancy.blocks > 0).then(|| predict(kernel, workload, gpu))
    }
}
