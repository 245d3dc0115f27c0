//! What the code that `#[attention_kernel]` emits calls. Not for anybody else: it changes without notice.
//!
//! Besides reading a kernel's source again, it is the way from the tensors of a launch to the views that the
//! kernel's function takes on the host: downloaded, checked for type and shape, lengths taken from what the
//! kernel loops over.

use crate::codegen::frontend;
use crate::codegen::program::{Axis, DType, ParamKind, Program};
use crate::dsl::host::{Batch, BlockLayout, HostError, PoolShape};
use crate::dsl::{self, Element};
use crate::runtime::args::{Argument, BitMask, BlockTable, Pool, PoolLayout, Ragged, Starts};
use crate::runtime::launch::LaunchError;
use crate::runtime::tensor::{HostElement, Tensor, TensorError};

/// Reads the source that the macro accepted when the kernel was compiled, with the constants and functions that stand around it.
///
/// # Panics
/// If score functions come back to one another, or are too large when they are written out: no macro sees more of them than one;
/// and if the front end that reads the kernel now is not the one that accepted it.
pub fn program(source: &str, around: &[(&str, frontend::Outer)]) -> Program {
    match frontend::parse_program_source_with(source, around) {
        Ok(program) => program,
        Err(error) => panic!("a kernel cannot be read with the functions that it calls: {error}"),
    }
}

/// What a kernel names as a function around it.
pub fn function(function: impl Marked) -> frontend::Outer {
    frontend::Outer::Function(function.marked())
}

/// What the module beside a function that is marked `#[score_function]` has.
#[diagnostic::on_unimplemented(
    message = "a kernel calls functions that are marked `#[score_function]`",
    label = "this function is not marked",
    note = "write `#[score_function]` above it: it takes numbers, `At` and what is indexed, and gives a number"
)]
pub trait Marked {
    #[doc(hidden)]
    fn marked(self) -> fn() -> frontend::ScoreFunction;
}

impl Marked for fn() -> frontend::ScoreFunction {
    fn marked(self) -> fn() -> frontend::ScoreFunction {
        self
    }
}

/// Why a kernel could not be run on the host over the tensors of a launch.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostRunError {
    /// A tensor holds another type than the reference was asked for.
    #[error("`{param}` holds {holds}, and the reference is of {asked}: call `reference::<{holds}, …>`")]
    Element {
        /// The parameter.
        param: String,
        /// What its tensor holds.
        holds: DType,
        /// The type that the reference was called with.
        asked: &'static str,
    },
    /// A tensor has another shape than the kernel takes.
    #[error("`{param}` has shape {shape:?}, and takes {takes}")]
    Shape {
        /// The parameter.
        param: String,
        /// Its tensor's shape.
        shape: Vec<usize>,
        /// What it takes.
        takes: String,
    },
    /// The kernel ran into something.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A tensor could not be read.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

/// An argument of another kind than its parameter takes.
pub fn kind_error(param: &str, takes: &'static str, given: &Argument<'_>) -> LaunchError {
    LaunchError::Kind { param: param.to_string(), takes, given: given.kind() }
}

