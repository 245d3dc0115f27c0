//! Tensor maps: how a tensor lies in global memory, and which box of it a bulk copy moves (PTX ISA §5.5).
//!
//! NVIDIA's driver makes 128 opaque bytes of what [`TensorMap`] says; so does [`TensorMap::encode`], in a layout of its
//! own: a map made here runs on the emulator only, and one made by a driver is told from it by its first bytes.
//! `tensormap.replace` changes single fields of such bytes, or of 128 zero bytes, which is how compilers begin a map.
//!
//! | bytes | hold |
//! |---|---|
//! | 0..8 | `flashTMA` |
//! | 8, 9, 10, 11, 12, 13 | element type, rank less one, interleaving, swizzle, fill, L2 promotion |
//! | 16..24 | address |
//! | 24..64 | five dimensions, innermost first |
//! | 64..96 | four strides in bytes, of all dimensions but the innermost |
//! | 96..116 | five sizes of the box |
//! | 116..121 | five element strides |

use flashpage_ptx::words::Type;

/// The first bytes of every map.
const MAGIC: [u8; 8] = *b"flashTMA";
/// The most dimensions.
const MAX_RANK: usize = 5;

/// Declares an enum of what a byte of the map says; variants count from zero.
macro_rules! byte {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)] // each variant is documented by its spelling
        pub enum $name { $($variant,)* }

        impl $name {
            const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// As people write it.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }
    };
}

byte! {
    /// Element types, numbered as `tensormap.replace` does.
    ElementType {
        U8 = "u8", U16 = "u16", U32 = "u32", S32 = "s32", U64 = "u64", S64 = "s64", F16 = "f16", F32 = "f32",
        F32Ftz = "f32.ftz", F64 = "f64", Bf16 = "bf16", Tf32 = "tf32", Tf32Ftz = "tf32.ftz",
    }
}

byte! {
    /// Interleaved layouts.
    Interleave { None = "none", B16 = "16B", B32 = "32B", }
}

byte! {
    /// How the box's 16-byte chunks are exchanged in shared memory.
    Swizzle { None = "none", B32 = "32B", B64 = "64B", B128 = "128B", }
}

byte! {
    /// What elements outside of the tensor read as.
    Fill { Zeros = "zeros", Nan = "nan", }
}

byte! {
    /// How much L2 fetches at once: it changes nothing here.
    L2Promotion { None = "none", B64 = "64B", B128 = "128B", B256 = "256B", }
}

/// A rule of tensor maps that is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TensorMapError(pub String);

impl ElementType {
    /// Bytes of an element.
    pub fn bytes(self) -> u32 {
        self.ty().bytes()
    }

    /// As instructions call it.
    pub(crate) fn ty(self) -> Type {
        use ElementType::*;
        match self {
            U8 => Type::U8,
            U16 => Type::U16,
            U32 => Type::U32,
            S32 => Type::S32,
            U64 => Type::U64,
            S64 => Type::S64,
            F16 => Type::F16,
            F32 | F32Ftz | Tf32 | Tf32Ftz => Type::F32,
            F64 => Type::F64,
            Bf16 => Type::Bf16,
        }
    }
}

impl Swizzle {
    /// Bytes of a row that chunks are exchanged in; 0 where none are.
    pub fn span(self) -> u32 {
        match self {
            Swizzle::None => 0,
            Swizzle::B32 => 32,
            Swizzle::B64 => 64,
            Swizzle::B128 => 128,
        }
    }

    /// Where in shared memory the byte goes that would be at `address`.
    ///
    /// Bits 4 and up are XORed with bits 7 and up: one, two, three of them.
    #[inline(always)]
    pub(crate) fn apply(self, address: u32) -> u32 {
        let exchanged = (self.span() / 16).saturating_sub(1);
        address ^ ((address >> 7) & exchanged) << 4
    }
}

/// A field of a tensor map, as `tensormap.replace` names it; the number says which of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Field {
    GlobalAddress,
    Rank,
    BoxDim(u8),
    GlobalDim(u8),
    GlobalStride(u8),
    ElementStride(u8),
    Elemtype,
    InterleaveLayout,
    SwizzleMode,
    FillMode,
}

