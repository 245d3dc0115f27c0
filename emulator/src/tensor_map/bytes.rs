//! A tensor map as 128 bytes.
//!
//! NVIDIA's driver makes opaque bytes of what [`TensorMap`] says; so does [`TensorMap::encode`], in a layout of its own: a
//! map made here runs on the emulator only, and one made by a driver is told from it by its first bytes.
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

use super::{ElementType, Fill, Interleave, L2Promotion, MAX_RANK, Swizzle, TensorMap, TensorMapError};

/// The first bytes of every map.
const MAGIC: [u8; 8] = *b"flashTMA";

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
    use super::super::tests::map;
    use super::*;

    #[test]
    fn there_and_back() {
        assert_eq!(TensorMap::decode(&map().encode().unwrap()), Ok(map()));
        let garbage = TensorMap::decode(&[7; 128]).unwrap_err().0;
        assert_eq!(garbage, "these 128 bytes are no tensor map of this emulator");
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

    /// Whatever the bytes and coordinates: a message or rows that are inside of the box.
    #[test]
    fn any_bytes() {
        let mut state = 1u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        let mut maps = 0;
        for _ in 0..20_000 {
            let mut bytes = [0; 128];
            let limits = [13, 5, 1, 4, 2];
            let kinds =
                [Field::Elemtype, Field::Rank, Field::InterleaveLayout, Field::SwizzleMode, Field::FillMode];
            for (field, limit) in kinds.into_iter().zip(limits) {
                replace(&mut bytes, field, draw() % limit).unwrap();
            }
            replace(&mut bytes, Field::GlobalAddress, draw() << 33 | draw() & !31).unwrap();
            for i in 0..5 {
                replace(&mut bytes, Field::GlobalDim(i), (draw() << 2) >> (draw() % 32)).unwrap();
                replace(&mut bytes, Field::GlobalStride(i), (draw() << 5) >> (draw() % 16) & !31).unwrap();
                replace(&mut bytes, Field::BoxDim(i), 1 << (draw() % 9)).unwrap();
                replace(&mut bytes, Field::ElementStride(i), 1 + draw() % 8).unwrap();
            }
            let Ok(map) = TensorMap::decode(&bytes) else { continue };
            maps += 1;
            let shape = map.shape();
            let coordinates: Vec<i32> =
                map.dims.iter().map(|_| (draw() * 2) as i32 >> (draw() % 32)).collect();
            for row in 0..shape.rows {
                if let Some(row) = map.row(&shape, &coordinates, row) {
                    assert!(row.bytes > 0 && row.skip + row.bytes <= shape.inner);
                }
            }
        }
        assert!(maps > 100, "{maps} maps");
    }
}
