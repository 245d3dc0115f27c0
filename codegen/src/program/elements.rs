//! The element types of a program's tensors, and which types they can be.
//!
//! The query has one, which [`Program::input_element`] is. Keys and values have the same, or one of their own
//! ([`Program::kv_element`]), and so has the output ([`Program::output_element`]).

use super::{Access, DType, Generic, ParamId, ParamKind, Program};

/// Most element types of a program: of the query, of keys and values, and of what it writes.
pub(crate) const MOST_ELEMENTS: usize = 3;

/// Whose element type a tensor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementOf {
    /// The query's.
    Query,
    /// That of keys and values.
    KeysAndValues,
    /// That of outputs, and of what they begin as.
    Outputs,
}

impl ElementOf {
    /// All of them.
    pub const ALL: [ElementOf; 3] = [ElementOf::Query, ElementOf::KeysAndValues, ElementOf::Outputs];

    /// Who has it, in a message.
    pub const fn owners(self) -> &'static str {
        match self {
            ElementOf::Query => "queries",
            ElementOf::KeysAndValues => "keys and values",
            ElementOf::Outputs => "outputs of a kernel, and what they begin as,",
        }
    }
}

impl ParamKind {
    /// Whose element type it has, if it has one.
    pub fn element_of(self) -> ElementOf {
        match self {
            ParamKind::Keys | ParamKind::Values | ParamKind::PagedKeys | ParamKind::PagedValues => {
                ElementOf::KeysAndValues
            }
            ParamKind::Input => ElementOf::Outputs,
            kind if kind.ty().access == Access::Write => ElementOf::Outputs,
            _ => ElementOf::Query,
        }
    }
}

/// The element types that a program is asked to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ElementTypes {
    /// Of the query.
    pub input: DType,
    /// Of keys and values.
    pub kv: DType,
    /// Of the output.
    pub output: DType,
}

impl ElementTypes {
    fn of(self, whose: ElementOf) -> DType {
        match whose {
            ElementOf::Query => self.input,
            ElementOf::KeysAndValues => self.kv,
            ElementOf::Outputs => self.output,
        }
    }
}

/// Why a program cannot have tensors of these element types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ElementError {
    /// The author fixed another type of the query.
    #[error("kernel `{kernel}` is written for dtype {fixed}, asked for {asked}")]
    Input {
        /// The kernel.
        kernel: String,
        /// In the source.
        fixed: DType,
        /// What was asked for.
        asked: DType,
    },
    /// The author fixed another type of keys and values.
    #[error("kernel `{kernel}` is written for keys and values of {fixed}, asked for {asked}")]
    KeysAndValues {
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
        /// What was asked for of the query.
        input: DType,
        /// What was asked for of the output.
        output: DType,
    },
    /// Two types for the one that query, keys and values have.
    #[error(
        "kernel `{kernel}` has one element type of query, keys and values, `{element}`, and {kv} was asked for of keys and values \
         with queries of {input}: write keys and values with another (`PagedKeys<C, D>` and `PagedValues<C, D>` with `C: Element`)"
    )]
    OneOfInputs {
        /// The kernel.
        kernel: String,
        /// What its author calls it.
        element: String,
        /// What was asked for of the query.
        input: DType,
        /// What was asked for of keys and values.
        kv: DType,
    },
    /// One type for the one that keys, values and the output have.
    #[error(
        "kernel `{kernel}` has one element type of keys, values and the output, `{element}`, and {kv} was asked for of keys and \
         values with an output of {output}: write the output with another (`Output<U, D>` with `U: Element`)"
    )]
    OneOfResults {
        /// The kernel.
        kernel: String,
        /// What its author calls it.
        element: String,
        /// What was asked for of keys and values.
        kv: DType,
        /// What was asked for of the output.
        output: DType,
    },
}

/// Of the types of eight bits.
const EIGHT_BITS: [DType; 2] = [DType::E4m3, DType::E5m2];

impl DType {
    /// Whether it is a float of eight bits.
    pub fn is_eight_bits(self) -> bool {
        EIGHT_BITS.contains(&self)
    }

    /// Whether there are kernels for queries of this type over keys and values of `kv`: the same, of 16 bits or of 32; or of 8 bits,
    /// which are widened to 16-bit queries' type. Queries of 8 bits are multiplied with either type of them.
    pub fn multiplies(self, kv: DType) -> bool {
        match self {
            DType::F16 | DType::Bf16 => kv == self || kv.is_eight_bits(),
            DType::F32 => kv == self,
            DType::E4m3 | DType::E5m2 => kv.is_eight_bits(),
            DType::I32 => false,
        }
    }
}

