//! `launch.json`, field by field. Every complaint names the file, the field and what would have been right;
//! a field that is not known is an error, for it is a typing error more often than not.

use super::{Arg, BufferSource, Case, CaseError, Expectation, files};
use crate::device::TensorMap;
use crate::npy::{Array, NpyError, NumberType};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

/// A value of the document and where it stands.
#[derive(Clone)]
struct Field<'a> {
    file: &'a Path,
    path: String,
    value: &'a Value,
}

/// An object whose fields are all known.
struct Object<'a> {
    file: &'a Path,
    path: String,
    map: &'a Map<String, Value>,
}

type Result<T, E = CaseError> = std::result::Result<T, E>;

impl<'a> Field<'a> {
    fn err<T>(&self, message: impl Into<String>) -> Result<T> {
        let field = if self.path.is_empty() { "the document".to_string() } else { self.path.clone() };
        Err(CaseError::Field { path: self.file.to_path_buf(), field, message: message.into() })
    }

    /// What the value is, for messages.
    fn found(&self) -> String {
        match self.value {
            Value::Null => "null".into(),
            Value::Array(_) => "a list".into(),
            Value::Object(_) => "an object".into(),
            Value::String(text) => format!("`{}`", text.chars().take(60).collect::<String>()),
            other => other.to_string(),
        }
    }

    fn map(&self) -> Result<&'a Map<String, Value>> {
        match self.value {
            Value::Object(map) => Ok(map),
            _ => self.err(format!("expected an object, found {}", self.found())),
        }
    }

    /// An object that has no fields but these.
    fn object(&self, known: &[&str]) -> Result<Object<'a>> {
        let map = self.map()?;
        if let Some(unknown) = map.keys().find(|key| !known.contains(&key.as_str())) {
            let known = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            return self.err(format!("unknown field `{unknown}`: it takes {known}"));
        }
        Ok(Object { file: self.file, path: self.path.clone(), map })
    }

    fn child(&self, name: &str, value: &'a Value) -> Field<'a> {
        let path = if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) };
        Field { file: self.file, path, value }
    }

    fn list(&self) -> Result<Vec<Field<'a>>> {
        let Value::Array(items) = self.value else {
            return self.err(format!("expected a list, found {}", self.found()));
        };
        let item = |(index, value)| Field { file: self.file, path: format!("{}[{index}]", self.path), value };
        Ok(items.iter().enumerate().map(item).collect())
    }

    fn string(&self) -> Result<&'a str> {
        match self.value {
            Value::String(text) => Ok(text),
            _ => self.err(format!("expected a string, found {}", self.found())),
        }
    }

    /// A word of a closed list.
    fn word<T: FromStr<Err = String>>(&self) -> Result<T> {
        self.string()?.parse().or_else(|message: String| self.err(message))
    }

    /// An integer in a range.
    fn integer(&self, least: i128, most: i128) -> Result<i128> {
        let number = match self.value {
            Value::Number(number) => number.as_i64().map(i128::from).or(number.as_u64().map(i128::from)),
            _ => None,
        };
        match number.filter(|number| (least..=most).contains(number)) {
            Some(number) => Ok(number),
            None => self.err(format!("expected an integer from {least} to {most}, found {}", self.found())),
        }
    }

    fn unsigned<T: TryFrom<i128>>(&self, least: i128, most: i128) -> Result<T> {
        let value = self.integer(least, most)?;
        T::try_from(value).or_else(|_| self.err(format!("{value} is too large")))
    }

    /// A number, or one of the words that JSON has no number for.
    fn float(&self) -> Result<f64> {
        match self.value {
            Value::Number(number) => number.as_f64().map_or_else(|| self.err("a number too large"), Ok),
            Value::String(text) => match text.as_str() {
                "nan" => Ok(f64::NAN),
                "inf" => Ok(f64::INFINITY),
                "-inf" => Ok(f64::NEG_INFINITY),
                _ => self.err(format!("expected a number, \"nan\", \"inf\" or \"-inf\", found `{text}`")),
            },
            _ => self.err(format!("expected a number, found {}", self.found())),
        }
    }

    fn flag(&self) -> Result<bool> {
        match self.value {
            Value::Bool(flag) => Ok(*flag),
            _ => self.err(format!("expected true or false, found {}", self.found())),
        }
    }

    fn three(&self) -> Result<[u32; 3]> {
        let items = self.list()?;
        let [x, y, z] = items.as_slice() else {
            return self.err(format!("expected three numbers, found {}", items.len()));
        };
        let one = |field: &Field<'_>| field.unsigned(1, i128::from(i32::MAX));
        Ok([one(x)?, one(y)?, one(z)?])
    }
}

