//! The numbers that tiles hold: f64 where a program is evaluated exactly, f32 where it is evaluated plainly, for
//! that is what products of tensor cores add up in.

use crate::rounding::{Factors, Precision, round_to_lifted_e4m3, round_to_tf32, split};
use flashpage_codegen::schedule::F32Products;
use flashpage_emulator::product_of_eight_bits;

/// A matrix in memory: where element (row, column) lies is `row * strides.0 + column * strides.1`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix<'a, T> {
    pub data: &'a [T],
    pub rows: usize,
    pub cols: usize,
    pub strides: (usize, usize),
}

impl<T> Matrix<'_, T> {
    /// Whether every element lies inside the data.
    fn is_inside(&self) -> bool {
        let last = |n: usize, stride: usize| n.saturating_sub(1).saturating_mul(stride);
        let end = last(self.rows, self.strides.0).saturating_add(last(self.cols, self.strides.1));
        self.rows == 0 || self.cols == 0 || end < self.data.len()
    }
}

/// f64 or f32.
pub(super) trait Real: Copy + Default + Send + Sync + 'static {
    /// The nearest number.
    fn narrow(value: f64) -> Self;

    /// The same number.
    fn wide(self) -> f64;

    /// Rounds each number as `precision` says.
    fn round_all(precision: Precision, values: &mut [Self]);

    /// The product, row-major. Sums over nothing are 0; infinities and NaN multiply as IEEE 754 says, by zero too.
    fn product(a: Matrix<'_, Self>, b: Matrix<'_, Self>) -> Vec<Self>;
}

impl<T: Real> Matrix<'_, T> {
    /// The same elements, each changed.
    fn changed(&self, change: impl Fn(f32) -> f32) -> Vec<T> {
        self.data.iter().map(|x| T::narrow(f64::from(change(x.wide() as f32)))).collect()
    }
}

/// The product as tensor cores make it: of factors as they are, where these are rounded to their type already; or of rounded ones.
/// `is_short` says that the depth is a head dimension.
pub(super) fn product_of<T: Real>(
    factors: Option<Factors>,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    is_short: bool,
) -> Vec<T> {
    match factors {
        None | Some(Factors::Of(_)) => T::product(a, b),
        Some(Factors::F32(products)) => product_of_f32(products, a, b),
        Some(Factors::EightBits) => {
            let [of_a, of_b] = [&a, &b].map(|factor| factor.changed(round_to_lifted_e4m3));
            let (a, b) = (Matrix { data: &of_a, ..a }, Matrix { data: &of_b, ..b });
            // A sum over a head dimension is one that tensor cores cut off as they make it, and nobody can help it.
            if is_short { cut_off(a, b) } else { T::product(a, b) }
        }
    }
}

/// The product of 8-bit floats with the sums of tensor cores.
fn cut_off<T: Real>(a: Matrix<'_, T>, b: Matrix<'_, T>) -> Vec<T> {
    let depth = a.cols;
    if depth == 0 {
        return T::product(a, b);
    }
    let number = |matrix: &Matrix<'_, T>, row: usize, col: usize| {
        matrix.data[row * matrix.strides.0 + col * matrix.strides.1].wide() as f32
    };
    let rows: Vec<f32> = (0..a.rows * depth).map(|at| number(&a, at / depth, at % depth)).collect();
    let columns: Vec<f32> = (0..b.cols * depth).map(|at| number(&b, at % depth, at / depth)).collect();
    let product = product_of_eight_bits(&rows, &columns, depth);
    product.into_iter().map(|x| T::narrow(f64::from(x))).collect()
}

/// The product of f32 as tensor cores make it, which have no products of f32: of rounded factors, or of factors split into two,
/// of which the product of the small parts is left out.
fn product_of_f32<T: Real>(products: F32Products, a: Matrix<'_, T>, b: Matrix<'_, T>) -> Vec<T> {
    match products {
        F32Products::Tf32 => {
            let (of_a, of_b) = (a.changed(round_to_tf32), b.changed(round_to_tf32));
            T::product(Matrix { data: &of_a, ..a }, Matrix { data: &of_b, ..b })
        }
        F32Products::Bf16x3 => {
            let [a_high, a_low] = [0, 1].map(|part| a.changed(|x| split(x)[part]));
            let [b_high, b_low] = [0, 1].map(|part| b.changed(|x| split(x)[part]));
            let of =
                |of_a: &[T], of_b: &[T]| T::product(Matrix { data: of_a, ..a }, Matrix { data: of_b, ..b });
            let mut sum = of(&a_low, &b_high);
            for term in [of(&a_high, &b_low), of(&a_high, &b_high)] {
                sum.iter_mut().zip(term).for_each(|(sum, x)| *sum = T::narrow(sum.wide() + x.wide()));
            }
            sum
        }
    }
}

/// The arguments of `matrixmultiply`: both of its functions take the same.
macro_rules! product {
    ($gemm:path, $a:expr, $b:expr) => {{
        let (a, b) = ($a, $b);
        assert!(a.cols == b.rows && a.is_inside() && b.is_inside(), "factors that do not fit");
        let mut out = vec![Default::default(); a.rows * b.cols];
        let [(a0, a1), (b0, b1)] =
            [a.strides, b.strides].map(|(rows, cols)| (rows as isize, cols as isize));
        // SAFETY: every element of both factors lies inside their slices, and the result is row-major in a vector
        // of `rows * cols` elements that nothing else refers to.
        unsafe {
            $gemm(
                a.rows, a.cols, b.cols, 1.0, a.data.as_ptr(), a0, a1, b.data.as_ptr(), b0, b1, 0.0,
                out.as_mut_ptr(), b.cols as isize, 1,
            );
        }
        out
    }};
}

impl Real for f64 {
    fn narrow(value: f64) -> f64 {
        value
    }

    fn wide(self) -> f64 {
        self
    }

    fn round_all(precision: Precision, values: &mut [f64]) {
        precision.round_all(values);
    }

    fn product(a: Matrix<'_, f64>, b: Matrix<'_, f64>) -> Vec<f64> {
        product!(matrixmultiply::dgemm, a, b)
    }
}

impl Real for f32 {
    fn narrow(value: f64) -> f32 {
        value as f32
    }

    fn wide(self) -> f64 {
        f64::from(self)
    }

    fn round_all(precision: Precision, values: &mut [f32]) {
        precision.round_singles(values);
    }

    fn product(a: Matrix<'_, f32>, b: Matrix<'_, f32>) -> Vec<f32> {
        product!(matrixmultiply::sgemm, a, b)
    }
}
