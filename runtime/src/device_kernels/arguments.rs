//! Checks that the launchers share, and parameters as bytes.

use super::MoveError;
use crate::args::{Pool, PoolLayout, PoolShape};
use crate::device::{Buffer, Device, Launch, Module};
use crate::tensor::Tensor;
use flashpage_codegen::program::DType;
use flashpage_device_kernels::{ACCESS, THREADS};

/// Numbers on a device: a buffer from some byte on. A whole buffer is `(&buffer).into()`.
#[derive(Clone, Copy, Debug)]
pub struct DeviceArray<'a> {
    /// The memory.
    pub buffer: &'a Buffer,
    /// Where the numbers begin.
    pub byte_offset: usize,
}

impl<'a> From<&'a Buffer> for DeviceArray<'a> {
    fn from(buffer: &'a Buffer) -> Self {
        DeviceArray { buffer, byte_offset: 0 }
    }
}

impl<'a> From<&'a Tensor> for DeviceArray<'a> {
    fn from(tensor: &'a Tensor) -> Self {
        tensor.buffer().into()
    }
}

impl DeviceArray<'_> {
    /// The address of `count` numbers of `size` bytes.
    pub(super) fn address(
        self,
        device: &Device,
        name: &'static str,
        count: usize,
        size: usize,
    ) -> Result<u64, MoveError> {
        let (offset, takes) = (self.byte_offset, count.saturating_mul(size));
        let given = self.buffer.len().saturating_sub(offset);
        if given < takes {
            return Err(MoveError::TooShort { name, offset, given, takes });
        }
        if offset % size != 0 {
            return Err(MoveError::Unaligned { name, offset, align: size });
        }
        if !self.buffer.device().is_same(device) {
            return Err(MoveError::OtherDevice(name));
        }
        Ok(self.buffer.address() + offset as u64)
    }
}

/// That a tensor holds `dtype`, whatever `takes` calls it, and is here; its address.
pub(super) fn tensor(
    device: &Device,
    name: &'static str,
    tensor: &Tensor,
    dtype: DType,
    takes: &str,
) -> Result<u64, MoveError> {
    if tensor.dtype() != dtype {
        return Err(MoveError::DType { name, given: tensor.dtype(), takes: takes.to_owned() });
    }
    if !tensor.device().is_same(device) {
        return Err(MoveError::OtherDevice(name));
    }
    Ok(tensor.address())
}

/// That a tensor has this shape.
pub(super) fn shape(name: &'static str, tensor: &Tensor, wanted: &[usize]) -> Result<(), MoveError> {
    if tensor.shape() == wanted {
        return Ok(());
    }
    Err(MoveError::Shape { name, given: tensor.shape().to_vec(), takes: format!("{wanted:?}") })
}

/// A tensor's three dimensions.
pub(super) fn three(name: &'static str, tensor: &Tensor, takes: &str) -> Result<[usize; 3], MoveError> {
    <[usize; 3]>::try_from(tensor.shape()).map_err(|_| MoveError::Shape {
        name,
        given: tensor.shape().to_vec(),
        takes: takes.to_owned(),
    })
}

/// A pool's dimensions, which must make blocks of at least one token.
pub(super) fn pool(name: &'static str, pool: &Pool<'_>) -> Result<PoolShape, MoveError> {
    pool.shape().filter(|shape| shape.block_size > 0).ok_or_else(|| MoveError::Shape {
        name,
        given: pool.tensor.shape().to_vec(),
        takes: format!("{}, and blocks of one token or more", pool.layout.dims()),
    })
}

/// That a pool has a row for each token.
pub(super) fn by_rows(name: &'static str, pool: &Pool<'_>) -> Result<(), MoveError> {
    if pool.layout != PoolLayout::Transposed {
        return Ok(());
    }
    let takes = "the layout Nhd or Hnd: values alone may lie transposed".to_owned();
    Err(MoveError::Shape { name, given: pool.tensor.shape().to_vec(), takes })
}

/// The scale of a pool: 1 where none is given; none where the pool's type has none.
pub(super) fn scale(name: &'static str, pool: DType, scale: Option<f32>) -> Result<f32, MoveError> {
    match (pool, scale) {
        (_, None) => Ok(1.0),
        (DType::E4m3 | DType::E5m2, Some(scale)) if scale.is_finite() && scale > 0.0 => Ok(scale),
        (DType::E4m3 | DType::E5m2, Some(given)) => Err(MoveError::Scale { name, given }),
        (given, Some(_)) => Err(MoveError::NoScale { name, given }),
    }
}

/// A number that a kernel takes in 32 bits, of which `most` are allowed.
pub(super) fn limited(what: &'static str, given: usize, most: usize) -> Result<u32, MoveError> {
    u32::try_from(given).ok().filter(|_| given <= most).ok_or(MoveError::TooMany { what, given, most })
}

/// What a grid's first dimension and an index with a sign can count.
pub(super) const MOST: usize = i32::MAX as usize;

/// What a grid's second dimension can count.
pub(super) const MOST_Y: usize = 65_535;

/// Threads along a row of `head_dim` elements, the narrower side having `narrowest` bytes each, and rows at once.
pub(super) fn threads(head_dim: usize, narrowest: usize, rows: usize) -> [u32; 3] {
    let chunks = head_dim.div_ceil(ACCESS as usize / narrowest).clamp(1, THREADS as usize);
    let rows = (THREADS as usize / chunks).clamp(1, rows.max(1));
    [chunks as u32, rows as u32, 1]
}

/// The parameters of an entry, in order.
#[derive(Default)]
pub(super) struct Params(Vec<Vec<u8>>);

impl Params {
    pub(super) fn u64(mut self, values: &[u64]) -> Params {
        self.0.extend(values.iter().map(|value| value.to_le_bytes().to_vec()));
        self
    }

    pub(super) fn u32(mut self, values: &[u32]) -> Params {
        self.0.extend(values.iter().map(|value| value.to_le_bytes().to_vec()));
        self
    }

    pub(super) fn f32(self, values: &[f32]) -> Params {
        values.iter().fold(self, |params, value| params.u32(&[value.to_bits()]))
    }

    /// Launches an entry of the helper kernels.
    pub(super) fn launch(
        self,
        device: &Device,
        entry: &str,
        grid: [u32; 3],
        block: [u32; 3],
    ) -> Result<(), MoveError> {
        let (module, launch) = self.ready(device, entry, grid, block)?;
        device.launch(&module, entry, &launch)?;
        Ok(())
    }

    /// What to launch an entry of the helper kernels with.
    pub(super) fn ready(
        self,
        device: &Device,
        entry: &str,
        grid: [u32; 3],
        block: [u32; 3],
    ) -> Result<(Module, Launch), MoveError> {
        let module = device.kernels().helper(device, entry)?;
        Ok((module, Launch { grid, block, params: self.0, ..Launch::default() }))
    }
}
