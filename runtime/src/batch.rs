//! The arguments of a launch checked against the kernel's parameters, and the shapes that follow from them.
//!
//! Whatever a kernel could be led astray by is refused here, before anything is compiled or launched: a table
//! entry outside the pool, a sequence longer than its row of the table, heads that do not divide. The
//! reference goes through the same door, so it too sees only good arguments.

use crate::args::{Argument, BlockTable, PoolLayout, PoolShape, Ragged};
use crate::device::Device;
use crate::launch_error::LaunchError;
use crate::tensor::Tensor;
use flashpage_codegen::HeadDim;
use flashpage_codegen::program::{
    Along, Axis, DType, ElementOf, Expr, Generic, Param, ParamId, ParamKind, Program, ScalarType, Size,
    Vector,
};
use flashpage_codegen::spec::{ValueLayout, takes_block_size};

/// Checked arguments and the shapes of the batch.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub program: &'a Program,
    pub arguments: &'a [Argument<'a>],
    pub query: Ragged<'a>,
    /// Of the query.
    pub dtype: DType,
    /// Of keys and values; of a program without any, as the query.
    pub kv_dtype: DType,
    /// Of the output; of a program without one, as the inputs.
    pub output: DType,
    pub head_dim: HeadDim,
    pub q_heads: usize,
    pub kv_heads: usize,
    /// Tokens per block, of a paged kernel.
    pub block_size: Option<usize>,
    /// How the values of a paged kernel lie.
    pub values: ValueLayout,
    /// Keys of each sequence.
    pub kv_lens: Vec<usize>,
}

