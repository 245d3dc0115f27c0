//! `kgen case`: one of our kernels on made-up inputs, as files that any launcher can run.

use crate::kernel::{self, ScheduleChoice};
use crate::progress;
use crate::{Failure, Outcome};
use clap::Args;
use flashpage::codegen::program::DType;
use flashpage::codegen::{Arch, HeadDim, ShapeClass, ValueLayout};
use flashpage::runtime::case::make_case_watched;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{LaunchOptions, PoolLayout, Progress};
use std::path::PathBuf;

#[derive(Args)]
pub struct MakeCase {
    /// A stock kernel, FILE.rs or FILE.rs:function
    kernel: String,
    /// Where to write; made if it is not there
    #[arg(short, long)]
    output: PathBuf,
    /// Target: sm_80, or sm_90a for Hopper alone
    #[arg(long, default_value = "sm_80")]
    arch: Arch,
    /// Element type of q, and of k and v: f16, bf16 or f32; e4m3 or e5m2 for sm_90a
    #[arg(long, default_value = "f16")]
    dtype: DType,
    /// Element type of k and v, of a kernel that leaves it open: that of q, e4m3 or e5m2; the kernel's own, or that of q, if absent
    #[arg(long)]
    kv_dtype: Option<DType>,
    /// Element type of o, of a kernel that leaves it open: f16, bf16 or f32; the kernel's own, or that of q, k and v, if absent
    #[arg(long)]
    output_dtype: Option<DType>,
    /// Head dimension; 192/128 for keys of 192 and values of 128
    #[arg(long, default_value = "128")]
    head_dim: HeadDim,
    /// Tokens per block of a paged cache: 1, 2, 4 or a multiple of 8
    #[arg(long, default_value_t = 16)]
    block_size: usize,
    /// Layout of a paged cache: nhd or hnd
    #[arg(long, default_value = "nhd", value_parser = layout)]
    layout: PoolLayout,
    /// How values lie in a paged cache of 8 bits: rows, or transposed, as products of 8 bits read them
    #[arg(long, default_value = "rows")]
    values: ValueLayout,
    /// Query tokens of each sequence
    #[arg(long, value_delimiter = ',', default_value = "64")]
    q_len: Vec<usize>,
    /// Keys of each sequence; as many as query tokens if absent
    #[arg(long, value_delimiter = ',')]
    kv_len: Vec<usize>,
    /// Query heads
    #[arg(long, default_value_t = 4)]
    heads: usize,
    /// KV heads; a divisor of the query heads, and as many if absent
    #[arg(long)]
    kv_heads: Option<usize>,
    /// Seed of the inputs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A scalar parameter, as in window=128 (scale is 1/sqrt(head_dim) by itself)
    #[arg(long = "set", value_parser = scalar, value_name = "NAME=VALUE")]
    scalars: Vec<(String, f64)>,
    /// Shape class instead of the one the lengths call for: prefill, append or decode
    #[arg(long)]
    shape: Option<ShapeClass>,
    #[command(flatten)]
    schedule: ScheduleChoice,
}

fn layout(text: &str) -> Result<PoolLayout, String> {
    match text {
        "nhd" => Ok(PoolLayout::Nhd),
        "hnd" => Ok(PoolLayout::Hnd),
        _ => Err(format!("unknown layout `{text}`: write nhd or hnd")),
    }
}

fn scalar(text: &str) -> Result<(String, f64), String> {
    let parse = || -> Option<(String, f64)> {
        let (name, value) = text.split_once('=')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    parse().ok_or_else(|| format!("`{text}` sets nothing: write NAME=VALUE, as in window=128"))
}

impl MakeCase {
    pub fn run(&self) -> Outcome {
        let program = kernel::program(&self.kernel)?;
        let kv_len = if self.kv_len.is_empty() { &self.q_len } else { &self.kv_len };
        if kv_len.len() != self.q_len.len() {
            return Err(Failure::Usage(format!(
                "--q-len has {} sequences and --kv-len {}: give one length for each",
                self.q_len.len(),
                kv_len.len()
            )));
        }
        let problem = Problem {
            dtype: self.dtype,
            kv_dtype: self.kv_dtype,
            output: self.output_dtype,
            head_dim: self.head_dim,
            q_heads: self.heads,
            kv_heads: self.kv_heads.unwrap_or(self.heads),
            lens: self.q_len.iter().copied().zip(kv_len.iter().copied()).collect(),
            block_size: self.block_size,
            layout: self.layout,
            values: self.values,
            seed: self.seed,
            scalars: self.scalars.iter().cloned().collect(),
        };
        let options =
            LaunchOptions { arch: Some(self.arch), shape: self.shape, tuning: self.schedule.tuning() };
        let scores = Progress::default();
        let path = progress::show(
            || scores.scores(),
            "reference",
            || make_case_watched(&self.output, &program, &problem, &options, &scores),
        )?;
        println!("kgen launch {}", path.display());
        Ok(())
    }
}