/// What `cuTensorMapEncodeTiled` takes. Dimensions run from the innermost out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorMap {
    /// Element type. Loads copy bits: neither are tf32 elements rounded nor subnormals flushed.
    pub ty: ElementType,
    /// Where the tensor begins in global memory.
    pub address: u64,
    /// Elements along each dimension; one to five.
    pub dims: Vec<u64>,
    /// Bytes from one index to the next, of every dimension but the innermost.
    pub strides: Vec<u64>,
    /// Elements along each dimension of the box that one copy moves, before element strides.
    pub box_dims: Vec<u32>,
    /// Every how many elements one is moved, along each dimension but the innermost, where it means nothing.
    pub element_strides: Vec<u32>,
    /// How channels are interleaved.
    pub interleave: Interleave,
    /// How shared memory is swizzled.
    pub swizzle: Swizzle,
    /// What elements outside of the tensor read as.
    pub fill: Fill,
    /// How much L2 fetches at once.
    pub l2_promotion: L2Promotion,
}

impl TensorMap {
    /// The map's 128 bytes.
    ///
    /// # Errors
    /// The first rule of the driver that is broken, with the value; and interleaved layouts, which the emulator does
    /// not run.
    pub fn encode(&self) -> Result<[u8; 128], TensorMapError> {
        self.check()?;
        let mut bytes = [0; 128];
        bytes[..8].copy_from_slice(&MAGIC);
        let rank = self.dims.len() as u8;
        bytes[8..14].copy_from_slice(&[
            self.ty as u8,
            rank - 1,
            self.interleave as u8,
            self.swizzle as u8,
            self.fill as u8,
            self.l2_promotion as u8,
        ]);
        bytes[16..24].copy_from_slice(&self.address.to_le_bytes());
        for (i, dim) in self.dims.iter().enumerate() {
            set(&mut bytes, Field::GlobalDim(i as u8), *dim);
        }
        for (i, stride) in self.strides.iter().enumerate() {
            set(&mut bytes, Field::GlobalStride(i as u8), *stride);
        }
        for (i, size) in self.box_dims.iter().enumerate() {
            set(&mut bytes, Field::BoxDim(i as u8), *size as u64);
        }
        for (i, stride) in self.element_strides.iter().enumerate() {
            set(&mut bytes, Field::ElementStride(i as u8), *stride as u64);
        }
        Ok(bytes)
    }

    /// What 128 bytes say.
    ///
    /// # Errors
    /// They are no map made here, or one that breaks a rule.
    pub fn decode(bytes: &[u8; 128]) -> Result<TensorMap, TensorMapError> {
        let err = |message: String| Err(TensorMapError(message));
        if bytes[..8] != MAGIC {
            return err("these 128 bytes are no tensor map of this emulator".to_string());
        }
        let rank = bytes[9] as usize + 1;
        if rank > MAX_RANK {
            return err(format!("it has {rank} dimensions: 1 to {MAX_RANK} are possible"));
        }
        fn one<T: Copy>(all: &[T], byte: u8, what: &str) -> Result<T, TensorMapError> {
            match all.get(byte as usize) {
                Some(found) => Ok(*found),
                None => Err(TensorMapError(format!("{what} {byte} is not known"))),
            }
        }
        let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let map = TensorMap {
            ty: one(ElementType::ALL, bytes[8], "element type")?,
            address: long(16),
            dims: (0..rank).map(|i| long(24 + 8 * i)).collect(),
            strides: (0..rank - 1).map(|i| long(64 + 8 * i)).collect(),
            box_dims: (0..rank).map(|i| word(96 + 4 * i)).collect(),
            element_strides: (0..rank).map(|i| bytes[116 + i] as u32).collect(),
            interleave: one(Interleave::ALL, bytes[10], "interleaved layout")?,
            swizzle: one(Swizzle::ALL, bytes[11], "swizzle")?,
            fill: one(Fill::ALL, bytes[12], "fill mode")?,
            l2_promotion: one(L2Promotion::ALL, bytes[13], "L2 promotion")?,
        };
        map.check()?;
        Ok(map)
    }