/// Another number of arguments than parameters.
pub fn count_error(program: &Program, arguments: &[Argument<'_>]) -> LaunchError {
    let (takes, given) = (program.params.len(), arguments.len());
    LaunchError::ArgumentCount { kernel: program.name.clone(), takes, given }
}

/// The shapes of a launch, checked against each other as far as the host run needs.
#[derive(Debug)]
pub struct Shapes {
    batch: Batch,
    tokens: usize,
    /// Of contiguous keys.
    key_tokens: usize,
}

impl Shapes {
    /// From the arguments of a launch of `program`, one for each parameter, where its head dimensions are `dims`. Queries are of
    /// `T`, keys and values of `C`.
    pub fn of<T: Element, C: Element>(
        program: &Program,
        arguments: &[Argument<'_>],
        dims: &[usize],
    ) -> Result<Shapes, HostRunError> {
        let mut shapes = Shapes {
            batch: Batch { q_starts: vec![0], kv_lens: Vec::new(), q_heads: 0, kv_heads: 0 },
            tokens: 0,
            key_tokens: 0,
        };
        let mut has_query = false;
        for (index, (param, argument)) in program.params.iter().zip(arguments).enumerate() {
            // Where instances own columns, those of the first keys.
            let has_cols = match program.owned() {
                Axis::Rows => program.main_loop.over.0 == index,
                _ => param.kind == ParamKind::Keys && shapes.batch.kv_lens.is_empty(),
            };
            let width = param.dim.and_then(|dim| dims.get(dim.0)).copied().unwrap_or(1);
            match argument {
                Argument::Ragged(_) if matches!(param.kind, ParamKind::Vector(_)) => {}
                Argument::Ragged(ragged) => {
                    match param.kind {
                        ParamKind::Query => typed::<T>(&param.name, ragged.tensor)?,
                        _ => typed::<C>(&param.name, ragged.tensor)?,
                    }
                    let [tokens, heads] = leading(&param.name, ragged.tensor, width)?;
                    if param.kind == ParamKind::Query {
                        let starts = starts(ragged.starts);
                        let first = (&shapes.batch.q_starts, shapes.batch.q_heads);
                        if std::mem::replace(&mut has_query, true) && first != (&starts, heads) {
                            let takes = "as many heads as the query before it, and the same starts";
                            return Err(rank(&param.name, ragged.tensor, takes));
                        }
                        shapes.batch.q_starts = starts;
                        shapes.batch.q_heads = heads;
                        shapes.tokens = tokens;
                    } else {
                        shapes.share_kv_heads(&param.name, ragged.tensor, heads)?;
                        shapes.key_tokens = tokens;
                    }
                    if has_cols {
                        let lens = (0..ragged.starts.sequences()).map(|s| ragged.starts.len_of(s));
                        shapes.batch.kv_lens = lens.collect();
                    }
                }
                Argument::Pool(pool) => {
                    typed::<C>(&param.name, pool.tensor)?;
                    let shape = pool_shape(&param.name, pool, width)?;
                    shapes.share_kv_heads(&param.name, pool.tensor, shape.kv_heads)?;
                }
                Argument::Table(table) if has_cols => {
                    // A table has no negative lengths.
                    let lens = table.seq_lens().iter().map(|&len| len as usize);
                    shapes.batch.kv_lens = lens.collect();
                }
                _ => {}
            }
        }
        Ok(shapes)
    }

    /// All keys and values have as many heads.
    fn share_kv_heads(&mut self, param: &str, tensor: &Tensor, heads: usize) -> Result<(), HostRunError> {
        match self.batch.kv_heads {
            0 => self.batch.kv_heads = heads,
            known if known == heads => {}
            known => {
                let takes = format!("{known} heads, as the keys or values before it");
                return Err(HostRunError::Shape {
                    param: param.to_string(),
                    shape: tensor.shape().to_vec(),
                    takes,
                });
            }
        }
        Ok(())
    }

    /// What the host driver takes.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Query heads.
    pub fn q_heads(&self) -> usize {
        self.batch.q_heads
    }

    /// Key and value heads.
    pub fn kv_heads(&self) -> usize {
        self.batch.kv_heads
    }

    /// Downloads queries, keys or values.
    pub fn tokens<T: Element>(&self, param: &str, from: &Ragged<'_>) -> Result<Tokens<T>, HostRunError> {
        let heads = match from.tensor.shape() {
            [_, heads, _] => *heads,
            _ => return Err(rank(param, from.tensor, "[tokens, heads, head_dim]")),
        };
        Ok(Tokens { data: download(from.tensor)?, heads, starts: starts(from.starts) })
    }

    /// Downloads a pool.
    pub fn blocks<T: Element>(&self, param: &str, from: &Pool<'_>) -> Result<Blocks<T>, HostRunError> {
        let Some(shape) = from.shape() else {
            return Err(rank(param, from.tensor, from.layout.dims()));
        };
        let layout = match shape.layout {
            PoolLayout::Nhd => BlockLayout::Nhd,
            PoolLayout::Hnd | PoolLayout::Transposed => BlockLayout::Hnd,
        };
        let shape = PoolShape {
            blocks: shape.blocks,
            block_size: shape.block_size,
            kv_heads: shape.kv_heads,
            layout,
        };
        let data = from.by_rows_as_f32()?.into_iter().map(T::from_f32).collect();
        Ok(Blocks { data, shape })
    }

    /// A table's entries.
    pub fn table(&self, from: &BlockTable) -> Table {
        let rows = (0..from.sequences()).flat_map(|sequence| from.row(sequence));
        Table { entries: rows.copied().collect(), width: from.width() }
    }

    /// Downloads a vector of numbers.
    pub fn vector<S: HostElement>(&self, from: &Tensor) -> Result<Vec<S>, HostRunError> {
        Ok(from.to_vec()?)
    }

    /// Downloads a vector with numbers of each sequence, and where those begin.
    pub fn ragged_vector<S: HostElement>(
        &self,
        from: &Ragged<'_>,
    ) -> Result<(Vec<S>, Vec<usize>), HostRunError> {
        Ok((from.tensor.to_vec()?, starts(from.starts)))
    }

    /// Downloads a bias, and its shape.
    pub fn bias<T: Element>(&self, param: &str, from: &Tensor) -> Result<(Vec<T>, [usize; 4]), HostRunError> {
        typed::<T>(param, from)?;
        let given = from.shape();
        let mut shape = [1; 4];
        let Some(missing) = shape.len().checked_sub(given.len()) else {
            return Err(rank(param, from, "two to four dimensions"));
        };
        shape[missing..].copy_from_slice(given);
        Ok((download(from)?, shape))
    }

    /// A mask's bytes, where those of each sequence begin, and how many columns it has.
    pub fn bits(&self, from: &BitMask) -> (Vec<u8>, Vec<usize>, Vec<usize>) {
        // Checked when the mask was made: none is negative.
        let numbers = |of: &[i32]| of.iter().map(|&number| number as usize).collect();
        (from.bytes().to_vec(), numbers(from.starts()), numbers(from.widths()))
    }

    /// Downloads a number for each query and head.
    pub fn row_numbers(&self, param: &str, from: &Tensor) -> Result<Vec<f32>, HostRunError> {
        if *from.shape() != [self.tokens, self.batch.q_heads] {
            return Err(rank(param, from, &format!("[{}, {}]", self.tokens, self.batch.q_heads)));
        }
        Ok(from.to_vec()?)
    }

    /// What an output begins as: `width` numbers per query and query head.
    pub fn earlier<T: Element>(
        &self,
        param: &str,
        from: &Tensor,
        width: usize,
    ) -> Result<Vec<T>, HostRunError> {
        if *from.shape() != [self.tokens, self.batch.q_heads, width] {
            return Err(rank(param, from, &format!("[{}, {}, {width}]", self.tokens, self.batch.q_heads)));
        }
        download(from)
    }

    /// Room for `width` numbers per key and KV head. NaN, so that a column that nobody writes is seen.
    pub fn key_output(&self, width: usize) -> Vec<f32> {
        vec![f32::NAN; self.key_tokens * self.batch.kv_heads * width]
    }

    /// Room for `width` numbers per query and head. NaN, so that a row that nobody writes is seen.
    pub fn output(&self, width: usize) -> Vec<f32> {
        vec![f32::NAN; self.tokens * self.batch.q_heads * width]
    }
}

/// Queries, keys or values on the host.
#[derive(Debug)]
pub struct Tokens<T> {
    data: Vec<T>,
    heads: usize,
    starts: Vec<usize>,
}

impl<T: Element> Tokens<T> {
    /// As queries.
    pub fn query<const D: usize>(&self) -> dsl::Query<'_, T, D> {
        dsl::Query::packed(&self.data, self.heads)
    }

    /// As keys.
    pub fn keys<const D: usize>(&self) -> dsl::Keys<'_, T, D> {
        dsl::Keys::packed(&self.data, self.heads, &self.starts)
    }

    /// As values.
    pub fn values<const D: usize>(&self) -> dsl::Values<'_, T, D> {
        dsl::Values::packed(&self.data, self.heads, &self.starts)
    }
}

