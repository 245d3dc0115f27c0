//! A tensor map (TMA descriptor) as its maker describes it, before a device encodes it.
//!
//! The fields and their rules are those of `cuTensorMapEncodeTiled`: dimensions run from the innermost out,
//! strides are in bytes and skip the innermost dimension.

use std::str::FromStr;

/// What a TMA copy needs to know of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorMap {
    /// Element type.
    pub ty: TensorMapType,
    /// Elements along each dimension, innermost first; one to five.
    pub dims: Vec<u64>,
    /// Bytes from one index to the next, of every dimension but the innermost.
    pub strides: Vec<u64>,
    /// Elements that one copy moves, along each dimension.
    pub box_dims: Vec<u32>,
    /// Traversal strides in elements, along each dimension.
    pub element_strides: Vec<u32>,
    /// How channels are interleaved.
    pub interleave: Interleave,
    /// How shared memory is swizzled.
    pub swizzle: Swizzle,
    /// How much L2 fetches at once.
    pub l2_promotion: L2Promotion,
    /// What elements outside the tensor read as.
    pub oob_fill: OutOfBounds,
}

/// Declares an enum of words as `launch.json` spells them.
macro_rules! spelled {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)] // each variant is documented by its spelling
        pub enum $name { $($variant,)* }

        impl $name {
            /// Every spelling.
            pub const WORDS: &'static [&'static str] = &[$($text),*];

            /// As `launch.json` spells it.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok($name::$variant),)*
                    _ => Err(format!("`{text}` is not one of {}", super::list(Self::WORDS))),
                }
            }
        }
    };
}

spelled! {
    /// Element types of tensor maps.
    TensorMapType {
        U8 = "u8", U16 = "u16", U32 = "u32", I32 = "i32", U64 = "u64", I64 = "i64", F16 = "f16", Bf16 = "bf16",
        F32 = "f32", F64 = "f64", Tf32 = "tf32",
    }
}

spelled! {
    /// Interleaved layouts.
    Interleave { None = "none", B16 = "16B", B32 = "32B", }
}

spelled! {
    /// Shared-memory swizzles.
    Swizzle { None = "none", B32 = "32B", B64 = "64B", B128 = "128B", }
}

spelled! {
    /// L2 promotion sizes.
    L2Promotion { None = "none", B64 = "64B", B128 = "128B", B256 = "256B", }
}

spelled! {
    /// What lies outside the tensor.
    OutOfBounds { Zeros = "zeros", Nan = "nan", }
}

impl TensorMapType {
    /// Size of an element in bytes.
    pub fn bytes(self) -> u64 {
        use TensorMapType::*;
        match self {
            U8 => 1,
            U16 | F16 | Bf16 => 2,
            U32 | I32 | F32 | Tf32 => 4,
            U64 | I64 | F64 => 8,
        }
    }
}

impl Swizzle {
    /// Bytes of a swizzled row; a box may not be wider. `None` where nothing is swizzled.
    pub fn span(self) -> Option<u64> {
        match self {
            Swizzle::None => None,
            Swizzle::B32 => Some(32),
            Swizzle::B64 => Some(64),
            Swizzle::B128 => Some(128),
        }
    }
}

/// A rule of `cuTensorMapEncodeTiled` that a map breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tensor map: {0}")]
pub struct TensorMapError(pub String);

impl TensorMap {
    /// Checks the rules that the driver would answer with a bare "invalid value".
    ///
    /// # Errors
    /// The first rule broken, with the value.
    pub fn check(&self, address: u64) -> Result<(), TensorMapError> {
        let err = |message: String| Err(TensorMapError(message));
        let rank = self.dims.len();
        if !(1..=5).contains(&rank) {
            return err(format!("dims has {rank} dimensions: it takes 1 to 5"));
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
        if !address.is_multiple_of(16) {
            return err(format!("the address {address:#x} is not a multiple of 16"));
        }
        if let Some(dim) = self.dims.iter().find(|dim| !(1..=1 << 32).contains(*dim)) {
            return err(format!("dims has {dim}: each takes 1 to 2^32"));
        }
        let stride_unit = if self.interleave == Interleave::B32 { 32 } else { 16 };
        if let Some(stride) = self.strides.iter().find(|s| !s.is_multiple_of(stride_unit) || **s >= 1 << 40) {
            return err(format!(
                "strides has {stride}: each is a multiple of {stride_unit} bytes below 2^40"
            ));
        }
        if let Some(size) = self.box_dims.iter().find(|size| !(1..=256).contains(*size)) {
            return err(format!("box has {size}: each takes 1 to 256"));
        }
        if let Some(stride) = self.element_strides.iter().find(|stride| !(1..=8).contains(*stride)) {
            return err(format!("element_strides has {stride}: each takes 1 to 8"));
        }
        let inner = u64::from(self.box_dims[0]) * self.ty.bytes();
        if self.interleave == Interleave::None {
            if !inner.is_multiple_of(16) {
                return err(format!("box is {inner} bytes wide: it takes a multiple of 16"));
            }
            if let Some(span) = self.swizzle.span()
                && inner > span
            {
                let swizzle = self.swizzle.as_str();
                return err(format!(
                    "box is {inner} bytes wide: with swizzle {swizzle} it takes at most {span}"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> TensorMap {
        TensorMap {
            ty: TensorMapType::F16,
            dims: vec![64, 512],
            strides: vec![128],
            box_dims: vec![64, 64],
            element_strides: vec![1, 1],
            interleave: Interleave::None,
            swizzle: Swizzle::B128,
            l2_promotion: L2Promotion::None,
            oob_fill: OutOfBounds::Zeros,
        }
    }

    #[test]
    fn rules() {
        type Change = fn(&mut TensorMap);
        let table: [(Change, &str); 9] = [
            (|_| (), ""),
            (|m| m.dims.clear(), "dims has 0 dimensions: it takes 1 to 5"),
            (|m| m.strides.push(4), "strides has 2 numbers: with 2 dims it takes 1"),
            (|m| m.box_dims = vec![64], "box has 1 numbers: with 2 dims it takes 2"),
            (|m| m.strides[0] = 24, "strides has 24: each is a multiple of 16 bytes below 2^40"),
            (|m| m.box_dims[1] = 512, "box has 512: each takes 1 to 256"),
            (|m| m.box_dims[0] = 128, "box is 256 bytes wide: with swizzle 128B it takes at most 128"),
            (|m| m.box_dims[0] = 7, "box is 14 bytes wide: it takes a multiple of 16"),
            (|m| m.dims[1] = 0, "dims has 0: each takes 1 to 2^32"),
        ];
        for (change, expected) in table {
            let mut map = map();
            change(&mut map);
            let message = map.check(256).map_or_else(|e| e.0, |()| String::new());
            assert_eq!(message, expected);
        }
        assert_eq!(map().check(8).unwrap_err().0, "the address 0x8 is not a multiple of 16");
    }
}