    /// The rules of the driver (CUDA driver API, `cuTensorMapEncodeTiled`).
    fn check(&self) -> Result<(), TensorMapError> {
        let err = |message: String| Err(TensorMapError(message));
        let rank = self.dims.len();
        if !(1..=MAX_RANK).contains(&rank) {
            return err(format!("dims has {rank} numbers: it takes 1 to {MAX_RANK}"));
        }
        let lengths = [
            ("box", self.box_dims.len(), rank),
            ("element_strides", self.element_strides.len(), rank),
            ("strides", self.strides.len(), rank - 1),
        ];
        for (field, has, wants) in lengths {
            if has != wants {
                return err(format!("{field} has {has} numbers: with {rank} dims it takes {wants}"));
            }
        }
        let unit = if self.interleave == Interleave::B32 { 32 } else { 16 };
        if !self.address.is_multiple_of(unit) {
            return err(format!("the address {:#x} is not a multiple of {unit}", self.address));
        }
        if let Some(dim) = self.dims.iter().find(|dim| !(1..=1 << 32).contains(*dim)) {
            return err(format!("dims has {dim}: each takes 1 to 2^32"));
        }
        if let Some(stride) = self.strides.iter().find(|s| !s.is_multiple_of(unit) || **s >= 1 << 40) {
            return err(format!("strides has {stride}: each is a multiple of {unit} bytes below 2^40"));
        }
        if let Some(size) = self.box_dims.iter().find(|size| !(1..=256).contains(*size)) {
            return err(format!("box has {size}: each takes 1 to 256"));
        }
        if let Some(stride) = self.element_strides.iter().find(|stride| !(1..=8).contains(*stride)) {
            return err(format!("element_strides has {stride}: each takes 1 to 8"));
        }
        let float = self.ty.ty().is_float();
        if self.fill == Fill::Nan && !float {
            return err(format!("elements of {} cannot be filled with NaN", self.ty.as_str()));
        }
        if self.interleave == Interleave::None {
            let inner = self.box_dims[0] * self.ty.bytes();
            if !inner.is_multiple_of(16) {
                return err(format!("box is {inner} bytes wide: it takes a multiple of 16"));
            }
            let (span, swizzle) = (self.swizzle.span(), self.swizzle.as_str());
            if span != 0 && inner > span {
                return err(format!(
                    "box is {inner} bytes wide: with swizzle {swizzle} it takes at most {span}"
                ));
            }
            return Ok(());
        }
        if rank < 3 {
            return err(format!("dims has {rank} numbers: an interleaved layout takes 3 to 5"));
        }
        if self.interleave == Interleave::B32 && self.swizzle != Swizzle::B32 {
            let swizzle = self.swizzle.as_str();
            return err(format!("swizzle is {swizzle}: with interleave 32B it is 32B"));
        }
        err(format!("interleave {} is not supported by the emulator", self.interleave.as_str()))
    }

    /// The box in shared memory.
    pub(crate) fn shape(&self) -> BoxShape {
        let counts = std::array::from_fn(|i| match (self.box_dims.get(i), i) {
            (None, _) => 1,
            (Some(size), 0) => *size,
            (Some(size), _) => size.div_ceil(self.element_strides[i]),
        });
        let inner = counts[0] * self.ty.bytes();
        let rows = counts[1..].iter().product();
        // A box that is narrower than the swizzle's row has that row to itself all the same (CUDA C++ Programming
        // Guide, "TMA swizzle": shared memory has to have room for the full width).
        BoxShape { counts, inner, rows, pitch: inner.max(self.swizzle.span()) }
    }

    /// Where a row of the box, `row` of [`BoxShape::rows`], is in global memory, with the box's first element at
    /// `coordinates`: the address of the first element that is in the tensor, and which elements are.
    pub(crate) fn row(&self, shape: &BoxShape, coordinates: &[i32], row: u32) -> Option<Row> {
        let mut rest = row;
        let mut address = self.address;
        for i in 1..self.dims.len() {
            let index = rest % shape.counts[i];
            rest /= shape.counts[i];
            let at = coordinates[i] as i64 + index as i64 * self.element_strides[i] as i64;
            if at < 0 || at as u64 >= self.dims[i] {
                return None;
            }
            address = address.wrapping_add((at as u64).wrapping_mul(self.strides[i - 1]));
        }
        let (first, count) = (coordinates[0] as i64, shape.counts[0] as i64);
        let end = (first + count).min(self.dims[0] as i64);
        let begin = first.max(0);
        if begin >= end {
            return None;
        }
        let bytes = self.ty.bytes();
        Some(Row {
            address: address.wrapping_add(begin as u64 * bytes as u64),
            skip: (begin - first) as u32 * bytes,
            bytes: (end - begin) as u32 * bytes,
        })
    }

    /// The element that those outside of the tensor read as, repeated to 64 bits.
    pub(crate) fn fill_pattern(&self) -> u64 {
        match (self.fill, self.ty.bytes()) {
            (Fill::Zeros, _) => 0,
            (Fill::Nan, 2) => 0x7fff_7fff_7fff_7fff,
            (Fill::Nan, 4) => 0x7fff_ffff_7fff_ffff,
            (Fill::Nan, _) => 0x7fff_ffff_ffff_ffff,
        }
    }
}

/// A box in shared memory: rows of the innermost dimension, one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BoxShape {
    /// Elements along each dimension.
    pub counts: [u32; MAX_RANK],
    /// Bytes of a row.
    pub inner: u32,
    /// How many.
    pub rows: u32,
    /// Bytes from one to the next.
    pub pitch: u32,
}

