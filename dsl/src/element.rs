//! Scalars: what tensors are made of, and what score functions compute with.

use flashpage_device_kernels::fp8::{E4m3, E5m2};
use half::{bf16, f16};

/// An element type: that of Q, that of K and V, and that of O, which may be others.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an element type of tensors",
    label = "not an element type",
    note = "tensors hold `f16`, `bf16`, `f32`, `E4m3` or `E5m2`"
)]
pub trait Element: Copy + Default + Send + Sync + 'static {
    /// As in `--dtype`, in `launch.json` and in kernel names.
    const NAME: &'static str;

    /// The value, exactly.
    fn to_f32(self) -> f32;

    /// The nearest value, ties to even.
    fn from_f32(value: f32) -> Self;
}

impl Element for f16 {
    const NAME: &'static str = "f16";

    fn to_f32(self) -> f32 {
        f16::to_f32(self)
    }

    fn from_f32(value: f32) -> Self {
        f16::from_f32(value)
    }
}

impl Element for bf16 {
    const NAME: &'static str = "bf16";

    fn to_f32(self) -> f32 {
        bf16::to_f32(self)
    }

    fn from_f32(value: f32) -> Self {
        bf16::from_f32(value)
    }
}

impl Element for f32 {
    const NAME: &'static str = "f32";

    fn to_f32(self) -> f32 {
        self
    }

    fn from_f32(value: f32) -> Self {
        value
    }
}

macro_rules! eight_bits {
    ($Name:ident, $name:literal) => {
        impl Element for $Name {
            const NAME: &'static str = $name;

            fn to_f32(self) -> f32 {
                $Name::to_f32(self)
            }

            fn from_f32(value: f32) -> Self {
                $Name::from_f32(value)
            }
        }
    };
}

eight_bits!(E4m3, "e4m3");
eight_bits!(E5m2, "e5m2");

/// A type of scalar parameters and of the expressions in score functions: `f32`, `i32` or `bool`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a scalar of the attention language",
    note = "scalars are `f32`, `i32` and `bool`"
)]
pub trait Scalar: Copy + sealed::Zero + 'static {}

impl Scalar for f32 {}
impl Scalar for i32 {}
impl Scalar for bool {}

pub(crate) mod sealed {
    /// A value to give where there is none, by reference.
    pub trait Zero: Sized + 'static {
        #[allow(missing_docs)]
        const ZERO: &'static Self;
    }

    impl Zero for f32 {
        const ZERO: &'static f32 = &0.0;
    }

    impl Zero for i32 {
        const ZERO: &'static i32 = &0;
    }

    impl Zero for bool {
        const ZERO: &'static bool = &false;
    }
}

/// `a` where `condition` holds, `b` elsewhere. Both are evaluated.
pub fn select<S: Scalar>(condition: bool, a: S, b: S) -> S {
    if condition { a } else { b }
}