impl<'a> Object<'a> {
    fn get(&self, name: &str) -> Option<Field<'a>> {
        let path = if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) };
        self.map.get(name).map(|value| Field { file: self.file, path, value })
    }

    fn need(&self, name: &str) -> Result<Field<'a>> {
        match self.get(name) {
            Some(field) => Ok(field),
            None => {
                let field = if self.path.is_empty() { "the document".to_string() } else { self.path.clone() };
                let message = format!("the field `{name}` is missing");
                Err(CaseError::Field { path: self.file.to_path_buf(), field, message })
            }
        }
    }
}

pub(super) fn load(path: &Path) -> Result<Case> {
    let text = files::text(path)?;
    let document: Value =
        serde_json::from_str(&text).map_err(|error| CaseError::Json { path: path.to_path_buf(), error })?;
    let root = Field { file: path, path: String::new(), value: &document };
    let object = root.object(&[
        "ptx",
        "entry",
        "grid",
        "block",
        "cluster",
        "dynamic_shared_bytes",
        "cooperative",
        "programmatic",
        "buffers",
        "args",
        "expected",
    ])?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let ptx_path = folder.join(object.need("ptx")?.string()?);
    let ptx = files::text(&ptx_path)?;
    let mut buffers = BTreeMap::new();
    if let Some(field) = object.get("buffers") {
        for (name, value) in field.map()? {
            let field = field.child(name, value);
            if name.is_empty() || name.contains(['/', '\\', '\0']) {
                return field.err("a buffer's name is part of a file name: it takes no slashes");
            }
            buffers.insert(name.clone(), buffer(&field, folder)?);
        }
    }
    let args = match object.get("args") {
        Some(list) => list.list()?.iter().map(|field| arg(field, &buffers)).collect::<Result<_>>()?,
        None => Vec::new(),
    };
    let mut expected = BTreeMap::new();
    if let Some(field) = object.get("expected") {
        for (name, value) in field.map()? {
            let field = field.child(name, value);
            let source = known_buffer(&field, name, &buffers)?;
            expected.insert(name.clone(), expectation(&field, folder, source)?);
        }
    }
    Ok(Case {
        path: path.to_path_buf(),
        ptx_path,
        ptx,
        entry: object.need("entry")?.string()?.to_string(),
        grid: object.need("grid")?.three()?,
        block: object.need("block")?.three()?,
        cluster: object.get("cluster").map_or(Ok([1, 1, 1]), |field| field.three())?,
        dynamic_shared_bytes: object
            .get("dynamic_shared_bytes")
            .map_or(Ok(0), |field| field.unsigned(0, i128::from(u32::MAX)))?,
        cooperative: object.get("cooperative").map_or(Ok(false), |field| field.flag())?,
        programmatic: object.get("programmatic").map_or(Ok(false), |field| field.flag())?,
        buffers,
        args,
        expected,
    })
}

fn known_buffer<'b>(
    field: &Field<'_>,
    name: &str,
    buffers: &'b BTreeMap<String, BufferSource>,
) -> Result<&'b BufferSource> {
    match buffers.get(name) {
        Some(source) => Ok(source),
        None => {
            let known: Vec<&String> = buffers.keys().collect();
            field.err(format!("there is no buffer `{name}`: there are {}", crate::device::list(&known)))
        }
    }
}