/// The part of a box's row that is in the tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// In global memory.
    pub address: u64,
    /// Bytes of the row before it.
    pub skip: u32,
    /// Bytes of it.
    pub bytes: u32,
}

/// `tensormap.replace`: writes a field of a map's bytes, whatever its value; a map that breaks a rule is found when it
/// is used.
///
/// # Errors
/// The bytes are no map made here, nor zeros.
pub(crate) fn replace(bytes: &mut [u8; 128], field: Field, value: u64) -> Result<(), TensorMapError> {
    if bytes[..8] != MAGIC {
        if bytes.iter().any(|byte| *byte != 0) {
            let message =
                "these 128 bytes are neither a tensor map of this emulator nor zeros to begin one with";
            return Err(TensorMapError(message.to_string()));
        }
        bytes[..8].copy_from_slice(&MAGIC);
    }
    set(bytes, field, value);
    Ok(())
}

fn set(bytes: &mut [u8; 128], field: Field, value: u64) {
    // What does not fit into its field becomes the largest value that does, which breaks a rule.
    let byte = value.min(u8::MAX as u64) as u8;
    let (at, long, width) = match field {
        Field::Elemtype => (8, byte as u64, 1),
        Field::Rank => (9, byte as u64, 1),
        Field::InterleaveLayout => (10, byte as u64, 1),
        Field::SwizzleMode => (11, byte as u64, 1),
        Field::FillMode => (12, byte as u64, 1),
        Field::GlobalAddress => (16, value, 8),
        Field::GlobalDim(i) => (24 + 8 * (i as usize % 5), value, 8),
        Field::GlobalStride(i) => (64 + 8 * (i as usize % 4), value, 8),
        Field::BoxDim(i) => (96 + 4 * (i as usize % 5), value.min(u32::MAX as u64), 4),
        Field::ElementStride(i) => (116 + i as usize % 5, byte as u64, 1),
    };
    bytes[at..at + width].copy_from_slice(&long.to_le_bytes()[..width]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> TensorMap {
        TensorMap {
            ty: ElementType::F16,
            address: 4096,
            dims: vec![104, 150, 3],
            strides: vec![208, 208 * 150],
            box_dims: vec![64, 8, 4],
            element_strides: vec![1, 2, 3],
            interleave: Interleave::None,
            swizzle: Swizzle::B128,
            fill: Fill::Nan,
            l2_promotion: L2Promotion::B128,
        }
    }

    #[test]
    fn there_and_back() {
        assert_eq!(TensorMap::decode(&map().encode().unwrap()), Ok(map()));
        let garbage = TensorMap::decode(&[7; 128]).unwrap_err().0;
        assert_eq!(garbage, "these 128 bytes are no tensor map of this emulator");
    }

    #[test]
    fn rules() {
        type Change = fn(&mut TensorMap);
        let table: [(Change, &str); 18] = [
            (|_| (), ""),
            (|m| m.dims.clear(), "dims has 0 numbers: it takes 1 to 5"),
            (|m| m.strides.push(16), "strides has 3 numbers: with 3 dims it takes 2"),
            (|m| m.box_dims.truncate(1), "box has 1 numbers: with 3 dims it takes 3"),
            (|m| m.element_strides.truncate(2), "element_strides has 2 numbers: with 3 dims it takes 3"),
            (|m| m.address = 8, "the address 0x8 is not a multiple of 16"),
            (|m| m.dims[1] = 0, "dims has 0: each takes 1 to 2^32"),
            (|m| m.dims[1] = (1 << 32) + 1, "dims has 4294967297: each takes 1 to 2^32"),
            (|m| m.strides[0] = 24, "strides has 24: each is a multiple of 16 bytes below 2^40"),
            (
                |m| m.strides[0] = 1 << 40,
                "strides has 1099511627776: each is a multiple of 16 bytes below 2^40",
            ),
            (|m| m.box_dims[1] = 257, "box has 257: each takes 1 to 256"),
            (|m| m.element_strides[2] = 9, "element_strides has 9: each takes 1 to 8"),
            (|m| m.box_dims[0] = 4, "box is 8 bytes wide: it takes a multiple of 16"),
            (|m| m.swizzle = Swizzle::B64, "box is 128 bytes wide: with swizzle 64B it takes at most 64"),
            (|m| (m.ty, m.fill) = (ElementType::U16, Fill::Nan), "elements of u16 cannot be filled with NaN"),
            (
                |m| (m.interleave, m.strides) = (Interleave::B32, vec![208, 416]),
                "strides has 208: each is a multiple of 32 bytes below 2^40",
            ),
            (
                |m| (m.interleave, m.strides) = (Interleave::B32, vec![64, 128]),
                "swizzle is 128B: with interleave 32B it is 32B",
            ),
            (|m| m.interleave = Interleave::B16, "interleave 16B is not supported by the emulator"),
        ];
        for (change, expected) in table {
            let mut map = map();
            change(&mut map);
            let message = map.encode().map_or_else(|e| e.0, |_| String::new());
            assert_eq!(message, expected);
        }
    }

    /// A map that is made field by field from zeros.
    #[test]
    fn fields() {
        let mut bytes = [0; 128];
        let map = TensorMap { l2_promotion: L2Promotion::None, ..map() };
        let fields = [
            (Field::GlobalAddress, 4096),
            (Field::Rank, 2),
            (Field::BoxDim(0), 64),
            (Field::BoxDim(1), 8),
            (Field::BoxDim(2), 4),
            (Field::GlobalDim(0), 104),
            (Field::GlobalDim(1), 150),
            (Field::GlobalDim(2), 3),
            (Field::GlobalStride(0), 208),
            (Field::GlobalStride(1), 208 * 150),
            (Field::ElementStride(0), 1),
            (Field::ElementStride(1), 2),
            (Field::ElementStride(2), 3),
            (Field::Elemtype, 6),
            (Field::InterleaveLayout, 0),
            (Field::SwizzleMode, 3),
            (Field::FillMode, 1),
        ];
        for (field, value) in fields {
            replace(&mut bytes, field, value).unwrap();
        }
        assert_eq!(TensorMap::decode(&bytes), Ok(map));
        for (field, value, message) in [
            (Field::Elemtype, 13, "element type 13 is not known"),
            (Field::SwizzleMode, 1 << 20, "swizzle 255 is not known"),
            (Field::Rank, 5, "it has 6 dimensions: 1 to 5 are possible"),
            (Field::GlobalDim(1), 0, "dims has 0: each takes 1 to 2^32"),
        ] {
            let mut bytes = bytes;
            replace(&mut bytes, field, value).unwrap();
            assert_eq!(TensorMap::decode(&bytes).unwrap_err().0, message);
        }
        assert!(replace(&mut [1; 128], Field::Rank, 1).is_err());
    }

    #[test]
    fn rows() {
        let map = map();
        let shape = map.shape();
        assert_eq!(shape, BoxShape { counts: [64, 4, 2, 1, 1], inner: 128, rows: 8, pitch: 128 });
        let row = |address, skip, bytes| Some(Row { address, skip, bytes });
        let table = [
            // Everything inside.
            ([0, 0, 0], 0, row(4096, 0, 128)),
            // The next row is two further on, the next plane three, which there is not.
            ([0, 0, 0], 1, row(4096 + 2 * 208, 0, 128)),
            ([0, 0, 0], 4, None),
            ([0, 0, -3], 4, row(4096, 0, 128)),
            // Cut at either end.
            ([50, 0, 0], 0, row(4096 + 100, 0, 108)),
            ([-3, 10, 2], 0, row(4096 + 10 * 208 + 2 * 208 * 150, 6, 122)),
            ([104, 0, 0], 0, None),
            ([-64, 0, 0], 0, None),
            ([i32::MIN, 0, 0], 0, None),
            ([i32::MAX, 0, 0], 0, None),
            ([0, 148, 0], 0, row(4096 + 148 * 208, 0, 128)),
            ([0, 148, 0], 1, None),
        ];
        for (coordinates, index, want) in table {
            assert_eq!(map.row(&shape, &coordinates, index), want, "{coordinates:?}, row {index}");
        }
        let narrow = TensorMap { box_dims: vec![16, 8, 4], ..map };
        assert_eq!((narrow.shape().inner, narrow.shape().pitch), (32, 128));
    }

    /// The figures of the ISA (§5.5.7): which chunk of a row each chunk becomes.
    #[test]
    fn swizzles() {
        for (swizzle, period) in [(Swizzle::B128, 1), (Swizzle::B64, 2), (Swizzle::B32, 4)] {
            let span = swizzle.span();
            for row in 0..8 {
                for chunk in 0..span / 16 {
                    // Rows of `span` bytes; a line of shared memory holds `period` of them.
                    let to = swizzle.apply(row * span + 16 * chunk + 5);
                    let other = chunk ^ row / period % (span / 16);
                    assert_eq!(to, row * span + 16 * other + 5, "{swizzle:?}, row {row}, chunk {chunk}");
                }
            }
        }
        assert_eq!(Swizzle::None.apply(0x3ff), 0x3ff);
    }
}
