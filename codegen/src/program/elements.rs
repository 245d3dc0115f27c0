//! The element types of a program's tensors, and which types they can be.
//!
//! Query, keys and values have one, which [`Program::input_element`] is. The output has the same, or one of its own, which
//! [`Program::output_element`] is.

use super::{DType, Generic, ParamId, ParamKind, Program};

/// Most element types of a program: that of what it reads, and that of what it writes.
pub(crate) const MOST_ELEMENTS: usize = 2;

/// Why a program cannot have tensors of these element types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ElementError {
    /// The author fixed another type of query, keys and values.
    #[error("kernel `{kernel}` is written for dtype {fixed}, asked for {asked}")]
    Input {
        /// The kernel.
        kernel: String,
        /// In the source.
        fixed: DType,
        /// What was asked for.
        asked: DType,
    },
    /// The author fixed another type of the output.
    #[error("kernel `{kernel}` is written for an output of {fixed}, asked for one of {asked}")]
    Output {
        /// The kernel.
        kernel: String,
        /// In the source.
        fixed: DType,
        /// What was asked for.
        asked: DType,
    },
    /// Two types for the one that there is.
    #[error(
        "kernel `{kernel}` has one element type, `{element}`, and an output of {output} was asked for with inputs of {input}: \
         write the output with another (`Output<{output}, D>`, or `Output<U, D>` with `U: Element`)"
    )]
    One {
        /// The kernel.
        kernel: String,
        /// What its author calls it.
        element: String,
        /// What was asked for of query, keys and values.
        input: DType,
        /// What was asked for of the output.
        output: DType,
    },
}

impl Program {
    /// The element type of query, keys and values.
    pub fn input_element(&self) -> &Generic<DType> {
        // A program that is not valid may not have it.
        static NONE: Generic<DType> = Generic::Open(String::new());
        self.element_of(false).unwrap_or(&NONE)
    }

    /// The element type of the output; that of the inputs, of a program without one.
    pub fn output_element(&self) -> &Generic<DType> {
        self.element_of(true).unwrap_or_else(|| self.input_element())
    }

    /// What a table of numbers holds, where query, keys and values are of `input`.
    pub fn bias_type(&self, param: ParamId, input: DType) -> DType {
        match self.params[param.0].kind {
            ParamKind::Bias(Some(own)) => own,
            _ => input,
        }
    }

    /// That of the first tensor that is as outputs are, or as inputs: all have the same.
    fn element_of(&self, as_outputs: bool) -> Option<&Generic<DType>> {
        let alike = self.params.iter().filter(|param| param.kind.is_as_outputs() == as_outputs);
        let element = alike.filter_map(|param| param.element).next()?;
        self.elements.get(element.0)
    }

    /// The types that the output can have where query, keys and values are of `input`, the usual one first: what its
    /// author fixed; that of the inputs alone, where it is written with theirs; or any, that of the inputs first.
    pub fn output_types(&self, input: DType) -> Vec<DType> {
        match self.output_element() {
            Generic::Fixed(fixed) => vec![*fixed],
            open if open == self.input_element() => vec![input],
            Generic::Open(_) => {
                let others =
                    [DType::F32, DType::F16, DType::Bf16].into_iter().filter(|other| *other != input);
                [input].into_iter().chain(others).collect()
            }
        }
    }

    /// The usual type of the output where query, keys and values are of `input`: the first of [`Program::output_types`].
    pub fn output_type(&self, input: DType) -> DType {
        self.output_types(input).first().copied().unwrap_or(input)
    }

    /// Whether query, keys and values can be of `input`, and the output of `output`.
    ///
    /// # Errors
    /// Where the author fixed another type, and where all are written with one and two are given.
    pub fn takes_elements(&self, input: DType, output: DType) -> Result<(), ElementError> {
        let kernel = || self.name.clone();
        let (of_input, of_output) = (self.input_element(), self.output_element());
        match (of_input, of_output) {
            (Generic::Fixed(fixed), _) if *fixed != input => {
                Err(ElementError::Input { kernel: kernel(), fixed: *fixed, asked: input })
            }
            (_, Generic::Fixed(fixed)) if *fixed != output => {
                Err(ElementError::Output { kernel: kernel(), fixed: *fixed, asked: output })
            }
            _ if of_input == of_output && input != output => {
                Err(ElementError::One { kernel: kernel(), element: of_input.text(), input, output })
            }
            _ => Ok(()),
        }
    }
}