/// An array of a file, whose bits `dtype` may read as another type of the same size.
fn array(field: &Field<'_>, object: &Object<'_>, folder: &Path) -> Result<Array> {
    let path = folder.join(object.need("npy")?.string()?);
    files::check_array(&path).map_err(|message| NpyError { path: path.clone(), message })?;
    let mut array = Array::load(&path)?;
    if let Some(dtype) = object.get("dtype") {
        let ty: NumberType = dtype.word()?;
        if ty.bytes() != array.ty.bytes() {
            let (wanted, has) = (ty.as_str(), array.ty.as_str());
            return field.err(format!("the file holds {has}, whose bits are no {wanted}: the sizes differ"));
        }
        array.ty = ty;
    }
    Ok(array)
}

fn buffer(field: &Field<'_>, folder: &Path) -> Result<BufferSource> {
    let object = field.object(&["npy", "dtype", "shape", "fill"])?;
    if object.get("npy").is_some() {
        for name in ["shape", "fill"] {
            if let Some(field) = object.get(name) {
                return field.err("the file says it: drop this field, or `npy`");
            }
        }
        return Ok(BufferSource::Array(array(field, &object, folder)?));
    }
    let ty: NumberType = object.need("dtype")?.word()?;
    let shape_field = object.need("shape")?;
    let shape = shape_field
        .list()?
        .iter()
        .map(|dim| dim.unsigned(0, i128::from(i64::MAX)))
        .collect::<Result<Vec<usize>>>()?;
    let bytes = shape.iter().try_fold(ty.bytes(), |product, dim| product.checked_mul(*dim));
    if bytes.is_none_or(|bytes| bytes > isize::MAX as usize) {
        return shape_field.err("the buffer would be too large");
    }
    let fill = object.get("fill").map(|field| match field.float()? {
        value if value.is_nan() && ty.is_integer() => {
            field.err(format!("{} has no NaN: give a number", ty.as_str()))
        }
        value => Ok(value),
    });
    Ok(BufferSource::Filled { ty, shape, fill: fill.transpose()? })
}

fn expectation(field: &Field<'_>, folder: &Path, source: &BufferSource) -> Result<Expectation> {
    let object = field.object(&["npy", "dtype", "max_abs", "max_rel_l2"])?;
    let array = array(field, &object, folder)?;
    let elements: usize = source.shape().iter().product();
    if array.len() != elements {
        return field.err(format!("{} elements are expected of a buffer that has {elements}", array.len()));
    }
    let tolerance = |name: &str| {
        object.get(name).map(|field| match field.float()? {
            value if value >= 0.0 => Ok(value),
            value => field.err(format!("expected a number of zero or more, found {value}")),
        })
    };
    Ok(Expectation {
        array,
        max_abs: tolerance("max_abs").transpose()?,
        max_rel_l2: tolerance("max_rel_l2").transpose()?,
    })
}

/// The kinds of arguments, each the name of its field.
const KINDS: [&str; 16] = [
    "buffer",
    "bytes",
    "struct",
    "tensor_map",
    "f16",
    "bf16",
    "f32",
    "f64",
    "i8",
    "i16",
    "i32",
    "i64",
    "u8",
    "u16",
    "u32",
    "u64",
];

fn arg(field: &Field<'_>, buffers: &BTreeMap<String, BufferSource>) -> Result<Arg> {
    let map = field.map()?;
    let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| map.contains_key(*kind)).collect();
    let [kind] = kinds.as_slice() else {
        let known = KINDS.map(|kind| format!("`{kind}`")).join(", ");
        return field.err(format!("expected one of {known}"));
    };
    let allowed: &[&str] = match *kind {
        "buffer" => &["buffer", "byte_offset"],
        "struct" => &["struct", "align"],
        kind => &[kind],
    };
    let object = field.object(allowed)?;
    let value = object.need(kind)?;
    match *kind {
        "buffer" => {
            let (buffer, byte_offset) = address(&value, object.get("byte_offset"), buffers)?;
            Ok(Arg::Address { buffer, byte_offset })
        }
        "bytes" => Ok(Arg::Bytes(hex(&value)?)),
        "struct" => {
            // A struct in a struct in a struct …: JSON itself is read to a depth of 128.
            let fields = value.list()?.iter().map(|field| arg(field, buffers)).collect::<Result<_>>()?;
            let align = match object.get("align") {
                None => 1,
                Some(align) => match align.unsigned::<usize>(1, 128)? {
                    bytes if bytes.is_power_of_two() => bytes,
                    bytes => return align.err(format!("expected a power of two, found {bytes}")),
                },
            };
            Ok(Arg::Struct { fields, align })
        }
        "tensor_map" => tensor_map(&value, buffers),
        number => {
            let ty = NumberType::from_str(number).or_else(|message| value.err(message))?;
            Ok(Arg::Scalar(scalar(&value, ty)?))
        }
    }
}

