//! `.npy` files: arrays of numbers as their bytes, with a type and a shape.
//!
//! NumPy has no bf16 and no 8-bit floats: such an array is stored as `u2` or `u1`, and its type is said elsewhere (`dtype` in `launch.json`).

use crate::npy_header::Header;
use flashpage_device_kernels::fp8::{E4M3, E5M2};
use half::{bf16, f16};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Element types of files and buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // each variant is documented by its spelling
pub enum NumberType {
    F16,
    Bf16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Bool,
    E4m3,
    E5m2,
}

impl NumberType {
    /// Every type.
    pub const ALL: [NumberType; 15] = {
        use NumberType::*;
        [F16, Bf16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, Bool, E4m3, E5m2]
    };

    /// As `launch.json` spells it.
    pub fn as_str(self) -> &'static str {
        use NumberType::*;
        match self {
            F16 => "f16",
            Bf16 => "bf16",
            F32 => "f32",
            F64 => "f64",
            I8 => "i8",
            I16 => "i16",
            I32 => "i32",
            I64 => "i64",
            U8 => "u8",
            U16 => "u16",
            U32 => "u32",
            U64 => "u64",
            Bool => "bool",
            E4m3 => "e4m3",
            E5m2 => "e5m2",
        }
    }

    /// Size of an element in bytes.
    pub fn bytes(self) -> usize {
        use NumberType::*;
        match self {
            I8 | U8 | Bool | E4m3 | E5m2 => 1,
            F16 | Bf16 | I16 | U16 => 2,
            F32 | I32 | U32 => 4,
            F64 | I64 | U64 => 8,
        }
    }

    /// Whether it is an integer or bool, whose values are compared exactly.
    pub fn is_integer(self) -> bool {
        use NumberType::*;
        !matches!(self, F16 | Bf16 | F32 | F64 | E4m3 | E5m2)
    }

    /// The number in exactly `self.bytes()` little-endian bytes.
    pub fn read(self, bytes: &[u8]) -> f64 {
        use NumberType::*;
        let mut wide = [0u8; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let bits = u64::from_le_bytes(wide);
        match self {
            F16 => f16::from_bits(bits as u16).to_f64(),
            Bf16 => bf16::from_bits(bits as u16).to_f64(),
            F32 => f64::from(f32::from_bits(bits as u32)),
            F64 => f64::from_bits(bits),
            I8 => f64::from(bits as i8),
            I16 => f64::from(bits as i16),
            I32 => f64::from(bits as i32),
            I64 => bits as i64 as f64,
            U8 | U16 | U32 | U64 | Bool => bits as f64,
            E4m3 => f64::from(E4M3.to_f32(bits as u8)),
            E5m2 => f64::from(E5M2.to_f32(bits as u8)),
        }
    }

    /// The nearest number of this type, as its bytes; an integer type takes NaN as 0.
    pub fn write(self, value: f64) -> Vec<u8> {
        use NumberType::*;
        match self {
            F16 => f16::from_f64(value).to_le_bytes().to_vec(),
            Bf16 => bf16::from_f64(value).to_le_bytes().to_vec(),
            F32 => (value as f32).to_le_bytes().to_vec(),
            F64 => value.to_le_bytes().to_vec(),
            I8 => (value as i8).to_le_bytes().to_vec(),
            I16 => (value as i16).to_le_bytes().to_vec(),
            I32 => (value as i32).to_le_bytes().to_vec(),
            I64 => (value as i64).to_le_bytes().to_vec(),
            U8 => (value as u8).to_le_bytes().to_vec(),
            U16 => (value as u16).to_le_bytes().to_vec(),
            U32 => (value as u32).to_le_bytes().to_vec(),
            U64 => (value as u64).to_le_bytes().to_vec(),
            Bool => vec![u8::from(value != 0.0)],
            E4m3 => vec![E4M3.from_f32(round_to_odd(value))],
            E5m2 => vec![E5M2.from_f32(round_to_odd(value))],
        }
    }

    /// As `.npy` headers spell it.
    fn type_str(self) -> &'static str {
        use NumberType::*;
        match self {
            F16 => "<f2",
            F32 => "<f4",
            F64 => "<f8",
            I8 => "|i1",
            I16 => "<i2",
            I32 => "<i4",
            I64 => "<i8",
            U8 | E4m3 | E5m2 => "|u1",
            U16 | Bf16 => "<u2",
            U32 => "<u4",
            U64 => "<u8",
            Bool => "|b1",
        }
    }
}

impl FromStr for NumberType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        NumberType::ALL.into_iter().find(|ty| ty.as_str() == text).ok_or_else(|| {
            let known = NumberType::ALL.map(NumberType::as_str).join(", ");
            format!("unknown dtype `{text}`: write one of {known}")
        })
    }
}

/// What is wrong with a `.npy` file.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", .path.display())]
pub struct NpyError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub message: String,
}

/// An array of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Element type.
    pub ty: NumberType,
    /// Shape, outermost first.
    pub shape: Vec<usize>,
    /// Row-major, little-endian.
    pub bytes: Vec<u8>,
}

impl Array {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.ty.bytes()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The elements as f64; 64-bit integers beyond 2^53 are rounded.
    pub fn to_f64(&self) -> Vec<f64> {
        self.elements().collect()
    }

