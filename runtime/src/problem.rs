//! Made-up inputs for a kernel: random tensors, shuffled blocks, and traps where nothing may be read.
//!
//! What a launch must not depend on is poisoned: outputs start as NaN, so do blocks that no sequence uses and
//! the rest of each last block; table entries past a sequence's last block are absurd. `kgen check`,
//! `kgen case`, the tests and the benchmarks all draw their inputs here.

use crate::args::{ArgsError, Argument, BitMask, BlockTable, Pool, PoolLayout, PoolShape, Ragged, Starts};
use crate::device::Device;
use crate::normals::normals;
use crate::tensor::{Tensor, TensorError};
use flashpage_codegen::HeadDim;
use flashpage_codegen::program::{Along, DType, Param, ParamKind, Program, ScalarType, StateKind, Vector};
use flashpage_codegen::spec::ValueLayout;
use half::{bf16, f16};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::StandardNormal;
use std::collections::{BTreeMap, BTreeSet};

/// A batch to make up.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Element type of q.
    pub dtype: DType,
    /// Element type of k and v, instead of the usual one of the kernel ([`Program::kv_type`]).
    pub kv_dtype: Option<DType>,
    /// Element type of o, instead of the usual one of the kernel ([`Program::output_type`]).
    pub output: Option<DType>,
    /// Head dimensions.
    pub head_dim: HeadDim,
    /// Query heads.
    pub q_heads: usize,
    /// KV heads.
    pub kv_heads: usize,
    /// Query and key length of each sequence.
    pub lens: Vec<(usize, usize)>,
    /// Tokens per block, for paged kernels.
    pub block_size: usize,
    /// Layout of the pools, for paged kernels.
    pub layout: PoolLayout,
    /// Whether values lie transposed in theirs.
    pub values: ValueLayout,
    /// Seed of everything random.
    pub seed: u64,
    /// Values of scalar parameters by name, instead of the defaults: `scale` is 1/√head_dim, `window` reaches
    /// everything, other f32 are 1, other i32 are 0, flags are false.
    pub scalars: BTreeMap<String, f64>,
}

impl Default for Problem {
    fn default() -> Self {
        Problem {
            dtype: DType::F16,
            kv_dtype: None,
            output: None,
            head_dim: 64.into(),
            q_heads: 1,
            kv_heads: 1,
            lens: vec![(64, 64)],
            block_size: 16,
            layout: PoolLayout::Nhd,
            values: ValueLayout::Rows,
            seed: 1,
            scalars: BTreeMap::new(),
        }
    }
}

/// Why a problem cannot be made.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemError {
    /// A scalar that the kernel does not have.
    #[error("kernel `{kernel}` has no scalar `{name}`: it has {known}")]
    UnknownScalar {
        /// The kernel.
        kernel: String,
        /// What was set.
        name: String,
        /// What could be.
        known: String,
    },
    /// A block size of nothing.
    #[error("a block size of 0 holds no tokens: use 8, 16, 32, …")]
    BlockSize,
    /// More than there is memory for.
    #[error(
        "{tokens} query tokens and keys of {heads} heads of {head_dim} take about {bytes} bytes with their reference, and there \
         is memory for {most}: make the lengths or the heads smaller"
    )]
    TooLarge {
        /// Tokens of all sequences, queries and keys.
        tokens: usize,
        /// Query and KV heads.
        heads: usize,
        /// Head dimensions.
        head_dim: HeadDim,
        /// Bytes that they take.
        bytes: usize,
        /// Bytes that they may.
        most: u64,
    },
    /// An element type that inputs cannot have.
    #[error("inputs are f16, bf16, f32, e4m3 or e5m2, not {0}")]
    DType(DType),
    /// Starts or tables that do not fit.
    #[error(transparent)]
    Args(#[from] ArgsError),
    /// A tensor that cannot be made.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

/// A problem's tensors on a device, one entry for each of a program's parameters.
#[derive(Debug)]
pub struct Inputs {
    items: Vec<Item>,
}

#[derive(Debug)]
enum Item {
    Ragged(Tensor, Starts),
    Pool(Tensor, PoolLayout),
    Table(BlockTable),
    Output(Tensor),
    Vector(Tensor),
    BitMask(BitMask),
    F32(f32),
    I32(i32),
    Bool(bool),
}

impl Inputs {
    /// The launch arguments, in order.
    pub fn arguments(&self) -> Vec<Argument<'_>> {
        fn argument(item: &Item) -> Argument<'_> {
            match item {
                Item::Ragged(tensor, starts) => Argument::Ragged(Ragged { tensor, starts }),
                Item::Pool(tensor, layout) => Argument::Pool(Pool { tensor, layout: *layout }),
                Item::Table(table) => Argument::Table(table),
                Item::Output(tensor) => Argument::Output(tensor),
                Item::Vector(tensor) => Argument::Vector(tensor),
                Item::BitMask(mask) => Argument::BitMask(mask),
                Item::F32(value) => Argument::F32(*value),
                Item::I32(value) => Argument::I32(*value),
                Item::Bool(value) => Argument::Bool(*value),
            }
        }
        self.items.iter().map(argument).collect()
    }

    /// The output tensor of parameter `index`, if it is one.
    pub fn output(&self, index: usize) -> Option<&Tensor> {
        match self.items.get(index) {
            Some(Item::Output(tensor)) => Some(tensor),
            _ => None,
        }
    }
}

