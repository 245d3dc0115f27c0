//! Head dimensions in files: a number, or `"192/128"` where there are two.

use flashpage_codegen::HeadDim;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    One(usize),
    Two(String),
}

pub(crate) fn serialize<S: Serializer>(head_dim: &HeadDim, to: S) -> Result<S::Ok, S::Error> {
    written(*head_dim).serialize(to)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<HeadDim, D::Error> {
    match Written::deserialize(from)? {
        Written::One(both) => Ok(both.into()),
        Written::Two(text) => text.parse().map_err(D::Error::custom),
    }
}

/// As JSON has it.
pub fn json(head_dim: HeadDim) -> serde_json::Value {
    match written(head_dim) {
        Written::One(both) => both.into(),
        Written::Two(text) => text.into(),
    }
}

fn written(head_dim: HeadDim) -> Written {
    match head_dim.qk == head_dim.v {
        true => Written::One(head_dim.qk),
        false => Written::Two(head_dim.to_string()),
    }
}