impl<'a> Batch<'a> {
    /// Checks everything that can be checked without looking into the tensors of the device.
    pub(crate) fn check(
        program: &'a Program,
        arguments: &'a [Argument<'a>],
    ) -> Result<Batch<'a>, LaunchError> {
        if program.params.len() != arguments.len() {
            return Err(LaunchError::ArgumentCount {
                kernel: program.name.clone(),
                takes: program.params.len(),
                given: arguments.len(),
            });
        }
        for (param, argument) in program.params.iter().zip(arguments) {
            check_kind(&param.name, param.kind, argument)?;
        }
        let missing = |what| LaunchError::MissingParameter { kernel: program.name.clone(), what };
        let (q_param, query) = arguments
            .iter()
            .enumerate()
            .find_map(|(index, argument)| match (program.params[index].kind, argument) {
                (ParamKind::Query, Argument::Ragged(ragged)) => Some((ParamId(index), *ragged)),
                _ => None,
            })
            .ok_or_else(|| missing("`Query`"))?;
        let [_, q_heads, head_dim] = three(program, q_param, query.tensor)?;
        let mut batch = Batch {
            program,
            arguments,
            query,
            dtype: query.tensor.dtype(),
            kv_dtype: query.tensor.dtype(),
            output: query.tensor.dtype(),
            head_dim: head_dim.into(),
            q_heads,
            kv_heads: 0,
            block_size: None,
            values: ValueLayout::Rows,
            kv_lens: Vec::new(),
        };
        let width = |argument: &Argument<'_>| match argument {
            Argument::Pool(pool) => pool.shape().map(|shape| shape.head_dim),
            argument => argument.tensor()?.shape().last().copied(),
        };
        if let Some(v) = batch.v_param().and_then(|param| width(&batch.arguments[param.0])) {
            batch.head_dim.v = v;
        }
        let outputs = program
            .params
            .iter()
            .zip(arguments)
            .filter(|(param, _)| matches!(param.kind, ParamKind::Output | ParamKind::KeyOutput));
        if let Some(tensor) = outputs.filter_map(|(_, argument)| argument.tensor()).next() {
            batch.output = tensor.dtype();
        }
        let of_kv =
            |param: &&Param| param.element.is_some() && param.kind.element_of() == ElementOf::KeysAndValues;
        if let Some(tensor) = program
            .params
            .iter()
            .zip(arguments)
            .filter(|(param, _)| of_kv(param))
            .find_map(|(_, argument)| argument.tensor())
        {
            batch.kv_dtype = tensor.dtype();
        }
        batch.fixed(q_param)?;
        batch.kv_heads = batch.find_kv_heads().ok_or_else(|| missing("`Keys` or `PagedKeys`"))?;
        if batch.kv_heads == 0 || !q_heads.is_multiple_of(batch.kv_heads) {
            return Err(LaunchError::Heads { q_heads, kv_heads: batch.kv_heads });
        }
        for (index, argument) in arguments.iter().enumerate() {
            batch.argument(ParamId(index), argument)?;
        }
        batch.kv_lens = batch.find_kv_lens()?;
        batch.numbers_of_keys()?;
        batch.bits()?;
        batch.tables()?;
        Ok(batch)
    }

    /// Query heads that share a KV head.
    pub(crate) fn group(&self) -> usize {
        self.q_heads / self.kv_heads
    }

    pub(crate) fn sequences(&self) -> usize {
        self.query.starts.sequences()
    }

    /// The first tensor that has not the query's dimension.
    fn v_param(&self) -> Option<ParamId> {
        let is_other = |param: &flashpage_codegen::program::Param| {
            param.dim.is_some_and(|dim| self.program.dims.get(dim.0) != Some(self.program.qk_dim()))
        };
        self.program.params.iter().position(is_other).map(ParamId)
    }

    /// Numbers of a row of a parameter; 1 where it has no head dimension.
    pub(crate) fn head_dim_of(&self, param: ParamId) -> usize {
        let dim = self.program.params[param.0].dim;
        dim.map_or(1, |dim| self.program.width(dim, self.head_dim))
    }

    /// What a parameter's tensor holds; of one that is no tensor, as the inputs.
    pub(crate) fn dtype_of(&self, param: ParamId) -> DType {
        self.arguments[param.0].tensor().map_or(self.dtype, Tensor::dtype)
    }

    /// The name of a parameter.
    pub(crate) fn name(&self, param: ParamId) -> &str {
        &self.program.params[param.0].name
    }

    /// Elements from one block, token and head of a parameter's tensor to the next; 0 where there are none.
    pub(crate) fn strides(&self, param: ParamId) -> (usize, usize, usize) {
        match &self.arguments[param.0] {
            Argument::Pool(pool) => pool.shape().map_or((0, 0, 0), |shape| shape.strides()),
            Argument::Ragged(Ragged { tensor, .. }) | Argument::Output(tensor) | Argument::Vector(tensor) => {
                let head_dim = self.head_dim_of(param);
                (0, tensor.shape().get(1).copied().unwrap_or(0) * head_dim, head_dim)
            }
            _ => (0, 0, 0),
        }
    }

    /// Every tensor must be on `device`.
    pub(crate) fn on_device(&self, device: &Device) -> Result<(), LaunchError> {
        for (param, argument) in self.program.params.iter().zip(self.arguments) {
            let tensors: Vec<&Tensor> = match argument {
                Argument::Ragged(ragged) => vec![ragged.tensor, ragged.starts.tensor()],
                Argument::Pool(pool) => vec![pool.tensor],
                Argument::Table(table) => vec![table.entries_tensor(), table.seq_lens_tensor()],
                Argument::Output(tensor) | Argument::Vector(tensor) => vec![tensor],
                Argument::BitMask(mask) => {
                    vec![mask.words_tensor(), mask.starts_tensor(), mask.widths_tensor()]
                }
                Argument::F32(_) | Argument::I32(_) | Argument::Bool(_) => Vec::new(),
            };
            if let Some(tensor) = tensors.into_iter().find(|tensor| !tensor.device().is_same(device)) {
                return Err(LaunchError::OtherDevice {
                    param: param.name.clone(),
                    given: tensor.device().name(),
                    device: device.name(),
                });
            }
        }
        Ok(())
    }

    /// What the kernel's author fixed.
    fn fixed(&self, query: ParamId) -> Result<(), LaunchError> {
        if let Generic::Fixed(dtype) = *self.program.input_element()
            && dtype != self.dtype
        {
            return Err(LaunchError::DType {
                param: self.name(query).to_string(),
                takes: dtype,
                given: self.dtype,
                why: format!("kernel `{}` is written for {dtype}", self.program.name),
            });
        }
        if let Err(error) = self.program.takes(self.head_dim) {
            let is_query = matches!(self.program.qk_dim(), Generic::Fixed(dim) if *dim != self.head_dim.qk);
            let param = self.v_param().filter(|_| !is_query).unwrap_or(query);
            let tensor = self.arguments[param.0].tensor().unwrap_or(self.query.tensor);
            return Err(self.shape_error(param, tensor, error.to_string()));
        }
        Ok(())
    }

    fn find_kv_heads(&self) -> Option<usize> {
        self.program.params.iter().zip(self.arguments).find_map(|(param, argument)| {
            match (param.kind, argument) {
                (ParamKind::Keys, Argument::Ragged(ragged)) => ragged.tensor.shape().get(1).copied(),
                (ParamKind::PagedKeys, Argument::Pool(pool)) => pool.shape().map(|shape| shape.kv_heads),
                _ => None,
            }
            // A tensor of too few dimensions is named when its shape is checked.
            .or(matches!(param.kind, ParamKind::Keys | ParamKind::PagedKeys).then_some(1))
        })
    }

    fn shape_error(&self, param: ParamId, tensor: &Tensor, takes: String) -> LaunchError {
        LaunchError::Shape { param: self.name(param).to_string(), given: tensor.shape().to_vec(), takes }
    }

    /// A tensor's element type and shape.
    fn tensor(
        &self,
        param: ParamId,
        tensor: &Tensor,
        dtype: DType,
        dims: &[usize],
        names: &str,
    ) -> Result<(), LaunchError> {
        if tensor.dtype() != dtype {
            let why = if dtype == self.dtype { "as the queries do" } else { "whatever the queries hold" };
            return Err(LaunchError::DType {
                param: self.name(param).to_string(),
                takes: dtype,
                given: tensor.dtype(),
                why: why.to_string(),
            });
        }
        if tensor.shape() != dims {
            return Err(self.shape_error(param, tensor, format!("it takes {names} = {dims:?}")));
        }
        Ok(())
    }

    fn argument(&mut self, param: ParamId, argument: &Argument<'a>) -> Result<(), LaunchError> {
        let kind = self.program.params[param.0].kind;
        let names = kind.ty().shape("head_dim");
        match argument {
            Argument::Ragged(ragged) => {
                let (dtype, tokens) = match kind {
                    ParamKind::Vector(vector) => {
                        (number_type(vector), ragged.tensor.shape().first().copied().unwrap_or(0))
                    }
                    ParamKind::Keys | ParamKind::Values => {
                        let [tokens, ..] = three(self.program, param, ragged.tensor)?;
                        (self.kv_dtype(param, ragged.tensor)?, tokens)
                    }
                    _ => (self.dtype, three(self.program, param, ragged.tensor)?[0]),
                };
                self.tensor(param, ragged.tensor, dtype, &self.dims(param, ragged.tensor), &names)?;
                self.same_sequences(param, ragged.starts.sequences())?;
                if ragged.starts.tokens() > tokens {
                    let end = ragged.starts.tokens();
                    return Err(LaunchError::StartsPastEnd {
                        param: self.name(param).to_string(),
                        end,
                        tokens,
                    });
                }
            }
            Argument::Pool(pool) => {
                let names = pool.layout.dims();
                if pool.layout == PoolLayout::Transposed {
                    if kind != ParamKind::PagedValues {
                        let takes = "keys lie by rows: it takes the layout Nhd or Hnd".to_owned();
                        return Err(self.shape_error(param, pool.tensor, takes));
                    }
                    self.values = ValueLayout::Transposed;
                }
                let Some(shape) = pool.shape() else {
                    return Err(self.shape_error(param, pool.tensor, format!("it takes {names}")));
                };
                if !takes_block_size(shape.block_size) {
                    let param = self.name(param).to_string();
                    return Err(LaunchError::BlockSize { param, block_size: shape.block_size });
                }
                let block_size = *self.block_size.get_or_insert(shape.block_size);
                let (kv_heads, head_dim) = (self.kv_heads, self.head_dim_of(param));
                let wanted = PoolShape { block_size, kv_heads, head_dim, ..shape };
                let dtype = self.kv_dtype(param, pool.tensor)?;
                self.tensor(param, pool.tensor, dtype, &wanted.dims(), names)?;
            }
            Argument::Table(table) => self.same_sequences(param, table.sequences())?,
            Argument::Vector(tensor) if matches!(kind, ParamKind::Bias(_)) => self.bias(param, tensor)?,
            Argument::BitMask(mask) => self.same_sequences(param, mask.sequences())?,
            Argument::Output(tensor) | Argument::Vector(tensor) => {
                let dtype = match kind {
                    ParamKind::Vector(vector) => number_type(vector),
                    ParamKind::Input | ParamKind::Output | ParamKind::KeyOutput => {
                        self.output_dtype(param, tensor)?
                    }
                    _ => DType::F32,
                };
                self.tensor(param, tensor, dtype, &self.dims(param, tensor), &names)?;
            }
            Argument::F32(value) if !value.is_finite() => {
                return Err(LaunchError::NotFinite { param: self.name(param).to_string(), value: *value });
            }
            Argument::F32(_) | Argument::I32(_) | Argument::Bool(_) => {}
        }
        Ok(())
    }

    /// What an output holds, if the program's can: one of [`Program::output_types`], all outputs the same.
    fn output_dtype(&self, param: ParamId, tensor: &Tensor) -> Result<DType, LaunchError> {
        let (given, types) = (tensor.dtype(), self.program.output_types(self.dtype));
        let kernel = &self.program.name;
        let (takes, why) = match self.program.output_element() {
            _ if types.contains(&given) && given == self.output => return Ok(given),
            _ if types.contains(&given) => (self.output, "as the first output does".to_owned()),
            Generic::Fixed(fixed) => {
                (*fixed, format!("kernel `{kernel}` is written for an output of {fixed}"))
            }
            Generic::Open(_) if types == [self.dtype] => (self.dtype, "as the queries do".to_owned()),
            Generic::Open(_) => {
                (self.dtype, "as the queries do, or one of the others of f16, bf16 and f32".to_owned())
            }
        };
        Err(LaunchError::DType { param: self.name(param).to_string(), takes, given, why })
    }

    /// What keys or values hold, if the program's can: all the same, and the queries' type where they are written with it.
    fn kv_dtype(&self, param: ParamId, tensor: &Tensor) -> Result<DType, LaunchError> {
        let given = tensor.dtype();
        let (takes, why) = match self.program.kv_element() {
            Generic::Fixed(fixed) => {
                (*fixed, format!("kernel `{}` is written for keys and values of {fixed}", self.program.name))
            }
            element if element == self.program.input_element() => {
                (self.dtype, "as the queries do".to_owned())
            }
            element if element == self.program.output_element() => {
                (self.output, "as the output does".to_owned())
            }
            Generic::Open(_) if self.kv_dtype == DType::I32 => {
                (self.dtype, "as the queries do, or one of e4m3 and e5m2".to_owned())
            }
            Generic::Open(_) => (self.kv_dtype, "as the first of keys and values does".to_owned()),
        };
        if given == takes {
            return Ok(given);
        }
        Err(LaunchError::DType { param: self.name(param).to_string(), takes, given, why })
    }

    /// The shape that a parameter's type has in this batch. What is the parameter's own is as `tensor` has it.
    fn dims(&self, param: ParamId, tensor: &Tensor) -> Vec<usize> {
        let one = |(axis, size): (usize, &Size)| match size {
            Size::Tokens => self.query.tensor.shape()[0],
            Size::Sequences => self.sequences(),
            Size::QHeads => self.q_heads,
            Size::KvHeads => self.kv_heads,
            Size::KeyTokens => {
                self.keys().map_or(0, |keys| keys.tensor.shape().first().copied().unwrap_or(0))
            }
            Size::Dim => self.head_dim_of(param),
            Size::Own(_) => tensor.shape().get(axis).copied().unwrap_or(0),
        };
        self.program.params[param.0].kind.ty().axes.iter().enumerate().map(one).collect()
    }

    fn same_sequences(&self, param: ParamId, given: usize) -> Result<(), LaunchError> {
        let sequences = self.sequences();
        if given == sequences {
            return Ok(());
        }
        Err(LaunchError::Sequences { param: self.name(param).to_string(), given, sequences })
    }

    /// Contiguous keys, the first of them.
    fn keys(&self) -> Option<Ragged<'a>> {
        self.program.params.iter().zip(self.arguments).find_map(|(param, argument)| {
            match (param.kind, argument) {
                (ParamKind::Keys, Argument::Ragged(ragged)) => Some(*ragged),
                _ => None,
            }
        })
    }

    /// Key lengths, from what the kernel loops over, or from the keys that its instances own; contiguous keys and values must
    /// agree, and so must queries.
    fn find_kv_lens(&self) -> Result<Vec<usize>, LaunchError> {
        let missing = LaunchError::MissingParameter {
            kernel: self.program.name.clone(),
            what: "`BlockTable` or `Keys` to loop over, as a",
        };
        let own = Argument::Ragged(self.keys().unwrap_or(self.query));
        let over = match self.program.looped() {
            Axis::Rows => Some(&own).filter(|_| self.keys().is_some()),
            _ => self.arguments.get(self.program.main_loop.over.0),
        };
        let lens: Vec<usize> = match over {
            Some(Argument::Table(table)) => table.seq_lens().iter().map(|len| *len as usize).collect(),
            Some(Argument::Ragged(keys)) => (0..self.sequences()).map(|s| keys.starts.len_of(s)).collect(),
            _ => return Err(missing),
        };
        for (param, argument) in self.program.params.iter().zip(self.arguments) {
            if let (ParamKind::Keys | ParamKind::Values, Argument::Ragged(ragged)) = (param.kind, argument) {
                for (sequence, len) in lens.iter().enumerate() {
                    let own = ragged.starts.len_of(sequence);
                    if own != *len {
                        return Err(LaunchError::KeysAndValues { sequence, keys: *len, values: own });
                    }
                }
            }
            if let (ParamKind::Query, Argument::Ragged(ragged)) = (param.kind, argument) {
                for sequence in 0..self.sequences() {
                    let (first, own) = (self.query.starts.len_of(sequence), ragged.starts.len_of(sequence));
                    if own != first {
                        let param = param.name.clone();
                        return Err(LaunchError::Queries { sequence, param, first, given: own });
                    }
                }
            }
        }
        Ok(lens)
    }

    /// Sequences, heads, rows and columns of a bias.
    pub(crate) fn bias_shape(&self, param: ParamId) -> [usize; 4] {
        let given = match &self.arguments[param.0] {
            Argument::Vector(tensor) => tensor.shape(),
            _ => &[],
        };
        let mut shape = [1; 4];
        let missing = shape.len().saturating_sub(given.len());
        shape.iter_mut().skip(missing).zip(given).for_each(|(dim, given)| *dim = *given);
        shape
    }

    /// A bias has a number for whatever the kernel reads without asking.
    fn bias(&self, param: ParamId, tensor: &Tensor) -> Result<(), LaunchError> {
        let dtype = self.program.bias_type(param, self.dtype);
        if tensor.dtype() != dtype {
            let why = if dtype == self.dtype { "as the queries do" } else { "whatever the queries hold" };
            let (param, given) = (self.name(param).to_string(), tensor.dtype());
            return Err(LaunchError::DType { param, takes: dtype, given, why: why.to_string() });
        }
        let [sequences, heads, rows, columns] = self.bias_shape(param);
        let (of_batch, q_heads) = (self.sequences(), self.q_heads);
        let reads = |axis: usize, index: &Expr| self.program.reads_at(param, axis, index);
        let longest = self.query.starts.longest();
        let problem = match () {
            () if !(2..=4).contains(&tensor.shape().len()) => "it takes two to four".to_owned(),
            () if ![1, of_batch].contains(&sequences) => format!("its sequences are 1 or {of_batch}"),
            () if ![1, q_heads].contains(&heads) => format!("its heads are 1 or {q_heads}"),
            () if rows == 0 || columns == 0 => "it has a row and a column at least".to_owned(),
            () if rows != 1 && rows < longest && reads(1, &Expr::Query) => {
                format!("it is read at `at.query`, so its rows are 1, or {longest} at least")
            }
            () => return Ok(()),
        };
        let takes = format!("it takes [sequences or 1, q_heads or 1, rows or 1, columns]: {problem}");
        Err(self.shape_error(param, tensor, takes))
    }

    /// What is read at every query and key has an element for each.
    fn bits(&self) -> Result<(), LaunchError> {
        for (index, (param, argument)) in self.program.params.iter().zip(self.arguments).enumerate() {
            let (id, name) = (ParamId(index), || param.name.clone());
            let keys = self.kv_lens.iter().copied().max().unwrap_or(0);
            match argument {
                Argument::Vector(tensor) if matches!(param.kind, ParamKind::Bias(_)) => {
                    let [.., columns] = self.bias_shape(id);
                    if columns < keys && self.program.reads_at(id, 2, &Expr::Col) {
                        let takes = format!("it is read at `at.col`, so its columns are {keys} at least");
                        return Err(self.shape_error(id, tensor, takes));
                    }
                }
                Argument::BitMask(mask) => {
                    for (sequence, keys) in self.kv_lens.iter().copied().enumerate() {
                        let (rows, width) = (self.query.starts.len_of(sequence), mask.width_of(sequence));
                        let (needs, bits) = (rows.saturating_mul(width), mask.bits_of(sequence));
                        if needs > bits {
                            return Err(LaunchError::TooFewBits {
                                param: name(),
                                sequence,
                                rows,
                                width,
                                bits,
                            });
                        }
                        if needs > u32::MAX as usize {
                            let what = format!("the bits of sequence {sequence} in `{}`", param.name);
                            return Err(LaunchError::TooLarge {
                                what,
                                value: needs,
                                most: u32::MAX as usize,
                            });
                        }
                        let is_narrow = width < keys && self.program.reads_at(id, 1, &Expr::Col);
                        if rows > 0 && (is_narrow || width == 0 && keys > 0) {
                            return Err(LaunchError::NarrowBits { param: name(), sequence, width, keys });
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Every sequence has a number for each of its keys, in what has one for each.
    fn numbers_of_keys(&self) -> Result<(), LaunchError> {
        for (param, argument) in self.program.params.iter().zip(self.arguments) {
            let (ParamKind::Vector(_), Argument::Ragged(ragged)) = (param.kind, argument) else { continue };
            for (sequence, keys) in self.kv_lens.iter().enumerate() {
                let given = ragged.starts.len_of(sequence);
                if given < *keys {
                    let (param, keys) = (param.name.clone(), *keys);
                    return Err(LaunchError::TooFewNumbers { param, sequence, given, keys });
                }
            }
        }
        Ok(())
    }

    /// Every entry in use names a block of every pool.
    fn tables(&self) -> Result<(), LaunchError> {
        let Some(block_size) = self.block_size else { return Ok(()) };
        let tables = self.arguments.iter().filter_map(|argument| match argument {
            Argument::Table(table) => Some(*table),
            _ => None,
        });
        for table in tables {
            for (sequence, len) in self.kv_lens.iter().enumerate() {
                let needs = len.div_ceil(block_size);
                if needs > table.width() {
                    let (len, width) = (*len, table.width());
                    return Err(LaunchError::TableTooShort { sequence, len, needs, block_size, width });
                }
                self.row(table, sequence, needs)?;
            }
        }
        Ok(())
    }

    fn row(&self, table: &BlockTable, sequence: usize, needs: usize) -> Result<(), LaunchError> {
        for (param, argument) in self.program.params.iter().zip(self.arguments) {
            let Argument::Pool(pool) = argument else { continue };
            let blocks = pool.tensor.shape().first().copied().unwrap_or(0);
            for (block, entry) in table.row(sequence)[..needs].iter().enumerate() {
                if usize::try_from(*entry).is_ok_and(|entry| entry < blocks) {
                    continue;
                }
                let (entry, pool) = (*entry, param.name.clone());
                return Err(LaunchError::BlockOutOfRange { sequence, block, entry, pool, blocks });
            }
        }
        Ok(())
    }
}

/// The dimensions of a `[tokens, heads, head_dim]` tensor.
fn three(program: &Program, param: ParamId, tensor: &Tensor) -> Result<[usize; 3], LaunchError> {
    tensor.shape().try_into().map_err(|_| LaunchError::Shape {
        param: program.params[param.0].name.clone(),
        given: tensor.shape().to_vec(),
        takes: "it takes [tokens, heads, head_dim]".into(),
    })
}

/// What a vector's tensor holds.
fn number_type(vector: Vector) -> DType {
    if vector.element == ScalarType::I32 { DType::I32 } else { DType::F32 }
}

fn check_kind(name: &str, kind: ParamKind, argument: &Argument<'_>) -> Result<(), LaunchError> {
    let (fits, takes) = match kind {
        ParamKind::Query => (matches!(argument, Argument::Ragged(_)), "a ragged tensor (queries)"),
        ParamKind::Keys => (matches!(argument, Argument::Ragged(_)), "a ragged tensor (keys)"),
        ParamKind::Values => (matches!(argument, Argument::Ragged(_)), "a ragged tensor (values)"),
        ParamKind::PagedKeys => (matches!(argument, Argument::Pool(_)), "a pool (keys)"),
        ParamKind::PagedValues => (matches!(argument, Argument::Pool(_)), "a pool (values)"),
        ParamKind::BlockTable => (matches!(argument, Argument::Table(_)), "a block table"),
        ParamKind::Output | ParamKind::KeyOutput => (matches!(argument, Argument::Output(_)), "an output"),
        ParamKind::Input => (matches!(argument, Argument::Vector(_)), "a tensor (an earlier output)"),
        ParamKind::RowInput => (matches!(argument, Argument::Vector(_)), "a tensor (one number per row)"),
        ParamKind::ColOutput => {
            (matches!(argument, Argument::Output(_)), "an output (one number per column)")
        }
        ParamKind::RowOutput => (matches!(argument, Argument::Output(_)), "an output (one number per row)"),
        ParamKind::Scalar(ScalarType::F32) => (matches!(argument, Argument::F32(_)), "an f32"),
        ParamKind::Scalar(ScalarType::I32) => (matches!(argument, Argument::I32(_)), "an i32"),
        ParamKind::Scalar(ScalarType::Bool) => (matches!(argument, Argument::Bool(_)), "a bool"),
        ParamKind::Vector(Vector { along: Along::Keys, .. }) => {
            (matches!(argument, Argument::Ragged(_)), "a ragged tensor (a number for each key)")
        }
        ParamKind::Vector(_) => (matches!(argument, Argument::Vector(_)), "a vector"),
        ParamKind::Bias(_) => (matches!(argument, Argument::Vector(_)), "a tensor (a bias)"),
        ParamKind::BitMask => (matches!(argument, Argument::BitMask(_)), "a bit mask"),
    };
    if fits {
        return Ok(());
    }
    Err(LaunchError::Kind { param: name.to_string(), takes, given: argument.kind() })
}