/// Most numbers of a made-up bias.
const MOST_BIAS: usize = 1 << 22;

/// Tokens of a made-up document, on average.
const DOCUMENT: u32 = 24;

/// Blocks of a made-up pool that no sequence uses, full of NaN.
const SPARE_BLOCKS: usize = 3;

/// Whether a row had no keys where it began: its earlier output is nobody's to read.
fn saw_nothing(row: usize) -> bool {
    row % 5 == 3
}

fn narrowed<N>(numbers: &[f32], narrow: fn(f32) -> N) -> Vec<N> {
    numbers.iter().map(|number| narrow(*number)).collect()
}

/// What table entries past a sequence's last block hold.
const ABSURD: [i32; 3] = [2_147_480_000, -7, i32::MIN];

impl Problem {
    /// Makes the inputs of `program` on `device`.
    ///
    /// # Errors
    /// Scalars that the program does not have, a block size of 0, or a device out of memory.
    pub fn inputs(&self, device: &Device, program: &Program) -> Result<Inputs, ProblemError> {
        self.check_scalars(program)?;
        if let Some(other) =
            [Some(self.dtype), self.kv_dtype].into_iter().flatten().find(|d| *d == DType::I32)
        {
            return Err(ProblemError::DType(other));
        }
        self.check_size(device)?;
        let mut rng = StdRng::seed_from_u64(self.seed);
        let table = self.table(&mut rng)?;
        let lens = |of: fn(&(usize, usize)) -> usize| -> Vec<i32> {
            self.lens.iter().map(|pair| i32::try_from(of(pair)).unwrap_or(i32::MAX)).collect()
        };
        let (q_lens, kv_lens) = (lens(|pair| pair.0), lens(|pair| pair.1));
        let q_tokens: usize = self.lens.iter().map(|pair| pair.0).sum();
        let kv_tokens: usize = self.lens.iter().map(|pair| pair.1).sum();
        let kv_dtype = self.kv_dtype_of(program);
        let mut items = Vec::new();
        for param in &program.params {
            // As asked, even where the author fixed another number: it is for the launch to refuse that.
            let is_qk = param.dim.is_some_and(|dim| program.dims.get(dim.0) == Some(program.qk_dim()));
            let width = if is_qk { self.head_dim.qk } else { self.head_dim.v };
            items.push(match param.kind {
                ParamKind::Query => {
                    let shape = [q_tokens, self.q_heads, width];
                    let query = self.random(device, self.dtype, &shape, &mut rng)?;
                    Item::Ragged(query, Starts::from_lens(device, &q_lens)?)
                }
                ParamKind::Keys | ParamKind::Values => {
                    let shape = [kv_tokens, self.kv_heads, width];
                    let numbers = self.random(device, kv_dtype, &shape, &mut rng)?;
                    Item::Ragged(numbers, Starts::from_lens(device, &kv_lens)?)
                }
                ParamKind::PagedKeys | ParamKind::PagedValues => {
                    let layout = match (param.kind, self.values) {
                        (ParamKind::PagedValues, ValueLayout::Transposed) => PoolLayout::Transposed,
                        _ => self.layout,
                    };
                    Item::Pool(self.pool(device, &table, (kv_dtype, width, layout), &mut rng)?, layout)
                }
                ParamKind::BlockTable => {
                    Item::Table(BlockTable::new(device, &table.entries, table.width, &kv_lens)?)
                }
                ParamKind::Output => {
                    let dtype = self.output.unwrap_or_else(|| program.output_type(self.dtype));
                    Item::Output(Tensor::filled_nan(device, dtype, &[q_tokens, self.q_heads, width])?)
                }
                ParamKind::RowOutput => {
                    Item::Output(Tensor::filled_nan(device, DType::F32, &[q_tokens, self.q_heads])?)
                }
                ParamKind::RowInput => {
                    let shape = [q_tokens, self.q_heads];
                    let mut numbers: Vec<f32> =
                        (0..q_tokens * self.q_heads).map(|_| rng.sample(StandardNormal)).collect();
                    if program.states.iter().any(|state| state.from.is_some()) {
                        // A log-sum-exp of some keys, or of none.
                        for (row, number) in numbers.iter_mut().enumerate() {
                            *number = if saw_nothing(row) { f32::NEG_INFINITY } else { 3.0 + 2.0 * *number };
                        }
                    }
                    Item::Vector(Tensor::from_slice(device, &numbers, &shape)?)
                }
                ParamKind::Input => {
                    let dtype = self.output.unwrap_or_else(|| program.output_type(self.dtype));
                    let rows = q_tokens * self.q_heads;
                    let mut numbers: Vec<f32> =
                        (0..rows * width).map(|_| rng.sample(StandardNormal)).collect();
                    let has_softmax =
                        program.states.iter().any(|state| state.kind == StateKind::OnlineSoftmax);
                    let is_read = |row: usize| !saw_nothing(row) || !has_softmax;
                    for (row, line) in
                        numbers.chunks_mut(width.max(1)).enumerate().filter(|(row, _)| !is_read(*row))
                    {
                        line.fill(if row % 2 == 0 { f32::NAN } else { f32::INFINITY });
                    }
                    let shape = [q_tokens, self.q_heads, width];
                    Item::Vector(match dtype {
                        DType::F16 => Tensor::from_slice(device, &narrowed(&numbers, f16::from_f32), &shape)?,
                        DType::Bf16 => {
                            Tensor::from_slice(device, &narrowed(&numbers, bf16::from_f32), &shape)?
                        }
                        _ => Tensor::from_slice(device, &numbers, &shape)?,
                    })
                }
                ParamKind::KeyOutput => {
                    let dtype = self.output.unwrap_or_else(|| program.output_type(self.dtype));
                    Item::Output(Tensor::filled_nan(device, dtype, &[kv_tokens, self.kv_heads, width])?)
                }
                ParamKind::ColOutput => {
                    Item::Output(Tensor::filled_nan(device, DType::F32, &[kv_tokens, self.kv_heads])?)
                }
                ParamKind::Vector(vector) => self.vector(device, vector, &kv_lens, &mut rng)?,
                ParamKind::Bias(own) => {
                    let (shape, dtype) = (self.bias_shape(), own.unwrap_or(self.dtype));
                    let count = shape.iter().product();
                    Item::Vector(match dtype {
                        DType::F32 => {
                            let numbers: Vec<f32> = (0..count).map(|_| rng.sample(StandardNormal)).collect();
                            Tensor::from_slice(device, &numbers, &shape)?
                        }
                        _ => Tensor::from_bytes(device, dtype, &normals(dtype, count, &mut rng), &shape)?,
                    })
                }
                ParamKind::BitMask => Item::BitMask(self.bits(device, &mut rng)?),
                ParamKind::Scalar(kind) => self.scalar(param, kind),
            });
        }
        Ok(Inputs { items })
    }

