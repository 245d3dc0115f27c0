//! Tensors: memory of a device with an element type and a shape, contiguous and row-major.

use crate::device::{Buffer, Device, DeviceError};
use flashpage_codegen::program::DType;
use flashpage_device_kernels::fp8::{E4M3, E4m3, E5M2, E5m2};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use std::sync::Arc;

/// A host type that tensors hold.
pub trait HostElement: Copy + Default + Send + Sync + 'static {
    /// The tensor's type.
    const DTYPE: DType;

    /// Writes the element's bytes, little-endian, into exactly as many.
    fn write_to(self, bytes: &mut [u8]);

    /// Reads an element from exactly as many bytes as it has.
    fn read_from(bytes: &[u8]) -> Self;
}

macro_rules! host_element {
    ($($ty:ty = $dtype:ident),*) => { $(
        impl HostElement for $ty {
            const DTYPE: DType = DType::$dtype;

            fn write_to(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }

            fn read_from(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<$ty>()];
                own.copy_from_slice(bytes);
                <$ty>::from_le_bytes(own)
            }
        }
    )* };
}
host_element!(f16 = F16, bf16 = Bf16, f32 = F32, i32 = I32, E4m3 = E4m3, E5m2 = E5m2);

/// What cannot be done with a tensor.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TensorError {
    /// The data and the shape disagree.
    #[error("a tensor of shape {shape:?} has {expected} elements, and {given} were given")]
    Length {
        /// The shape asked for.
        shape: Vec<usize>,
        /// Its number of elements.
        expected: usize,
        /// How many there were.
        given: usize,
    },
    /// A shape whose size does not fit in memory.
    #[error("a tensor of shape {0:?} is too large")]
    TooLarge(Vec<usize>),
    /// The tensor is of another type.
    #[error("the tensor holds {tensor}, and was read as {asked}")]
    DType {
        /// What it holds.
        tensor: DType,
        /// What was asked for.
        asked: DType,
    },
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// A contiguous row-major tensor on a device. Clones share the memory.
#[derive(Clone, Debug)]
pub struct Tensor {
    buffer: Arc<Buffer>,
    dtype: DType,
    shape: Vec<usize>,
}

/// Elements of a shape, if their bytes can be counted.
fn elements(shape: &[usize], dtype: DType) -> Result<usize, TensorError> {
    shape
        .iter()
        .try_fold(1usize, |product, dim| product.checked_mul(*dim))
        .filter(|count| count.checked_mul(dtype.bytes()).is_some_and(|bytes| bytes <= isize::MAX as usize))
        .ok_or_else(|| TensorError::TooLarge(shape.to_vec()))
}

impl Tensor {
    /// A tensor of these elements.
    ///
    /// # Errors
    /// The shape has another number of elements, or the device has no room.
    pub fn from_slice<T: HostElement>(
        device: &Device,
        data: &[T],
        shape: &[usize],
    ) -> Result<Tensor, TensorError> {
        let expected = elements(shape, T::DTYPE)?;
        if expected != data.len() {
            return Err(TensorError::Length { shape: shape.to_vec(), expected, given: data.len() });
        }
        let mut bytes = vec![0; size_of_val(data)];
        for (to, from) in bytes.chunks_exact_mut(T::DTYPE.bytes()).zip(data) {
            from.write_to(to);
        }
        let buffer = Arc::new(device.upload(&bytes)?);
        Ok(Tensor { buffer, dtype: T::DTYPE, shape: shape.to_vec() })
    }

    /// A tensor of elements given by their bytes, little-endian.
    ///
    /// # Errors
    /// As [`Tensor::from_slice`].
    pub fn from_bytes(
        device: &Device,
        dtype: DType,
        bytes: &[u8],
        shape: &[usize],
    ) -> Result<Tensor, TensorError> {
        let expected = elements(shape, dtype)?;
        if expected * dtype.bytes() != bytes.len() {
            let given = bytes.len() / dtype.bytes();
            return Err(TensorError::Length { shape: shape.to_vec(), expected, given });
        }
        Ok(Tensor { buffer: Arc::new(device.upload(bytes)?), dtype, shape: shape.to_vec() })
    }

