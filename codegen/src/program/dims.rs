//! The head dimensions of a program, and which numbers they can be.
//!
//! A program has one, or two: that of the query, which [`HeadDim::qk`] is, and another, which [`HeadDim::v`] is. A program
//! with one takes it for both.

use super::{Axis, Dim, Generic, ParamKind, Program, TileOp};
use crate::spec::HeadDim;

/// Most head dimensions of a program.
pub(crate) const MOST_DIMS: usize = 2;

/// Why a program cannot have a head dimension.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadDimError {
    /// The author fixed another number.
    #[error("kernel `{kernel}` is written for head_dim {takes}, asked for {given}")]
    Fixed {
        /// The kernel.
        kernel: String,
        /// Its own: one number, or two.
        takes: String,
        /// What was asked for.
        given: HeadDim,
    },
    /// Two numbers for the one dimension that there is.
    #[error(
        "kernel `{kernel}` has one head dimension, `{dim}`, and {given} was asked for: give one number, or write the kernel \
         with a second (`Values<T, E>` and `Output<T, E>`)"
    )]
    One {
        /// The kernel.
        kernel: String,
        /// What its author calls it.
        dim: String,
        /// What was asked for.
        given: HeadDim,
    },
    /// A slice that is larger than what it is cut from.
    #[error(
        "kernel `{kernel}`: `{value}` is the first {asked} numbers of rows of {there_are} at a head_dim of {given}: a slice is \
         no larger than what it is cut from"
    )]
    Slice {
        /// The kernel.
        kernel: String,
        /// The slice, as the program prints it.
        value: String,
        /// Numbers of a row of the slice.
        asked: usize,
        /// Numbers of a row of what it is cut from.
        there_are: usize,
        /// What was asked for.
        given: HeadDim,
    },
}

impl Program {
    /// The dimension of the query.
    fn query_dim(&self) -> Dim {
        let of_query = |param: &&super::Param| param.kind == ParamKind::Query;
        self.params.iter().find(of_query).and_then(|param| param.dim).unwrap_or(Dim(0))
    }

    /// The dimension of the query: of queries and keys, in the kernels that are compiled.
    pub fn qk_dim(&self) -> &Generic<usize> {
        self.dim(self.query_dim())
    }

    /// The dimension of the tensors that do not have the query's: of values and output, in the kernels that are compiled.
    /// Where all have one, that.
    pub fn v_dim(&self) -> &Generic<usize> {
        let qk = self.query_dim();
        let other = self.params.iter().filter_map(|param| param.dim).find(|dim| *dim != qk);
        self.dim(other.unwrap_or(qk))
    }

    /// A program that is not valid may not have it: then one without a name.
    fn dim(&self, dim: Dim) -> &Generic<usize> {
        static NONE: Generic<usize> = Generic::Open(String::new());
        self.dims.get(dim.0).unwrap_or(&NONE)
    }

    /// The number that a dimension is, where the head dimension is `head_dim`.
    pub fn width(&self, dim: Dim, head_dim: HeadDim) -> usize {
        match self.dims.get(dim.0) {
            Some(Generic::Fixed(number)) => *number,
            _ if dim == self.query_dim() => head_dim.qk,
            _ => head_dim.v,
        }
    }

    /// A head dimension with the numbers that the author fixed in their places.
    pub fn with_fixed(&self, head_dim: HeadDim) -> HeadDim {
        let number = |dim: &Generic<usize>, open| match dim {
            Generic::Fixed(number) => *number,
            Generic::Open(_) => open,
        };
        HeadDim { qk: number(self.qk_dim(), head_dim.qk), v: number(self.v_dim(), head_dim.v) }
    }

    /// Whether the program can have this head dimension.
    ///
    /// # Errors
    /// Where its author fixed another, where it has one and two numbers are given, and where a slice would be larger than
    /// what it is cut from.
    pub fn takes(&self, head_dim: HeadDim) -> Result<(), HeadDimError> {
        let kernel = || self.name.clone();
        let (qk, v) = (self.qk_dim(), self.v_dim());
        let differs = |dim: &Generic<usize>, given| matches!(dim, Generic::Fixed(takes) if *takes != given);
        if differs(qk, head_dim.qk) || differs(v, head_dim.v) {
            let takes = if qk == v { qk.text() } else { format!("{}/{}", qk.text(), v.text()) };
            return Err(HeadDimError::Fixed { kernel: kernel(), takes, given: head_dim });
        }
        if qk == v && head_dim.qk != head_dim.v {
            return Err(HeadDimError::One { kernel: kernel(), dim: qk.text(), given: head_dim });
        }
        for (index, value) in self.values.iter().enumerate() {
            let TileOp::Slice { of, dim } = &value.op else { continue };
            let Some(Axis::Dim(from)) = self.values.get(of.0).map(|of| of.ty.cols) else { continue };
            let (asked, there_are) = (self.width(*dim, head_dim), self.width(from, head_dim));
            if asked > there_are {
                let value = self.value_names()[index].clone();
                return Err(HeadDimError::Slice {
                    kernel: kernel(),
                    value,
                    asked,
                    there_are,
                    given: head_dim,
                });
            }
        }
        Ok(())
    }
}