/// A pool of blocks on the host.
#[derive(Debug)]
pub struct Blocks<T> {
    data: Vec<T>,
    shape: PoolShape,
}

impl<T: Element> Blocks<T> {
    /// As keys.
    pub fn keys<const D: usize>(&self) -> dsl::PagedKeys<'_, T, D> {
        dsl::PagedKeys::new(&self.data, self.shape)
    }

    /// As values.
    pub fn values<const D: usize>(&self) -> dsl::PagedValues<'_, T, D> {
        dsl::PagedValues::new(&self.data, self.shape)
    }
}

/// A block table on the host.
#[derive(Debug)]
pub struct Table {
    entries: Vec<i32>,
    width: usize,
}

impl Table {
    /// As the kernel takes it.
    pub fn view(&self) -> dsl::BlockTable<'_> {
        dsl::BlockTable::new(&self.entries, self.width)
    }
}

fn starts(starts: &Starts) -> Vec<usize> {
    // `Starts` are checked when they are made: none is negative.
    starts.as_slice().iter().map(|&start| start as usize).collect()
}

fn typed<T: Element>(param: &str, tensor: &Tensor) -> Result<(), HostRunError> {
    if tensor.dtype().as_str() == T::NAME {
        return Ok(());
    }
    Err(HostRunError::Element { param: param.to_string(), holds: tensor.dtype(), asked: T::NAME })
}

/// The first two dimensions of `[tokens, heads, head_dim]`.
fn leading(param: &str, tensor: &Tensor, head_dim: usize) -> Result<[usize; 2], HostRunError> {
    match *tensor.shape() {
        [tokens, heads, last] if last == head_dim => Ok([tokens, heads]),
        _ => Err(rank(param, tensor, &format!("[tokens, heads, {head_dim}]"))),
    }
}

fn pool_shape(
    param: &str,
    pool: &Pool<'_>,
    head_dim: usize,
) -> Result<crate::runtime::args::PoolShape, HostRunError> {
    match pool.shape() {
        Some(shape) if shape.head_dim == head_dim => Ok(shape),
        _ => Err(rank(param, pool.tensor, &format!("{}, with head_dim {head_dim}", pool.layout.dims()))),
    }
}

fn rank(param: &str, tensor: &Tensor, takes: &str) -> HostRunError {
    HostRunError::Shape { param: param.to_string(), shape: tensor.shape().to_vec(), takes: takes.to_string() }
}

/// The elements, exactly: every value of 16 or 8 bits is an f32.
fn download<T: Element>(tensor: &Tensor) -> Result<Vec<T>, HostRunError> {
    Ok(tensor.to_f32_vec()?.into_iter().map(T::from_f32).collect())
}
