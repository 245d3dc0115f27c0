//! A large matrix product by cuBLAS, which tells what the tensor cores of a GPU reach in practice.
//!
//! The library is looked for at run time: most machines that have a driver have it from PyTorch or the toolkit. Of
//! its interface five calls are used, which have been the same since CUDA 11.

use super::Cuda;
use crate::device::{Buffer, DeviceError, Timing, TimingOptions};
use flashpage_codegen::program::DType;
use libloading::Library;
use std::ffi::{c_int, c_void};

type Handle = *mut c_void;
type Create = unsafe extern "C" fn(*mut Handle) -> c_int;
type Destroy = unsafe extern "C" fn(Handle) -> c_int;
/// `cublasGemmEx`: operations of A and B, m, n, k, alpha, A, its type and leading dimension, B likewise, beta, C
/// likewise, the type of the sums, the algorithm.
type GemmEx = unsafe extern "C" fn(
    Handle,
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    *const c_void,
    *const c_void,
    c_int,
    c_int,
    *const c_void,
    c_int,
    c_int,
    *const c_void,
    *mut c_void,
    c_int,
    c_int,
    c_int,
    c_int,
) -> c_int;

// `library_types.h` and `cublas_api.h`.
const CUDA_R_16F: c_int = 2;
const CUDA_R_16BF: c_int = 14;
const CUBLAS_COMPUTE_32F: c_int = 68;
const CUBLAS_OP_N: c_int = 0;
const CUBLAS_GEMM_DEFAULT: c_int = -1;

/// The names the library goes by, the newest first.
const NAMES: [&str; 4] = ["libcublas.so.13", "libcublas.so.12", "libcublas.so.11", "libcublas.so"];

/// A handle, destroyed when dropped; its library is unloaded after it.
struct Blas {
    handle: Handle,
    destroy: Destroy,
    gemm: GemmEx,
    _library: Library,
}

impl Blas {
    fn new() -> Result<Blas, DeviceError> {
        let named = std::env::var("CUBLAS").ok();
        let names: Vec<&str> = named.as_deref().into_iter().chain(NAMES).collect();
        let library = names
            .iter()
            // SAFETY: cuBLAS runs nothing when it is loaded that could harm.
            .find_map(|name| unsafe { Library::new(*name) }.ok())
            .ok_or_else(|| DeviceError::NoBlas { tried: names.join(", ") })?;
        let missing = |error: libloading::Error| DeviceError::NoBlas { tried: error.to_string() };
        // SAFETY: the symbols have these types in every version that the names above can be.
        let (create, destroy, gemm) = unsafe {
            (
                *library.get::<Create>(b"cublasCreate_v2").map_err(missing)?,
                *library.get::<Destroy>(b"cublasDestroy_v2").map_err(missing)?,
                *library.get::<GemmEx>(b"cublasGemmEx").map_err(missing)?,
            )
        };
        let mut handle = std::ptr::null_mut();
        // SAFETY: writes one handle; a context is current.
        status("cublasCreate", unsafe { create(&mut handle) })?;
        Ok(Blas { handle, destroy, gemm, _library: library })
    }
}

impl Drop for Blas {
    fn drop(&mut self) {
        // SAFETY: created by `new`, destroyed once, before the library is unloaded.
        let _ = unsafe { (self.destroy)(self.handle) };
    }
}

fn status(call: &'static str, status: c_int) -> Result<(), DeviceError> {
    match status {
        0 => Ok(()),
        status => Err(DeviceError::Cuda { call, message: format!("cublasStatus_t {status}") }),
    }
}

impl Cuda {
    pub(in crate::device) fn time_matmul(
        &self,
        n: usize,
        dtype: DType,
        [a, b, c]: [&Buffer; 3],
        options: &TimingOptions,
    ) -> Result<Timing, DeviceError> {
        self.bind()?;
        let blas = Blas::new()?;
        let too_large =
            |_| DeviceError::Cuda { call: "cublasGemmEx", message: format!("{n} rows do not fit in an int") };
        let n = c_int::try_from(n).map_err(too_large)?;
        let ty = if dtype == DType::Bf16 { CUDA_R_16BF } else { CUDA_R_16F };
        let (one, zero) = (1f32, 0f32);
        self.samples(&["matrix product"], options, || {
            // SAFETY: the matrices are n x n elements of this type, as `Device::time_matmul` has checked, and live
            // until `samples` has waited for the products; alpha and beta are read on the host.
            status("cublasGemmEx", unsafe {
                (blas.gemm)(
                    blas.handle,
                    CUBLAS_OP_N,
                    CUBLAS_OP_N,
                    n,
                    n,
                    n,
                    (&raw const one).cast(),
                    a.address() as *const c_void,
                    ty,
                    n,
                    b.address() as *const c_void,
                    ty,
                    n,
                    (&raw const zero).cast(),
                    c.address() as *mut c_void,
                    ty,
                    n,
                    CUBLAS_COMPUTE_32F,
                    CUBLAS_GEMM_DEFAULT,
                )
            })
        })
    }
}