    /// A tensor of zeros.
    ///
    /// # Errors
    /// The device has no room.
    pub fn zeros(device: &Device, dtype: DType, shape: &[usize]) -> Result<Tensor, TensorError> {
        Self::filled(device, dtype, shape, 0)
    }

    /// A tensor whose every byte is 0xFF: NaN in every float type, -1 in i32. Outputs start like this, so that
    /// an element that no kernel writes is seen.
    ///
    /// # Errors
    /// The device has no room.
    pub fn filled_nan(device: &Device, dtype: DType, shape: &[usize]) -> Result<Tensor, TensorError> {
        Self::filled(device, dtype, shape, 0xFF)
    }

    fn filled(device: &Device, dtype: DType, shape: &[usize], byte: u8) -> Result<Tensor, TensorError> {
        let buffer = device.alloc(elements(shape, dtype)? * dtype.bytes())?;
        buffer.memset(byte)?;
        Ok(Tensor { buffer: Arc::new(buffer), dtype, shape: shape.to_vec() })
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Shape, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its memory.
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// Address of the first element.
    pub fn address(&self) -> u64 {
        self.buffer.address()
    }

    /// Whose memory it is.
    pub fn device(&self) -> &Device {
        self.buffer.device()
    }

    /// The elements.
    ///
    /// # Errors
    /// The tensor is of another type, or the device failed.
    pub fn to_vec<T: HostElement>(&self) -> Result<Vec<T>, TensorError> {
        if self.dtype != T::DTYPE {
            return Err(TensorError::DType { tensor: self.dtype, asked: T::DTYPE });
        }
        Ok(self.buffer.to_bytes()?.chunks_exact(T::DTYPE.bytes()).map(T::read_from).collect())
    }

    /// The elements as f32: exact for every type but i32 beyond 2^24.
    ///
    /// # Errors
    /// The device failed.
    pub fn to_f32_vec(&self) -> Result<Vec<f32>, TensorError> {
        self.read_f32(0, self.len())
    }

    /// `count` elements from `first` on, in the order of the memory, as [`Tensor::to_f32_vec`] gives them.
    ///
    /// # Errors
    /// The tensor ends before the last, or the device failed.
    pub fn read_f32(&self, first: usize, count: usize) -> Result<Vec<f32>, TensorError> {
        let size = self.dtype.bytes();
        let mut bytes = vec![0; count.saturating_mul(size)];
        self.buffer.read(first.saturating_mul(size), &mut bytes)?;
        let mut elements = vec![0.0; count];
        elements_of(self.dtype, &bytes, &mut elements);
        Ok(elements)
    }

    /// Overwrites elements from `first` on, in the order of the memory.
    ///
    /// # Errors
    /// The tensor is of another type or ends before the last, or the device failed.
    pub fn write<T: HostElement>(&self, first: usize, data: &[T]) -> Result<(), TensorError> {
        if self.dtype != T::DTYPE {
            return Err(TensorError::DType { tensor: self.dtype, asked: T::DTYPE });
        }
        let mut bytes = vec![0; size_of_val(data)];
        for (to, from) in bytes.chunks_exact_mut(T::DTYPE.bytes()).zip(data) {
            from.write_to(to);
        }
        let offset = first.saturating_mul(T::DTYPE.bytes());
        Ok(self.buffer.write(offset, &bytes)?)
    }
}

/// The only byte of an 8-bit element.
fn byte_of(bytes: &[u8]) -> u8 {
    bytes.first().copied().unwrap_or(0)
}

/// An element from as many bytes as it has.
pub(crate) fn element_of(dtype: DType, bytes: &[u8]) -> f32 {
    match dtype {
        DType::F16 => f16::read_from(bytes).to_f32(),
        DType::Bf16 => bf16::read_from(bytes).to_f32(),
        DType::F32 => f32::read_from(bytes),
        DType::I32 => i32::read_from(bytes) as f32,
        DType::E4m3 => E4M3.to_f32(byte_of(bytes)),
        DType::E5m2 => E5M2.to_f32(byte_of(bytes)),
    }
}

/// Elements that are converted at a time: they stay in the first cache.
const RUN: usize = 256;

/// As many elements as `to` has, from their bytes.
pub(crate) fn elements_of(dtype: DType, bytes: &[u8], to: &mut [f32]) {
    let size = dtype.bytes();
    if dtype == DType::F16 {
        let mut halves = [f16::ZERO; RUN];
        for (to, bytes) in to.chunks_mut(RUN).zip(bytes.chunks(RUN * size)) {
            let halves = &mut halves[..to.len()];
            halves
                .iter_mut()
                .zip(bytes.chunks_exact(size))
                .for_each(|(to, bytes)| *to = f16::read_from(bytes));
            halves.convert_to_f32_slice(to);
        }
        return;
    }
    to.iter_mut().zip(bytes.chunks_exact(size)).for_each(|(to, bytes)| *to = element_of(dtype, bytes));
}

/// The nearest value of an element type, as f32; ties to even, and 8-bit types saturate.
pub(crate) fn round_to(dtype: DType, value: f32) -> f32 {
    match dtype {
        DType::F16 => f16::from_f32(value).to_f32(),
        DType::Bf16 => bf16::from_f32(value).to_f32(),
        DType::F32 | DType::I32 => value,
        DType::E4m3 => E4M3.to_f32(E4M3.from_f32(value)),
        DType::E5m2 => E5M2.to_f32(E5M2.from_f32(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_go_in_and_come_out() {
        let device = Device::emulator();
        let halves: Vec<f16> = [0.5, -2.0, 65504.0].map(f16::from_f32).to_vec();
        let tensor = Tensor::from_slice(&device, &halves, &[3, 1]).unwrap();
        assert_eq!(tensor.to_vec::<f16>().unwrap(), halves);
        assert_eq!(tensor.to_f32_vec().unwrap(), [0.5, -2.0, 65504.0]);
        tensor.write(1, &[f16::ONE]).unwrap();
        assert_eq!(tensor.to_f32_vec().unwrap(), [0.5, 1.0, 65504.0]);
        for dtype in [DType::F16, DType::Bf16, DType::F32, DType::E4m3, DType::E5m2] {
            let poison = Tensor::filled_nan(&device, dtype, &[5]).unwrap();
            assert!(poison.to_f32_vec().unwrap().iter().all(|x| x.is_nan()), "{dtype}");
            assert_eq!(Tensor::zeros(&device, dtype, &[2, 2]).unwrap().to_f32_vec().unwrap(), [0.0; 4]);
        }
        assert!(Tensor::zeros(&device, DType::I32, &[0, 7]).unwrap().is_empty());
        // One bit pattern is another number in the other type.
        for (dtype, expected) in
            [(DType::E4m3, [1.0, -448.0, 2f32.powi(-9)]), (DType::E5m2, [0.5, f32::NAN, 2f32.powi(-16)])]
        {
            let bytes = Tensor::from_bytes(&device, dtype, &[0x38, 0xfe, 0x01], &[3]).unwrap();
            let got = bytes.to_f32_vec().unwrap();
            assert!(
                got.iter().zip(expected).all(|(a, b)| *a == b || a.is_nan() && b.is_nan()),
                "{dtype}: {got:?}"
            );
            assert_eq!(bytes.read_f32(2, 1).unwrap(), expected[2..]);
            assert_eq!(dtype.as_str().parse(), Ok(dtype));
        }
        assert_eq!((round_to(DType::E4m3, 1e9), round_to(DType::E5m2, 1.1)), (448.0, 1.0));
    }

    #[test]
    fn errors_name_the_values() {
        let device = Device::emulator();
        let tensor = Tensor::from_slice(&device, &[1i32, 2, 3], &[3]).unwrap();
        let table: [(TensorError, &str); 4] = [
            (
                Tensor::from_slice(&device, &[1i32], &[2, 3]).unwrap_err(),
                "a tensor of shape [2, 3] has 6 elements, and 1 were given",
            ),
            (
                Tensor::zeros(&device, DType::F32, &[usize::MAX, 2]).unwrap_err(),
                "a tensor of shape [18446744073709551615, 2] is too large",
            ),
            (tensor.to_vec::<f32>().unwrap_err(), "the tensor holds i32, and was read as f32"),
            (
                tensor.write(2, &[1i32, 2]).unwrap_err(),
                "8 bytes at offset 8 do not fit in a buffer of 12 bytes",
            ),
        ];
        for (error, expected) in table {
            assert_eq!(error.to_string(), expected);
        }
    }
}
