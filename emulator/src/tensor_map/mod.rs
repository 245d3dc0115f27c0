//! Tensor maps: how a tensor lies in global memory, and which box of it a bulk copy moves (PTX ISA §5.5).
//!
//! This file says what a map is and which rules it keeps; [`bytes`] has its 128 bytes and [`rows`] goes through a box.

mod bytes;
mod rows;

pub use bytes::Field;
pub(crate) use bytes::replace;
pub(crate) use rows::BoxShape;

use flashpage_ptx::words::Type;

/// The most dimensions.
const MAX_RANK: usize = 5;
/// The most shared memory of a block; the driver leaves it to the launch that a box fits.
const MAX_BOX: u64 = 227 * 1024;

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
        let box_bytes = self.box_bytes();
        if box_bytes > MAX_BOX {
            return err(format!("box has {box_bytes} bytes: a block has at most {MAX_BOX} of shared memory"));
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

    /// Elements of the box along this dimension.
    fn count(&self, i: usize) -> u32 {
        match (self.box_dims.get(i), self.element_strides.get(i)) {
            (Some(size), Some(stride)) if i != 0 => size.div_ceil(*stride),
            (Some(size), _) => *size,
            (None, _) => 1,
        }
    }

    /// Bytes of the box in shared memory.
    fn box_bytes(&self) -> u64 {
        let row = (self.count(0) * self.ty.bytes()).max(self.swizzle.span());
        (1..MAX_RANK).map(|i| self.count(i) as u64).product::<u64>() * row as u64
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Three dimensions with everything in them.
    pub fn map() -> TensorMap {
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
    fn rules() {
        type Change = fn(&mut TensorMap);
        let table: [(Change, &str); 19] = [
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
            (
                |m| m.box_dims = vec![64, 256, 256],
                "box has 1409024 bytes: a block has at most 232448 of shared memory",
            ),
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

    /// The figures of the ISA (§5.5.7): which chunk of a row each chunk becomes.
    #[test]
    fn swizzles() {
        for (swizzle, period) in [(Swizzle::B128, 1), (Swizzle::B64, 2), (Swizzle::B32, 4)] {
            let span = swizzle.span();
            for row in 0..8 {
                for chunk in 0..span / 16 {
                    // Rows of `span` bytes; a line of shared memory holds `period` of them.
                    let to = swizzle.apply(row * span + 16 * chunk + 5);
                    let other = chunk ^ (row / period % (span / 16));
                    assert_eq!(to, row * span + 16 * other + 5, "{swizzle:?}, row {row}, chunk {chunk}");
                }
            }
        }
        assert_eq!(Swizzle::None.apply(0x3ff), 0x3ff);
    }
}
