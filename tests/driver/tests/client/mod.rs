//! What a client of the driver does before and between the calls that a test is about.

use flashpage_test_driver::Code;
use flashpage_test_driver::context::*;
use flashpage_test_driver::device::*;
use flashpage_test_driver::memory::*;

pub const OK: Code = Code::SUCCESS;

/// The context, current in this thread.
pub fn begin() {
    let mut context = 0;
    assert_eq!(cuInit(0), OK);
    assert_eq!(unsafe { cuDevicePrimaryCtxRetain(&mut context, 0) }, OK);
    assert_eq!(cuCtxSetCurrent(context), OK);
}

/// What a call writes to its first argument.
pub fn get<T: Default>(call: impl FnOnce(*mut T) -> Code) -> Result<T, Code> {
    let mut value = T::default();
    match call(&mut value) {
        OK => Ok(value),
        code => Err(code),
    }
}

pub fn alloc(bytes: usize) -> u64 {
    get(|to| unsafe { cuMemAlloc_v2(to, bytes) }).unwrap()
}

pub fn read<const N: usize>(address: u64) -> [u8; N] {
    let mut bytes = [0; N];
    assert_eq!(unsafe { cuMemcpyDtoH_v2(bytes.as_mut_ptr().cast(), address, N) }, OK);
    bytes
}