fn address(
    field: &Field<'_>,
    offset: Option<Field<'_>>,
    buffers: &BTreeMap<String, BufferSource>,
) -> Result<(String, u64)> {
    let name = field.string()?;
    let source = known_buffer(field, name, buffers)?;
    // One past the end is an address too.
    let byte_offset = offset.map_or(Ok(0), |field| field.unsigned(0, source.bytes() as i128))?;
    Ok((name.to_string(), byte_offset))
}

fn scalar(field: &Field<'_>, ty: NumberType) -> Result<Vec<u8>> {
    if !ty.is_integer() {
        return Ok(ty.write(field.float()?));
    }
    let bits = ty.bytes() as u32 * 8;
    let is_signed = ty.as_str().starts_with('i');
    let (least, most) = if is_signed {
        (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)
    } else {
        (0, (1i128 << bits) - 1)
    };
    Ok(field.integer(least, most)?.to_le_bytes()[..ty.bytes()].to_vec())
}

fn hex(field: &Field<'_>) -> Result<Vec<u8>> {
    let text = field.string()?;
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    match digits.filter(|digits| digits.len().is_multiple_of(2)) {
        Some(digits) => Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()),
        None => field.err(format!("expected an even number of hexadecimal digits, found {}", field.found())),
    }
}

fn tensor_map(field: &Field<'_>, buffers: &BTreeMap<String, BufferSource>) -> Result<Arg> {
    let object = field.object(&[
        "buffer",
        "byte_offset",
        "dtype",
        "dims",
        "strides",
        "box",
        "element_strides",
        "swizzle",
        "interleave",
        "l2_promotion",
        "oob_fill",
    ])?;
    let (buffer, byte_offset) = address(&object.need("buffer")?, object.get("byte_offset"), buffers)?;
    let wide = |name: &str| -> Result<Vec<u64>> {
        object.need(name)?.list()?.iter().map(|field| field.unsigned(0, i128::from(u64::MAX))).collect()
    };
    let narrow = |field: Field<'_>| -> Result<Vec<u32>> {
        field.list()?.iter().map(|field| field.unsigned(0, i128::from(u32::MAX))).collect()
    };
    let dims = wide("dims")?;
    let map = TensorMap {
        ty: object.need("dtype")?.word()?,
        strides: wide("strides")?,
        box_dims: narrow(object.need("box")?)?,
        element_strides: match object.get("element_strides") {
            Some(field) => narrow(field)?,
            None => vec![1; dims.len()],
        },
        interleave: object
            .get("interleave")
            .map_or(Ok(crate::device::Interleave::None), |field| field.word())?,
        swizzle: object.get("swizzle").map_or(Ok(crate::device::Swizzle::None), |field| field.word())?,
        l2_promotion: object
            .get("l2_promotion")
            .map_or(Ok(crate::device::L2Promotion::None), |field| field.word())?,
        oob_fill: object
            .get("oob_fill")
            .map_or(Ok(crate::device::OutOfBounds::Zeros), |field| field.word())?,
        dims,
    };
    // The address is the device's; a multiple of 16 for as long as the offset is.
    match map.check(byte_offset) {
        Ok(()) => Ok(Arg::TensorMap { buffer, byte_offset, map }),
        Err(error) => field.err(error.0),
    }
}
