//! What comes before and after: no `cuInit`, no context, a context that is gone, and a fault, which stays. One test, because
//! all of it is the process's.

use flashpage_test_driver::Code;
use flashpage_test_driver::code::{cuGetErrorName, cuGetErrorString};
use flashpage_test_driver::context::*;
use flashpage_test_driver::device::*;
use flashpage_test_driver::launch::cuLaunchKernel;
use flashpage_test_driver::memory::*;
use flashpage_test_driver::module::*;
use flashpage_test_driver::stream::*;
use std::ffi::{CStr, c_char, c_void};
use std::ptr::{null, null_mut};

const OK: Code = Code::SUCCESS;

const BAD: &CStr = c".version 7.0
.target sm_80
.address_size 64
.entry bad(.param .u64 to) { .reg .u64 %a; ld.param.u64 %a, [to]; st.global.u64 [%a], %a; ret; }";

#[test]
fn a_process() {
    let (mut context, mut address, mut count) = (0, 0, 0);
    let mut alloc = || unsafe { cuMemAlloc_v2(&mut address, 64) };
    let mut retain = || unsafe { cuDevicePrimaryCtxRetain(&mut context, 0) };

    assert_eq!(unsafe { cuDeviceGetCount(&mut count) }, Code::NOT_INITIALIZED);
    assert_eq!((cuInit(0), retain()), (OK, OK));
    assert_eq!(alloc(), Code::INVALID_CONTEXT, "retained, but nobody's");
    assert_eq!((cuCtxSetCurrent(0xc0de), alloc()), (OK, OK));
    std::thread::scope(|threads| {
        threads.spawn(|| assert_eq!(cuCtxSynchronize(), Code::INVALID_CONTEXT, "another thread's"));
    });
    // Twice retained, it outlives one release.
    assert_eq!((retain(), cuDevicePrimaryCtxRelease_v2(0), cuCtxSynchronize()), (OK, OK, OK));
    assert_eq!((cuDevicePrimaryCtxRelease_v2(0), cuCtxSynchronize()), (OK, Code::INVALID_CONTEXT));
    assert_eq!(cuDevicePrimaryCtxRelease_v2(0), Code::INVALID_CONTEXT);
    assert_eq!(retain(), OK);
    assert_eq!(cuMemFree_v2(address), Code::INVALID_VALUE, "gone with the context");

    let (mut module, mut function, mut event, mut free) = (0, 0, 0, 0);
    let at: u64 = 0x10;
    let params: [*const c_void; 1] = [(&raw const at).cast()];
    let mut word = 0u32;
    let word = (&raw mut word).cast::<c_void>();
    let launch =
        |function| unsafe { cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, 0, params.as_ptr(), null()) };
    unsafe {
        assert_eq!(cuEventCreate(&mut event, 0), OK);
        assert_eq!(cuMemAlloc_v2(&mut address, 64), OK);
        assert_eq!(cuModuleLoadData(&mut module, BAD.as_ptr().cast()), OK);
        assert_eq!(cuModuleGetFunction(&mut function, module, c"bad".as_ptr()), OK);
    }
    // The fault is told by who waits, and from then on by everybody.
    assert_eq!((launch(function), launch(function)), (OK, OK));
    assert_eq!(cuMemsetD8Async(address, 0, 64, 0), OK);
    assert_eq!(cuEventRecord(event, 0), OK);
    let table = [
        ("read", unsafe { cuMemcpyDtoH_v2(word, address, 4) }),
        ("synchronise", cuCtxSynchronize()),
        ("launch", launch(function)),
        ("allocate", unsafe { cuMemAlloc_v2(&mut address, 64) }),
        ("ask for memory", unsafe { cuMemGetInfo_v2(&mut free, null_mut()) }),
        ("free", cuMemFree_v2(address)),
        ("record", cuEventRecord(event, 0)),
        ("unload", cuModuleUnload(module)),
        ("make a stream", unsafe { cuStreamCreate(&mut free, 0) }),
    ];
    for (what, code) in table {
        assert_eq!(code, Code::ILLEGAL_ADDRESS, "{what}");
    }
    // The device still answers, and a new context is no better.
    assert_eq!(unsafe { cuDeviceGetCount(&mut count) }, OK);
    assert_eq!(
        (cuDevicePrimaryCtxRelease_v2(0), unsafe { cuDevicePrimaryCtxRetain(&mut free, 0) }),
        (OK, OK)
    );
    assert_eq!(cuCtxSynchronize(), Code::ILLEGAL_ADDRESS);
}

#[test]
fn codes_have_names() {
    let table = [
        (Code(0), OK, Some(("CUDA_SUCCESS", "no error"))),
        (Code(700), OK, Some(("CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"))),
        (Code(12345), Code::INVALID_VALUE, None),
    ];
    for (code, answer, expected) in table {
        let (mut name, mut text): (*const c_char, *const c_char) = (null(), null());
        let answers = unsafe { (cuGetErrorName(code, &mut name), cuGetErrorString(code, &mut text)) };
        assert_eq!(answers, (answer, answer));
        let words =
            |at: *const c_char| (!at.is_null()).then(|| unsafe { CStr::from_ptr(at) }.to_str().unwrap());
        assert_eq!(words(name).zip(words(text)), expected);
    }
}