impl Program {
    /// The element type of the query.
    pub fn input_element(&self) -> &Generic<DType> {
        // A program that is not valid may not have it.
        static NONE: Generic<DType> = Generic::Open(String::new());
        self.element_of(ElementOf::Query).unwrap_or(&NONE)
    }

    /// The element type of keys and values; that of the query, of a program without any.
    pub fn kv_element(&self) -> &Generic<DType> {
        self.element_of(ElementOf::KeysAndValues).unwrap_or_else(|| self.input_element())
    }

    /// The element type of the output; that of the query, of a program without one.
    pub fn output_element(&self) -> &Generic<DType> {
        self.element_of(ElementOf::Outputs).unwrap_or_else(|| self.input_element())
    }

    /// What a table of numbers holds, where the query is of `input`.
    pub fn bias_type(&self, param: ParamId, input: DType) -> DType {
        match self.params[param.0].kind {
            ParamKind::Bias(Some(own)) => own,
            _ => input,
        }
    }

    /// That of the first tensor that has such: all have the same.
    fn element_of(&self, whose: ElementOf) -> Option<&Generic<DType>> {
        let alike = self.params.iter().filter(|param| param.kind.element_of() == whose);
        let element = alike.filter_map(|param| param.element).next()?;
        self.elements.get(element.0)
    }

    /// The types that the output can have where query, keys and values are of `input`, the usual one first: what its
    /// author fixed; that of the inputs alone, where it is written with theirs; or any, that of the inputs first, or f16 where that has 8
    /// bits.
    pub fn output_types(&self, input: DType) -> Vec<DType> {
        match self.output_element() {
            Generic::Fixed(fixed) => vec![*fixed],
            open if open == self.input_element() => vec![input],
            // No kernel stores 8 bits.
            Generic::Open(_) if input.is_eight_bits() => vec![DType::F16, DType::Bf16, DType::F32],
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

    /// The types that keys and values can have where the query is of `input`, as far as there are kernels, the usual one first: what
    /// their author fixed; that of the query alone, where they are written with its; or that and those of eight bits.
    pub fn kv_types(&self, input: DType) -> Vec<DType> {
        let others = || EIGHT_BITS.into_iter().filter(|other| *other != input);
        let open = || [input].into_iter().chain(others()).filter(|kv| input.multiplies(*kv));
        match self.kv_element() {
            Generic::Fixed(fixed) => vec![*fixed],
            element if element == self.input_element() => vec![input],
            element if element == self.output_element() => vec![input],
            Generic::Open(_) => open().collect(),
        }
    }

    /// The usual type of keys and values where the query is of `input`: the first of [`Program::kv_types`].
    pub fn kv_type(&self, input: DType) -> DType {
        self.kv_types(input).first().copied().unwrap_or(input)
    }

    /// Whether its tensors can be of these types.
    ///
    /// # Errors
    /// Where the author fixed another type, and where two are given for one that is written once.
    pub fn takes_elements(&self, asked: ElementTypes) -> Result<(), ElementError> {
        let kernel = || self.name.clone();
        let ElementTypes { input, kv, output } = asked;
        for whose in ElementOf::ALL {
            let Some(Generic::Fixed(fixed)) = self.element_of(whose) else { continue };
            let (kernel, fixed, asked) = (kernel(), *fixed, asked.of(whose));
            if fixed == asked {
                continue;
            }
            return Err(match whose {
                ElementOf::Query => ElementError::Input { kernel, fixed, asked },
                ElementOf::KeysAndValues => ElementError::KeysAndValues { kernel, fixed, asked },
                ElementOf::Outputs => ElementError::Output { kernel, fixed, asked },
            });
        }
        let (of_input, of_kv, of_output) = (self.input_element(), self.kv_element(), self.output_element());
        let element = |of: &Generic<DType>| of.text();
        match () {
            () if of_input == of_kv && input != kv => {
                Err(ElementError::OneOfInputs { kernel: kernel(), element: element(of_kv), input, kv })
            }
            () if of_input == of_output && input != output => {
                Err(ElementError::One { kernel: kernel(), element: element(of_input), input, output })
            }
            () if of_kv == of_output && kv != output => {
                Err(ElementError::OneOfResults { kernel: kernel(), element: element(of_kv), kv, output })
            }
            () => Ok(()),
        }
    }
}