    /// The elements as f64, one after another.
    pub(crate) fn elements(&self) -> impl Iterator<Item = f64> {
        self.bytes.chunks_exact(self.ty.bytes()).map(|bytes| self.ty.read(bytes))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or it is no `.npy` of little-endian numbers in C order.
    pub fn load(path: &Path) -> Result<Array, NpyError> {
        let fail = |message: String| NpyError { path: path.to_path_buf(), message };
        let file = std::fs::read(path).map_err(|error| fail(format!("cannot read it: {error}")))?;
        let (header, data) = Header::read(&file).map_err(fail)?;
        let ty = number_type(&header.descr).ok_or_else(|| {
            let descr = &header.descr;
            fail(format!("it holds `{descr}`: save numbers of 1 to 8 bytes, little-endian"))
        })?;
        let shape = header.shape;
        if header.fortran_order && shape.len() > 1 {
            return Err(fail("it is in Fortran order: save it with numpy.ascontiguousarray".into()));
        }
        let expected = shape
            .iter()
            .try_fold(ty.bytes(), |product, dim| product.checked_mul(*dim))
            .ok_or_else(|| fail("its shape is too large".into()))?;
        let bytes = data.to_vec();
        if bytes.len() != expected {
            let given = bytes.len();
            return Err(fail(format!("its header says {expected} bytes of data, and it has {given}")));
        }
        Ok(Array { ty, shape, bytes })
    }

    /// Writes a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), NpyError> {
        let descr = self.ty.type_str().to_owned();
        let mut bytes = Header { descr, fortran_order: false, shape: self.shape.clone() }.write();
        bytes.extend(&self.bytes);
        std::fs::write(path, bytes).map_err(|error| NpyError {
            path: path.to_path_buf(),
            message: format!("cannot write it: {error}"),
        })
    }
}

/// An f32 that rounds to 8 bits as the f64 itself does: cut off, with the last bit set if that lost something.
fn round_to_odd(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) == value || !near.is_finite() {
        return near;
    }
    let cut = if f64::from(near).abs() > value.abs() { near.to_bits() - 1 } else { near.to_bits() };
    f32::from_bits(cut | 1)
}

/// The number type of a header; `None` if it is none of ours, or big-endian.
fn number_type(descr: &str) -> Option<NumberType> {
    let (order, kind) = descr.split_at_checked(1)?;
    let one_byte = kind.ends_with('1');
    let little = matches!(order, "<" | "|" | "=") || (one_byte && order == ">");
    if !little {
        return None;
    }
    // bf16 and 8-bit floats have no spelling of their own, and share those of u16 and u8.
    let has_spelling =
        |ty: &NumberType| !matches!(ty, NumberType::Bf16 | NumberType::E4m3 | NumberType::E5m2);
    NumberType::ALL.into_iter().filter(has_spelling).find(|ty| &ty.type_str()[1..] == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_survive_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        for ty in NumberType::ALL {
            let bytes: Vec<u8> =
                [1.0, 0.0, 2.0, 1.0, 1.0, 0.0].into_iter().flat_map(|x| ty.write(x)).collect();
            let array = Array { ty, shape: vec![2, 3], bytes };
            array.save(&path).unwrap();
            let read = Array::load(&path).unwrap();
            // A file has no bf16 and no 8-bit floats: their bits come back as integers.
            let expected = match ty {
                NumberType::Bf16 => NumberType::U16,
                NumberType::E4m3 | NumberType::E5m2 => NumberType::U8,
                ty => ty,
            };
            assert_eq!(read, Array { ty: expected, ..array.clone() }, "{}", ty.as_str());
            let third = if ty == NumberType::Bool { 1.0 } else { 2.0 };
            assert_eq!(array.to_f64(), [1.0, 0.0, third, 1.0, 1.0, 0.0], "{}", ty.as_str());
        }
        for shape in [vec![], vec![0], vec![3, 0, 2]] {
            let bytes = if shape.is_empty() { vec![7, 0, 0, 0] } else { vec![] };
            let array = Array { ty: NumberType::I32, shape, bytes };
            array.save(&path).unwrap();
            assert_eq!(Array::load(&path).unwrap(), array);
        }
    }

    #[test]
    fn numbers() {
        let table = [
            (NumberType::F16, -0.5, vec![0x00, 0xB8]),
            (NumberType::Bf16, 1.0, vec![0x80, 0x3F]),
            (NumberType::E4m3, -448.0, vec![0xFE]),
            (NumberType::E5m2, 0.375, vec![0x36]),
            (NumberType::I8, -1.0, vec![0xFF]),
            (NumberType::I64, -2.0, vec![0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
            (NumberType::U16, 65535.0, vec![0xFF, 0xFF]),
        ];
        for (ty, value, bytes) in table {
            assert_eq!((ty.write(value), ty.read(&bytes)), (bytes, value), "{}", ty.as_str());
        }
    }

    #[test]
    fn bad_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let header = |text: &str| {
            let mut file = b"\x93NUMPY\x01\x00".to_vec();
            file.extend((text.len() as u16).to_le_bytes());
            file.extend(text.as_bytes());
            file
        };
        let table = [
            (b"nonsense".to_vec(), "no .npy file: "),
            (header("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }"), "it holds `>f4`"),
            (header("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }"), "it holds `<c8`"),
            (header("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }"), "it is in Fortran order"),
            (
                header("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999, 9999999999999), }"),
                "its shape is too large",
            ),
            (
                header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"),
                "its header says 16 bytes of data, and it has 0",
            ),
        ];
        for (index, (bytes, expected)) in table.into_iter().enumerate() {
            let path = dir.path().join(format!("{index}.npy"));
            std::fs::write(&path, bytes).unwrap();
            let error = Array::load(&path).unwrap_err();
            assert!(error.message.starts_with(expected), "{error}");
            assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
        }
        assert!(
            Array::load(&dir.path().join("none.npy")).unwrap_err().message.starts_with("cannot read it: ")
        );
    }
}