    /// Three square matrices of `n` rows: two random, and one that holds NaN.
    ///
    /// # Errors
    /// A device out of memory.
    pub fn matrices(&self, device: &Device, n: usize) -> Result<[Tensor; 3], TensorError> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut random =
            || Tensor::from_bytes(device, self.dtype, &normals(self.dtype, n * n, &mut rng), &[n, n]);
        Ok([random()?, random()?, Tensor::filled_nan(device, self.dtype, &[n, n])?])
    }

    /// Whether there is memory for it, before any is asked for.
    fn check_size(&self, device: &Device) -> Result<(), ProblemError> {
        let sum =
            |of: fn(&(usize, usize)) -> usize| self.lens.iter().map(of).fold(0usize, usize::saturating_add);
        let (q_tokens, kv_tokens) = (sum(|pair| pair.0), sum(|pair| pair.1));
        let HeadDim { qk, v } = self.head_dim;
        let row = |heads: usize| heads.saturating_mul(qk.saturating_add(v) / 2);
        // A block that is not full is there nevertheless, and so are a few that nobody uses.
        let spare = self.block_size.saturating_mul(self.lens.len().saturating_add(SPARE_BLOCKS));
        let keys = kv_tokens.saturating_add(spare).saturating_mul(row(self.kv_heads));
        let queries = q_tokens.saturating_mul(row(self.q_heads));
        // Inputs here and on the device, where the emulator keeps two bytes for each of 16 bits; outputs as f64 besides.
        let inputs = keys.saturating_mul(2).saturating_add(queries).saturating_mul(3 * self.dtype.bytes());
        let outputs = queries.saturating_mul(6 + 24);
        let longest = self.lens.iter().map(|pair| pair.1).max().unwrap_or(0);
        let table = self.lens.len().saturating_mul(longest / self.block_size.max(1)).saturating_mul(16);
        let bytes = inputs.saturating_add(outputs).saturating_add(table);
        let most = device.memory_bytes().saturating_mul(2);
        if bytes as u64 <= most {
            return Ok(());
        }
        Err(ProblemError::TooLarge {
            tokens: q_tokens.saturating_add(kv_tokens),
            heads: self.q_heads.saturating_add(self.kv_heads),
            head_dim: self.head_dim,
            bytes,
            most,
        })
    }

    fn check_scalars(&self, program: &Program) -> Result<(), ProblemError> {
        let known: Vec<&str> = program
            .params
            .iter()
            .filter(|param| matches!(param.kind, ParamKind::Scalar(_)))
            .map(|param| param.name.as_str())
            .collect();
        match self.scalars.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(ProblemError::UnknownScalar {
                kernel: program.name.clone(),
                name: name.clone(),
                known: if known.is_empty() { "none".into() } else { known.join(", ") },
            }),
        }
    }

    fn scalar(&self, param: &Param, kind: ScalarType) -> Item {
        let given = self.scalars.get(&param.name).copied();
        match kind {
            ScalarType::F32 => {
                let default =
                    if param.name == "scale" { 1.0 / (self.head_dim.qk as f64).sqrt() } else { 1.0 };
                Item::F32(given.unwrap_or(default) as f32)
            }
            ScalarType::I32 => {
                let default = if param.name == "window" { f64::from(i32::MAX) } else { 0.0 };
                Item::I32(given.unwrap_or(default) as i32)
            }
            ScalarType::Bool => Item::Bool(given.is_some_and(|value| value != 0.0)),
        }
    }

    /// Of heads and sequences: floats are slopes as ALiBi has them, a geometric series, integers the numbers from 0 on. Of
    /// tokens: floats are random, integers grow along a sequence now and then, as the ids of documents do.
    fn vector(
        &self,
        device: &Device,
        Vector { along, element }: Vector,
        kv_lens: &[i32],
        rng: &mut StdRng,
    ) -> Result<Item, ProblemError> {
        let lens: Vec<usize> = match along {
            Along::Heads => vec![self.q_heads],
            Along::Sequences => vec![self.lens.len()],
            Along::KvHeads => vec![self.kv_heads; self.lens.len()],
            Along::Queries => self.lens.iter().map(|pair| pair.0).collect(),
            Along::Keys => self.lens.iter().map(|pair| pair.1).collect(),
        };
        let length = lens.iter().sum();
        let tensor = match (element, along.is_of_sequence()) {
            // Scales: about those of values whose largest is some numbers of eight bits.
            _ if along == Along::KvHeads => {
                let numbers: Vec<f32> = (0..length).map(|_| rng.random_range(0.5..2.0)).collect();
                Tensor::from_slice(device, &numbers, &[self.lens.len(), self.kv_heads])?
            }
            (ScalarType::I32, false) => {
                Tensor::from_slice(device, &(0..length as i32).collect::<Vec<_>>(), &[length])?
            }
            (ScalarType::I32, true) => {
                let mut ids = Vec::with_capacity(length);
                for len in lens {
                    let mut id = 0;
                    ids.extend((0..len).map(|_| {
                        id += i32::from(rng.random_ratio(1, DOCUMENT));
                        id
                    }));
                }
                Tensor::from_slice(device, &ids, &[length])?
            }
            (_, false) => {
                let slope = |index: usize| (2f32).powf(-8.0 * (index + 1) as f32 / length as f32);
                Tensor::from_slice(device, &(0..length).map(slope).collect::<Vec<_>>(), &[length])?
            }
            (_, true) => {
                let numbers: Vec<f32> = (0..length).map(|_| rng.sample(StandardNormal)).collect();
                Tensor::from_slice(device, &numbers, &[length])?
            }
        };
        Ok(match along {
            Along::Keys => Item::Ragged(tensor, Starts::from_lens(device, kv_lens)?),
            _ => Item::Vector(tensor),
        })
    }

    /// Numbers for every sequence, head, query and key, or the same for some: by the seed, as far as they are not too many.
    fn bias_shape(&self) -> [usize; 4] {
        let longest = |of: fn(&(usize, usize)) -> usize| self.lens.iter().map(of).max().unwrap_or(0).max(1);
        let (rows, columns) = (longest(|pair| pair.0), longest(|pair| pair.1));
        let (sequences, heads) = (self.lens.len(), self.q_heads);
        let shapes = [
            [sequences, heads, rows, columns],
            [1, heads, rows, columns],
            [sequences, 1, rows, columns],
            [1, heads, 1, columns],
            [1, 1, rows, columns],
        ];
        let fits = |shape: &&[usize; 4]| {
            let numbers = shape.iter().fold(1usize, |product, dim| product.saturating_mul(*dim));
            (1..=MOST_BIAS).contains(&numbers)
        };
        let first = (self.seed % shapes.len() as u64) as usize;
        shapes.iter().cycle().skip(first).take(shapes.len()).find(fits).copied().unwrap_or([1, 1, 1, columns])
    }

    /// Three bits of four set, a bit for each query and key.
    fn bits(&self, device: &Device, rng: &mut StdRng) -> Result<BitMask, ArgsError> {
        let (mut bytes, mut starts) = (Vec::new(), vec![0]);
        for (q_len, kv_len) in &self.lens {
            let bits = q_len.saturating_mul(*kv_len);
            bytes.extend((0..bits.div_ceil(8)).map(|_| rng.random::<u8>() | rng.random::<u8>()));
            starts.push(i32::try_from(bytes.len()).map_err(|_| ArgsError::TooManyTokens)?);
        }
        let widths = self.lens.iter().map(|pair| i32::try_from(pair.1).unwrap_or(i32::MAX));
        BitMask::new(device, &bytes, &starts, &widths.collect::<Vec<_>>())
    }

    /// What keys and values of `program` hold.
    pub fn kv_dtype_of(&self, program: &Program) -> DType {
        self.kv_dtype.unwrap_or_else(|| program.kv_type(self.dtype))
    }

    fn random(
        &self,
        device: &Device,
        dtype: DType,
        shape: &[usize],
        rng: &mut StdRng,
    ) -> Result<Tensor, ProblemError> {
        let bytes = normals(dtype, shape.iter().product(), rng);
        Ok(Tensor::from_bytes(device, dtype, &bytes, shape)?)
    }

    fn table(&self, rng: &mut StdRng) -> Result<Table, ProblemError> {
        if self.block_size == 0 {
            return Err(ProblemError::BlockSize);
        }
        let blocks_of = |pair: &(usize, usize)| pair.1.div_ceil(self.block_size);
        let used: usize = self.lens.iter().map(blocks_of).sum();
        let blocks = used + SPARE_BLOCKS;
        let mut physical: Vec<i32> = (0..blocks as i32).collect();
        physical.shuffle(rng);
        let width = self.lens.iter().map(blocks_of).max().unwrap_or(0) + 2;
        let mut entries = Vec::new();
        let mut free = physical.into_iter();
        for pair in &self.lens {
            let own = blocks_of(pair);
            entries.extend(free.by_ref().take(own));
            entries.extend((own..width).map(|_| ABSURD[rng.random_range(0..ABSURD.len())]));
        }
        Ok(Table { entries, width, blocks })
    }

    fn pool(
        &self,
        device: &Device,
        table: &Table,
        (dtype, head_dim, layout): (DType, usize, PoolLayout),
        rng: &mut StdRng,
    ) -> Result<Tensor, ProblemError> {
        let shape = PoolShape {
            blocks: table.blocks,
            block_size: self.block_size,
            kv_heads: self.kv_heads,
            head_dim,
            layout,
        };
        let (mut bytes, size) = (normals(dtype, shape.dims().iter().product(), rng), dtype.bytes());
        let mut poison = |block: usize, tokens: std::ops::Range<usize>| {
            for token in tokens {
                for head in 0..self.kv_heads {
                    let (first, step) = shape.numbers(block, token, head);
                    // Every bit set: a NaN of any type.
                    for number in 0..head_dim {
                        bytes[(first + number * step) * size..][..size].fill(0xFF);
                    }
                }
            }
        };
        let mut unused: BTreeSet<usize> = (0..table.blocks).collect();
        for (sequence, (_, kv_len)) in self.lens.iter().enumerate() {
            let blocks = kv_len.div_ceil(self.block_size);
            for logical in 0..blocks {
                let block = table.entries[sequence * table.width + logical] as usize;
                unused.remove(&block);
                let filled = (kv_len - logical * self.block_size).min(self.block_size);
                poison(block, filled..self.block_size);
            }
        }
        for block in unused {
            poison(block, 0..self.block_size);
        }
        Ok(Tensor::from_bytes(device, dtype, &bytes, &shape.dims())?)
    }
}

struct Table {
    entries: Vec<i32>,
    width: usize,
    blocks: usize,
}
